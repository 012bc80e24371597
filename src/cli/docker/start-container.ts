import { SwarmError, codeOf, messageOf } from "../../lib/index.js";
import type { CommandInput } from "../command.js";
import { choose } from "../parse/key-value.js";
import type { DockerClient } from "./client.js";
import type { ContainerRequest } from "./container-request.js";
import { pullImage } from "./pull.js";
import { resizeContainer, session } from "./streams.js";

/** Creates a container, and fetches its image first where --pull says so. Returns the id. */
export async function createContainer(client: DockerClient, request: ContainerRequest, input: CommandInput): Promise<string> {
  const when = choose(input.flags.text("pull") ?? "missing", "--pull", { always: "always", missing: "missing", never: "never" } as const);
  const pull = () => pullImage(client, String(request.body["Image"]), input, { isQuiet: false, platform: request.platform });
  const create = () => client.json<{ Id: string; Warnings: string[] | null }>("POST", "/containers/create", { query: { name: request.name, platform: request.platform }, body: request.body, signal: input.signal });
  if (when === "always") await pull();
  const created = await create().catch(async (error: unknown) => {
    if (codeOf(error) !== "NOT_FOUND" || when !== "missing" || !/image/i.test(String((error as Error).message))) throw error;
    input.terminal.err(`Image "${request.body["Image"]}" is not here yet.\n`);
    await pull();
    return create();
  });
  for (const warning of created.Warnings ?? []) input.terminal.err(`swarmctl: warning: ${warning}\n`);
  return created.Id;
}

/** Starts it. Undefined, or the exit code of a command that is not there (127) or cannot be run (126), which is told. `ended` knows it of a container that is removed by that. */
export async function startContainer(client: DockerClient, id: string, { terminal }: Pick<CommandInput, "terminal">, ended?: Promise<number>): Promise<number | undefined> {
  try { await client.json("POST", `/containers/${id}/start`); return undefined; } catch (error) {
    const code = await client.json<{ State: { ExitCode: number } }>("GET", `/containers/${id}/json`).then(({ State }) => State.ExitCode, () => ended).catch(() => undefined);
    if (code !== 126 && code !== 127) throw error;
    terminal.err(`swarmctl: ${messageOf(error)}\n`);
    return code;
  }
}

/**
 * Attaches, then starts, so that nothing of the output is missed; resolves with the container's exit code. Ctrl-C goes to the container,
 * which ends or does not.
 */
export async function startAttached(client: DockerClient, id: string, input: CommandInput, options: { isTty: boolean; withInput: boolean; isRemoved: boolean }): Promise<number> {
  const { terminal, signal } = input;
  const stream = await client.hijack(`/containers/${id}/attach`, { query: { stream: 1, stdout: 1, stderr: 1, stdin: options.withInput ? 1 : 0 } });
  const exit = client.stream("POST", `/containers/${id}/wait`, { query: { condition: options.isRemoved ? "removed" : "next-exit" } }).then(async (response) => exitOf(response));
  exit.catch(() => {});
  const forward = () => { void client.json("POST", `/containers/${id}/kill`, { query: { signal: signal.reason === "SIGTERM" ? "SIGTERM" : "SIGINT" } }).catch(() => {}); };
  signal.addEventListener("abort", forward, { once: true });
  try {
    const refused = await startContainer(client, id, input, exit);
    if (refused !== undefined) { stream.socket.destroy(); return refused; }
    await session(stream, { terminal, withInput: options.withInput, isTty: options.isTty, resize: resizeContainer(client, id) });
    // Its output has ended, or it was detached from: then it goes on.
    const ended = await Promise.race([exit, client.json<{ State: { Running: boolean } }>("GET", `/containers/${id}/json`).then(({ State }) => (State.Running && options.isTty ? 0 : exit), () => exit)]);
    return ended;
  } catch (error) {
    stream.socket.destroy();
    throw error;
  } finally { signal.removeEventListener("abort", forward); }
}

async function exitOf(response: AsyncIterable<Uint8Array>): Promise<number> {
  let text = "";
  for await (const part of response) text += Buffer.from(part).toString("utf8");
  const { StatusCode, Error: failure } = JSON.parse(text) as { StatusCode: number; Error?: { Message: string } | null };
  if (failure?.Message) throw new SwarmError("INTERNAL", failure.Message);
  return StatusCode;
}
