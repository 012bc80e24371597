import type { FlagSpec } from "../command.js";
import { flag, healthFlags, inGroup, list, text } from "../flag-spec.js";

/** Every command of one host's engine has it. */
export const nodeFlag: FlagSpec = { name: "node", kind: "text", value: "NAME", help: "On that node of the cluster, through a manager (default: this host)", group: "Host" };

/** What `run` and `create` share; `containerRequest` in container-request.ts reads them. */
export const containerFlags: readonly FlagSpec[] = [
  ...inGroup("Container", [
    text("name", "NAME", "Name (default: one is made up)"),
    list("env", "KEY=VALUE", "Environment variable; KEY alone takes yours", "e"),
    list("env-file", "FILE", "File of environment variables, one a line"),
    list("label", "KEY=VALUE", "Label", "l"),
    text("entrypoint", "COMMAND", "Replaces the image's entrypoint"),
    text("hostname", "NAME", "Host name inside the container"),
    text("user", "USER[:GROUP]", "User, by name or number", "u"),
    list("group-add", "GROUP", "Supplementary group"),
    text("workdir", "PATH", "Working directory", "w"),
    flag("interactive", "Keep standard input open", "i"),
    flag("tty", "Give it a terminal", "t"),
    flag("init", "A small init reaps orphans and forwards signals"),
    flag("rm", "Remove it when it has ended"),
    text("restart", "POLICY", "no (the default), always, unless-stopped or on-failure[:N]"),
    text("stop-signal", "SIGNAL", "Signal that ends it"),
    text("stop-timeout", "SECONDS", "From the stop signal to SIGKILL (default 10)"),
    text("pull", "WHEN", "Fetch the image always, missing (the default) or never"),
    text("platform", "OS/ARCH", "Image of another platform"),
    text("log-driver", "NAME", "json-file (the default), local or none"),
    list("log-opt", "KEY=VALUE", "Log option, such as max-size=10m"),
  ]),
  ...inGroup("Files", [
    list("volume", "SOURCE:TARGET[:OPTIONS]", "Volume or directory of the host", "v"),
    list("mount", "FIELDS", "type=bind|volume|tmpfs,source=…,target=…[,readonly]"),
    list("tmpfs", "TARGET[:OPTIONS]", "Memory file system"),
    flag("read-only", "The root filesystem cannot be written"),
    list("device", "HOST[:CONTAINER[:rwm]]", "Device of the host"),
  ]),
  ...inGroup("Network", [
    text("network", "NETWORK", "bridge (the default), host, none, container:NAME or a network's name"),
    list("network-alias", "NAME", "Further name on its network"),
    text("ip", "IP", "Address on its network"),
    list("publish", "[[IP:]PORT:]TARGET[/udp]", "Publish a port", "p"),
    flag("publish-all", "Publish every exposed port", "P"),
    list("expose", "PORT", "Expose a port"),
    list("add-host", "NAME:IP", "Line for /etc/hosts"),
    list("dns", "IP", "Name server"),
    list("dns-search", "DOMAIN", "Search domain"),
  ]),
  ...inGroup("Resources", [
    text("memory", "SIZE", "Most memory it may use", "m"),
    text("memory-reservation", "SIZE", "Memory kept for it under pressure"),
    text("memory-swap", "SIZE", "Memory and swap together; -1: any"),
    text("cpus", "CORES", "Most cores it may use"),
    text("cpu-shares", "N", "Weight among others (default 1024)", "c"),
    text("cpuset-cpus", "LIST", "Processors it may run on, such as 0-1"),
    text("pids-limit", "N", "Most processes"),
    text("shm-size", "SIZE", "Size of /dev/shm (default 64m)"),
    list("ulimit", "NAME=SOFT[:HARD]", "Resource limit of its processes"),
  ]),
  ...inGroup("Security", [
    flag("privileged", "All rights over the host"),
    list("cap-add", "CAPABILITY", "Add a capability"),
    list("cap-drop", "CAPABILITY", "Drop a capability, or ALL"),
    list("security-opt", "OPTION", "no-new-privileges, seccomp=FILE|unconfined"),
    list("sysctl", "KEY=VALUE", "Kernel setting of its own namespaces"),
    text("ipc", "MODE", "private, shareable, host or container:NAME"),
    text("pid", "MODE", "host or container:NAME"),
    text("uts", "MODE", "host"),
    text("runtime", "NAME", "OCI runtime: crun or runc (default: the one that swarmd prefers)"),
  ]),
  ...healthFlags,
  nodeFlag,
];
