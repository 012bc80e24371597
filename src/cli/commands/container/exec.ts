import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { resizeExec, session } from "../../docker/streams.js";
import { parseEnv } from "../../parse/env.js";

export default {
  usage: "[OPTIONS] CONTAINER COMMAND [ARG…]",
  about: "Runs a command in a running container; its exit code is the command's.",
  args: { min: 2, max: Infinity },
  stopsAtFirstWord: true,
  flags: [
    { name: "interactive", short: "i", kind: "switch", help: "Pass standard input on" },
    { name: "tty", short: "t", kind: "switch", help: "Give it a terminal" },
    { name: "detach", short: "d", kind: "switch", help: "Do not wait for it" },
    { name: "env", short: "e", kind: "list", value: "KEY=VALUE", help: "Environment variable" },
    { name: "user", short: "u", kind: "text", value: "USER[:GROUP]", help: "User, by name or number" },
    { name: "workdir", short: "w", kind: "text", value: "PATH", help: "Working directory" },
    { name: "privileged", kind: "switch", help: "All rights over the host" },
    { name: "detach-keys", kind: "text", value: "KEYS", help: "Keys that leave it (default ctrl-p,ctrl-q)" },
    nodeFlag,
  ],
  examples: [["swarmctl exec -it --node w1 web.1.x7 sh", "A shell in a container on the node w1"]],
  async run({ flags, args: [container, ...command], connection, terminal, environment, signal }) {
    const client = connection.docker(flags.text("node"));
    const isTty = flags.on("tty");
    const isDetached = flags.on("detach");
    const withInput = flags.on("interactive") && !isDetached;
    const { Id } = await client.json<{ Id: string }>("POST", `/containers/${encodeURIComponent(container!)}/exec`, {
      body: {
        Cmd: command, Tty: isTty, AttachStdin: withInput, AttachStdout: !isDetached, AttachStderr: !isDetached, Env: parseEnv(flags.list("env"), environment), User: flags.text("user") ?? "",
        WorkingDir: flags.text("workdir") ?? "", Privileged: flags.on("privileged"), DetachKeys: flags.text("detach-keys") ?? "", ...(isTty && terminal.outIsTty ? { ConsoleSize: [terminal.rows, terminal.columns] } : {}),
      },
    });
    if (isDetached) { await client.json("POST", `/exec/${Id}/start`, { body: { Detach: true, Tty: isTty } }); return 0; }
    const stream = await client.hijack(`/exec/${Id}/start`, { body: { Detach: false, Tty: isTty } });
    const leave = () => stream.socket.destroy();
    signal.addEventListener("abort", leave, { once: true });
    try { await session(stream, { terminal, withInput, isTty, resize: resizeExec(client, Id) }); } finally { signal.removeEventListener("abort", leave); }
    return (await client.json<{ ExitCode: number | null }>("GET", `/exec/${Id}/json`)).ExitCode ?? 0;
  },
} satisfies Command as Command;
