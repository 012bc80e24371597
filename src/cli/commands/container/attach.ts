import { SwarmError } from "../../../lib/index.js";
import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { resizeContainer, session } from "../../docker/streams.js";

export default {
  usage: "[OPTIONS] CONTAINER",
  about: "Joins this terminal with a running container; Ctrl-P Ctrl-Q leaves it running.",
  args: { min: 1 },
  flags: [{ name: "no-stdin", kind: "switch", help: "Only look" }, { name: "detach-keys", kind: "text", value: "KEYS", help: "Keys that leave it (default ctrl-p,ctrl-q)" }, nodeFlag],
  async run({ flags, args, connection, terminal, signal }) {
    const client = connection.docker(flags.text("node"));
    const name = encodeURIComponent(args[0]!);
    const { Id, Config, State } = await client.json<{ Id: string; Config: { Tty: boolean; OpenStdin: boolean }; State: { Running: boolean } }>("GET", `/containers/${name}/json`);
    if (!State.Running) throw new SwarmError("FAILED_PRECONDITION", `Cannot attach to container "${args[0]}": it does not run; start it with "swarmctl start --attach ${args[0]}".`);
    const withInput = Config.OpenStdin && !flags.on("no-stdin");
    const stream = await client.hijack(`/containers/${Id}/attach`, { query: { stream: 1, stdout: 1, stderr: 1, stdin: withInput ? 1 : 0, detachKeys: flags.text("detach-keys") } });
    const leave = () => stream.socket.destroy();
    signal.addEventListener("abort", leave, { once: true });
    try { await session(stream, { terminal, withInput, isTty: Config.Tty, resize: resizeContainer(client, Id) }); } finally { signal.removeEventListener("abort", leave); }
    const after = await client.json<{ State: { Running: boolean; ExitCode: number } }>("GET", `/containers/${Id}/json`).catch(() => undefined);
    return after && !after.State.Running ? after.State.ExitCode : 0;
  },
} satisfies Command as Command;
