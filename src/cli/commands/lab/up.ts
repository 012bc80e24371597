import { labUp } from "../../../lab/index.js";
import type { Command } from "../../command.js";
import { hostFlag, parseHostFlags } from "../../lab-flags.js";
import { defaultLab } from "../../lab-name.js";
import { parseDuration } from "../../parse/duration.js";
import { parseCount } from "../../parse/number.js";

const steps = { hosts: "hosts made", daemons: "daemons answer", init: "cluster initialized", join: "hosts joined", ready: "nodes ready" } as const;

export default {
  usage: "[OPTIONS] [-- SWARMD-FLAG…]",
  about: "Starts hosts on this machine, each in namespaces of its own with its own address, disk and daemon, and makes one cluster of them. The context of the same name becomes the current one.",
  args: { min: 0, max: Infinity },
  flags: [
    { name: "name", short: "n", kind: "text", value: "LAB", help: `Name of the lab and its context (default "${defaultLab}")` },
    { name: "managers", kind: "text", value: "N", help: "Managers, m1, m2, … (default 3)" },
    { name: "workers", kind: "text", value: "N", help: "Workers, w1, w2, … (default 2)" },
    { name: "heartbeat", kind: "text", value: "DURATION", help: "The cluster's heartbeat (default 5s)" },
    hostFlag,
    { name: "no-context", kind: "switch", help: "Leave the current context as it is" },
  ],
  examples: [["swarmctl lab up --managers 3 --workers 2", "Five hosts, named m1 to m3 and w1, w2"], ["swarmctl lab up --host-flag w1=--gpu=A100=g0,g1 --host-flag w2=--generic-resource=fpga=2", "Hosts that differ in what they have"], ["swarmctl lab down", "Everything away again"]],
  async run({ flags, args, terminal, contexts, signal }) {
    const name = flags.text("name") ?? defaultLab;
    const started = performance.now();
    const said = new Map<string, string>();
    const { sockets, lab } = await labUp({
      name,
      managers: parseCount(flags.text("managers") ?? "3", "--managers", { min: 1, max: 200 }),
      workers: parseCount(flags.text("workers") ?? "2", "--workers", { max: 200 }),
      heartbeatMs: flags.has("heartbeat") ? parseDuration(flags.text("heartbeat")!, "--heartbeat") : undefined,
      swarmdArgs: args,
      hostArgs: parseHostFlags(flags.list("host-flag")),
      signal,
      onProgress({ step, done, total }) {
        const line = `${done}/${total} ${steps[step]}`;
        if (terminal.errIsTty) terminal.err(`${said.has(step) || said.size === 0 ? "\r" : "\n"}\u001b[K  ${line}`);
        else if (done === total) terminal.err(`  ${line}\n`);
        said.set(step, line);
      },
    });
    if (terminal.errIsTty && said.size) terminal.err("\n");
    if (!flags.on("no-context")) { contexts.set(name, { sockets }); contexts.use(name); }
    terminal.out(`Lab "${name}" is up after ${((performance.now() - started) / 1_000).toFixed(1)} s: ${lab.hosts.map((host) => `${host.name} ${host.address}`).join(", ")}.\n`);
  },
} satisfies Command as Command;
