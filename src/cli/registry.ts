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

  "image ls": { about: "List one host's images", load: () => import("./commands/image/ls.js") },
  "image pull": { about: "Fetch images from a registry", load: () => import("./commands/image/pull.js") },
  "image load": { about: "Load images from a tar archive", load: () => import("./commands/image/load.js") },
  "image import": { about: "Make an image of a root filesystem's tar archive", load: () => import("./commands/image/import.js") },
  "image rm": { about: "Remove images from one host", load: () => import("./commands/image/rm.js") },

  "cluster inspect": { about: "Show the cluster's settings in full", load: () => import("./commands/cluster/inspect.js") },
  "cluster update": { about: "Change the cluster's settings", load: () => import("./commands/cluster/update.js") },

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
  network: "Overlay networks",
  image: "Images on one host",
  cluster: "The cluster's settings",
  lab: "Hosts on one machine, to try and test with",
  context: "Clusters that swarmctl knows",
};
