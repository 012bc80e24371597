import type { FlagSpec } from "../command.js";
import { flag, healthFlags, inGroup, list, text } from "../flag-spec.js";
import { createPlacementFlags, sharedPlacementFlags, updatePlacementFlags } from "./placement-flags.js";

/** What `create` and `update` share: each sets one thing of a service. Their readers are `applyFlags` in apply-flags.ts. */
export const sharedFlags: readonly FlagSpec[] = [
  ...inGroup("Service", [
    text("replicas", "N", "How many tasks (default 1)"),
    text("endpoint-mode", "MODE", "vip (one address that balances, the default) or dnsrr (the name resolves to every task)"),
  ]),
  ...inGroup("Container", [
    text("hostname", "NAME", "Host name inside the container"),
    text("workdir", "PATH", "Working directory", "w"),
    text("user", "USER[:GROUP]", "User, by name or number", "u"),
    text("entrypoint", "COMMAND", "Replaces the image's entrypoint; split as a shell does"),
    text("stop-grace-period", "DURATION", "From the stop signal to SIGKILL (default 10s)"),
    text("stop-signal", "SIGNAL", "Signal that ends it (default the image's, else SIGTERM)"),
    flag("read-only", "The root filesystem cannot be written"),
    flag("init", "A small init reaps orphans and forwards signals"),
    flag("tty", "Give it a terminal", "t"),
    text("pull", "WHEN", "Fetch the image always, missing (the default) or never"),
    text("log-driver", "NAME", "json-file (the default) or none (nothing is kept)"),
    list("log-opt", "KEY=VALUE", "Log option, such as max-size=10m or max-file=3"),
    list("cap-add", "CAPABILITY", "Add a capability, such as NET_ADMIN"),
    list("cap-drop", "CAPABILITY", "Drop a capability, or ALL"),
  ]),
  ...healthFlags,
  ...inGroup("Resources", [
    text("reserve-cpu", "CORES", "Cores set aside on the node, such as 0.5"),
    text("reserve-memory", "SIZE", "Memory set aside on the node, such as 256m"),
    text("limit-cpu", "CORES", "Most cores it may use"),
    text("limit-memory", "SIZE", "Most memory it may use"),
    text("limit-pids", "N", "Most processes it may have"),
  ]),
  ...sharedPlacementFlags,
  ...inGroup("Restart", [
    text("restart-condition", "WHEN", "any (the default), on-failure or none"),
    text("restart-delay", "DURATION", "Before the first restart; doubles with each failure (default 5s)"),
    text("restart-max-delay", "DURATION", "Most that the delay grows to (default 5m)"),
    text("restart-max-attempts", "N", "Restarts of one slot within the window (0: no limit)"),
    text("restart-window", "DURATION", "Time over which attempts count (0: for ever)"),
  ]),
  ...inGroup("Update", [
    text("update-parallelism", "N", "Tasks replaced at once (default 1; 0: all)"),
    text("update-delay", "DURATION", "Between two batches"),
    text("update-order", "ORDER", "stop-first (the default) or start-first"),
    text("update-monitor", "DURATION", "A task that fails this soon has failed the update (default 5s)"),
    text("update-failure-action", "ACTION", "pause (the default) or continue"),
  ]),
];

/** Only for `create`: whole lists. */
export const createFlags: readonly FlagSpec[] = [
  ...inGroup("Service", [
    text("name", "NAME", "Name (default: one made of the image's and an id)"),
    text("mode", "MODE", "replicated (the default) or global (one task on every node)"),
    list("label", "KEY=VALUE", "Label of the service", "l"),
    list("publish", "PUBLISHED:TARGET[/udp]", "Publish a port on every host, or mode=host,target=80,published=8080,protocol=tcp on the task's host", "p"),
    list("network", "NETWORK", "Attach to a network, or name=NETWORK,alias=NAME"),
  ]),
  ...inGroup("Container", [
    list("env", "KEY=VALUE", "Environment variable; KEY alone takes yours", "e"),
    list("env-file", "FILE", "File of environment variables, one a line"),
    list("mount", "FIELDS", "type=bind|volume|tmpfs|cluster,source=…,target=…[,readonly]; cluster: a volume of the cluster, or group:NAME"),
    list("container-label", "KEY=VALUE", "Label of the containers"),
    list("group", "GROUP", "Supplementary group"),
    list("host", "NAME:IP", "Line for /etc/hosts (the global --host goes before \"service\")"),
    list("dns", "IP", "Name server for names outside the cluster"),
    list("sysctl", "KEY=VALUE", "Kernel setting of the container's own namespaces"),
  ]),
  ...inGroup("Placement", [
    list("constraint", "EXPRESSION", "Nodes that may run it, such as node.labels.disk==ssd, node.role!=manager, 'node.labels.zone in (a,b)' or 'node.attr.kernel.version>=6.1'"),
    list("placement-pref", "spread=KEY", "Spread evenly over a label's values, such as spread=node.labels.rack"),
  ]),
  ...createPlacementFlags,
];

/** Only for `update`: members of lists come and go one by one. */
export const updateFlags: readonly FlagSpec[] = [
  ...inGroup("Service", [
    text("image", "IMAGE", "Another image"),
    text("args", "COMMAND", "Another command, split as a shell does"),
    flag("force", "Replace every task even though nothing else changed"),
    list("label-add", "KEY=VALUE", "Add or change a label of the service"),
    list("label-rm", "KEY", "Remove a label of the service"),
    list("publish-add", "PUBLISHED:TARGET[/udp]", "Publish a port, in either form of create's --publish"),
    list("publish-rm", "TARGET[/udp]", "No longer publish a port, by the container's port"),
    list("network-add", "NETWORK", "Attach to a network"),
    list("network-rm", "NETWORK", "Detach from a network"),
  ]),
  ...inGroup("Container", [
    list("env-add", "KEY=VALUE", "Add or change an environment variable"),
    list("env-rm", "KEY", "Remove an environment variable"),
    list("mount-add", "FIELDS", "Add or change a mount"),
    list("mount-rm", "TARGET", "Remove a mount, by its target"),
    list("container-label-add", "KEY=VALUE", "Add or change a label of the containers"),
    list("container-label-rm", "KEY", "Remove a label of the containers"),
    list("group-add", "GROUP", "Add a supplementary group"),
    list("group-rm", "GROUP", "Remove a supplementary group"),
    list("host-add", "NAME:IP", "Add a line for /etc/hosts"),
    list("host-rm", "NAME:IP", "Remove a line of /etc/hosts"),
    list("dns-add", "IP", "Add a name server"),
    list("dns-rm", "IP", "Remove a name server"),
    list("sysctl-add", "KEY=VALUE", "Add or change a kernel setting"),
    list("sysctl-rm", "KEY", "Remove a kernel setting"),
  ]),
  ...inGroup("Placement", [
    list("constraint-add", "EXPRESSION", "Add a constraint"),
    list("constraint-rm", "EXPRESSION", "Remove a constraint"),
    list("placement-pref-add", "spread=KEY", "Add a placement preference"),
    list("placement-pref-rm", "spread=KEY", "Remove a placement preference"),
  ]),
  ...updatePlacementFlags,
];
