import type { Command } from "./command.js";

interface Entry { readonly about: string; readonly load: () => Promise<{ default: Command }> }

/**
 * Every command by its words. The modules load only when they are called, which is most of what a short command's start costs.
 * Nouns are the entries' first words; `nouns` says what each is about.
 */
export const registry: Readonly<Record<string, Entry>> = {
  "init": { about: "Make this host the first manager of a new cluster", load: () => import("./commands/init.js") },
  "join": { about: "Make this host a node of a cluster", load: () => import("./commands/join.js") },
  "join-token": { about: "Show or rotate the token that lets hosts join", load: () => import("./commands/join-token.js") },
  "leave": { about: "Take this host out of its cluster", load: () => import("./commands/leave.js") },

  "service create": { about: "Run a new service", load: () => import("./commands/service/create.js") },
  "service ls": { about: "List services", load: () => import("./commands/service/ls.js") },
  "service inspect": { about: "Show services in full", load: () => import("./commands/service/inspect.js") },
  "service ps": { about: "List the tasks of services", load: () => import("./commands/service/ps.js") },
  "service scale": { about: "Set how many replicas services have", load: () => import("./commands/service/scale.js") },
  "service update": { about: "Change a service", load: () => import("./commands/service/update.js") },
  "service logs": { about: "Read what a service's or a task's containers print", load: () => import("./commands/service/logs.js") },
  "service hints": { about: "Say what services reserve and what they really use", load: () => import("./commands/service/hints.js") },
  "service rm": { about: "Remove services", load: () => import("./commands/service/rm.js") },

  "task ls": { about: "List tasks", load: () => import("./commands/task/ls.js") },
  "task ps": { about: "List tasks (the same as ls)", load: () => import("./commands/task/ls.js") },
  "task inspect": { about: "Show tasks in full", load: () => import("./commands/task/inspect.js") },

  "node ls": { about: "List nodes", load: () => import("./commands/node/ls.js") },
  "node inspect": { about: "Show nodes in full", load: () => import("./commands/node/inspect.js") },
  "node ps": { about: "List the tasks on nodes", load: () => import("./commands/node/ps.js") },
  "node update": { about: "Change a node's availability, labels or role", load: () => import("./commands/node/update.js") },
  "node promote": { about: "Make nodes managers", load: () => import("./commands/node/promote.js") },
  "node demote": { about: "Make managers workers", load: () => import("./commands/node/demote.js") },
  "node rm": { about: "Remove nodes from the cluster", load: () => import("./commands/node/rm.js") },

  "network create": { about: "Create a network", load: () => import("./commands/network/create.js") },
  "network ls": { about: "List networks", load: () => import("./commands/network/ls.js") },
  "network inspect": { about: "Show networks in full", load: () => import("./commands/network/inspect.js") },
  "network rm": { about: "Remove networks", load: () => import("./commands/network/rm.js") },

  "run": { about: "Run one container on one host", load: () => import("./commands/container/run.js") },
  "create": { about: "Make a container without starting it", load: () => import("./commands/container/create.js") },
  "ps": { about: "List the containers of one host", load: () => import("./commands/container/ps.js") },
  "start": { about: "Start containers", load: () => import("./commands/container/start.js") },
  "stop": { about: "Stop containers", load: () => import("./commands/container/stop.js") },
  "restart": { about: "Stop and start containers", load: () => import("./commands/container/restart.js") },
  "kill": { about: "Send a signal to containers", load: () => import("./commands/container/kill.js") },
  "pause": { about: "Freeze containers", load: () => import("./commands/container/pause.js") },
  "unpause": { about: "Thaw containers", load: () => import("./commands/container/unpause.js") },
  "wait": { about: "Wait until containers have ended", load: () => import("./commands/container/wait.js") },
  "rename": { about: "Give a container another name", load: () => import("./commands/container/rename.js") },
  "rm": { about: "Remove containers", load: () => import("./commands/container/rm.js") },
  "logs": { about: "Read what a container prints", load: () => import("./commands/container/logs.js") },
  "attach": { about: "Join this terminal with a container", load: () => import("./commands/container/attach.js") },
  "exec": { about: "Run a command in a container", load: () => import("./commands/container/exec.js") },
  "cp": { about: "Copy files between a container and this host", load: () => import("./commands/container/cp.js") },
  "diff": { about: "List what a container changed of its image's files", load: () => import("./commands/container/diff.js") },
  "commit": { about: "Make an image of a container's files", load: () => import("./commands/container/commit.js") },
  "stats": { about: "Show what containers use", load: () => import("./commands/container/stats.js") },
  "top": { about: "List the processes of a container", load: () => import("./commands/container/top.js") },
  "port": { about: "List a container's published ports", load: () => import("./commands/container/port.js") },
  "inspect": { about: "Show containers and images in full", load: () => import("./commands/container/inspect.js") },
  "build": { about: "Build an image of a Dockerfile", load: () => import("./commands/build.js") },
  "pull": { about: "Fetch images from a registry (the same as image pull)", load: () => import("./commands/image/pull.js") },
  "push": { about: "Send images to a registry (the same as image push)", load: () => import("./commands/image/push.js") },
  "images": { about: "List one host's images (the same as image ls)", load: () => import("./commands/image/ls.js") },

  "container ls": { about: "List the containers of one host (the same as ps)", load: () => import("./commands/container/ps.js") },
  "container prune": { about: "Remove containers that do not run", load: () => import("./commands/container/prune.js") },

  "network connect": { about: "Attach a container to a network of its host", load: () => import("./commands/network/connect.js") },
  "network disconnect": { about: "Take a container off a network of its host", load: () => import("./commands/network/disconnect.js") },
  "network prune": { about: "Remove networks of one host that no container is on", load: () => import("./commands/network/prune.js") },

  "image ls": { about: "List one host's images", load: () => import("./commands/image/ls.js") },
  "image pull": { about: "Fetch images from a registry", load: () => import("./commands/image/pull.js") },
  "image load": { about: "Load images from a tar archive", load: () => import("./commands/image/load.js") },
  "image import": { about: "Make an image of a root filesystem's tar archive", load: () => import("./commands/image/import.js") },
  "image rm": { about: "Remove images from one host", load: () => import("./commands/image/rm.js") },

  "image push": { about: "Send images to a registry", load: () => import("./commands/image/push.js") },
  "image tag": { about: "Give an image a further name", load: () => import("./commands/image/tag.js") },
  "image save": { about: "Write images as a tar archive", load: () => import("./commands/image/save.js") },
  "image history": { about: "List the steps that made an image", load: () => import("./commands/image/history.js") },
  "image inspect": { about: "Show images in full", load: () => import("./commands/image/inspect.js") },
  "image prune": { about: "Remove images that nothing uses", load: () => import("./commands/image/prune.js") },

  "volume ls": { about: "List the volumes of one host, or of the cluster", load: () => import("./commands/volume/ls.js") },
  "volume create": { about: "Create a volume", load: () => import("./commands/volume/create.js") },
  "volume update": { about: "Change a volume of the cluster", load: () => import("./commands/volume/update.js") },
  "volume inspect": { about: "Show volumes in full", load: () => import("./commands/volume/inspect.js") },
  "volume rm": { about: "Remove volumes", load: () => import("./commands/volume/rm.js") },
  "volume prune": { about: "Remove volumes that no container has", load: () => import("./commands/volume/prune.js") },

  "system df": { about: "Show what takes room on one host's disk", load: () => import("./commands/system/df.js") },
  "system events": { about: "Watch what happens on one host", load: () => import("./commands/system/events.js") },
  "system info": { about: "Show one host's engine in full", load: () => import("./commands/system/info.js") },
  "system prune": { about: "Remove from one host what nothing uses", load: () => import("./commands/system/prune.js") },

  "cluster inspect": { about: "Show the cluster's settings in full", load: () => import("./commands/cluster/inspect.js") },
  "cluster metrics": { about: "Show what the leader counts and measures", load: () => import("./commands/cluster/metrics.js") },
  "cluster raft": { about: "Show how the managers follow the leader", load: () => import("./commands/cluster/raft.js") },
  "cluster recover": { about: "Go on with this manager alone, when a majority is lost", load: () => import("./commands/cluster/recover.js") },
  "cluster update": { about: "Change the cluster's settings", load: () => import("./commands/cluster/update.js") },

  "explain": { about: "Say why a task is where it is, or why it waits", load: () => import("./commands/explain.js") },
  "whatif": { about: "Say what would happen if nodes went or came and services grew", load: () => import("./commands/whatif.js") },
  "rebalance": { about: "Move running tasks to where they fit better", load: () => import("./commands/rebalance.js") },

  "lab up": { about: "Start a cluster of hosts on this machine", load: () => import("./commands/lab/up.js") },
  "lab ls": { about: "List labs and their hosts", load: () => import("./commands/lab/ls.js") },
  "lab exec": { about: "Run a command on a lab's host", load: () => import("./commands/lab/exec.js") },
  "lab start": { about: "Start a host's daemon", load: () => import("./commands/lab/start.js") },
  "lab stop": { about: "Stop a host's daemon", load: () => import("./commands/lab/stop.js") },
  "lab kill": { about: "Kill a whole host, as a power cut does", load: () => import("./commands/lab/kill.js") },
  "lab pause": { about: "Freeze a host", load: () => import("./commands/lab/pause.js") },
  "lab resume": { about: "Thaw a frozen host", load: () => import("./commands/lab/resume.js") },
  "lab partition": { about: "Cut the hosts into groups that cannot reach each other", load: () => import("./commands/lab/partition.js") },
  "lab heal": { about: "End every partition", load: () => import("./commands/lab/heal.js") },
  "lab logs": { about: "Read a host's daemon log", load: () => import("./commands/lab/logs.js") },
  "lab down": { about: "Remove a lab with all that it left", load: () => import("./commands/lab/down.js") },

  "context ls": { about: "List contexts", load: () => import("./commands/context/ls.js") },
  "context use": { about: "Choose the cluster that commands talk to", load: () => import("./commands/context/use.js") },
  "context inspect": { about: "Show contexts in full", load: () => import("./commands/context/inspect.js") },
  "context create": { about: "Name a cluster by its hosts' run directories", load: () => import("./commands/context/create.js") },
  "context rm": { about: "Forget contexts", load: () => import("./commands/context/rm.js") },

  "events": { about: "Watch the cluster change", load: () => import("./commands/events.js") },
  "info": { about: "Show this host's node and its cluster", load: () => import("./commands/info.js") },
  "version": { about: "Show the versions of swarmctl and of the daemon", load: () => import("./commands/version.js") },
  "completion": { about: "Print a script that completes commands in bash or zsh", load: () => import("./commands/completion.js") },
};

export const nouns: Readonly<Record<string, string>> = {
  service: "Services: replicated containers",
  task: "Tasks: one container of a service each",
  node: "Hosts of the cluster",
  network: "Networks of the cluster, and of one host",
  container: "Containers of one host",
  image: "Images on one host",
  volume: "Volumes on one host, and of the cluster",
  system: "One host's engine",
  cluster: "The cluster's settings",
  lab: "Hosts on one machine, to try and test with",
  context: "Clusters that swarmctl knows",
};

/** The main help: every group ("service …") and every command without one, under what it is about. */
export const sections: readonly { readonly heading: string; readonly words: readonly string[] }[] = [
  { heading: "The cluster", words: ["init", "join", "join-token", "leave", "service", "task", "node", "network", "cluster", "explain", "whatif", "rebalance", "events", "info"] },
  {
    heading: "Containers of one host (this one, or another by --node NAME)", words: [
      "run", "create", "ps", "logs", "exec", "attach", "cp", "start", "stop", "restart", "kill", "pause", "unpause", "wait", "rename", "rm", "diff", "commit", "stats", "top", "port", "inspect", "container",
    ],
  },
  { heading: "Images, volumes and the rest of one host", words: ["images", "build", "pull", "push", "image", "volume", "system"] },
  { heading: "Besides", words: ["lab", "context", "version", "completion"] },
];
