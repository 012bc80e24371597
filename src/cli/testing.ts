import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { serverStream, serviceDefinition, unary, type CallContext, type ServiceName } from "../rpc/index.js";
import { runCli } from "./run.js";
import type { Terminal } from "./terminal.js";

/** A terminal that keeps what was written. */
export class RecordingTerminal implements Terminal {
  stdout = "";
  stderr = "";
  outIsTty = false;
  errIsTty = false;
  canAsk = false;
  columns = 120;
  rows = 40;
  colors = false;
  answers: string[] = [];
  readonly questions: string[] = [];
  readonly input = new PassThrough();
  write = async (to: "out" | "err", bytes: Uint8Array): Promise<void> => { this[to](Buffer.from(bytes).toString("utf8")); };
  onResize = (): (() => void) => () => {};
  out = (text: string): void => { this.stdout += text; };
  err = (text: string): void => { this.stderr += text; };
  ask = async (question: string): Promise<string> => { this.questions.push(question); return this.answers.shift() ?? ""; };
}

type UnaryHandler = (request: any, context: CallContext) => Promise<object> | object;
export interface FakeApi {
  readonly unary?: Readonly<Record<string, UnaryHandler>>;
  readonly streams?: Readonly<Record<string, (request: any, context: CallContext) => AsyncIterable<object>>>;
}

/** One host's run directory with the sockets that `apis` serve; a method without a handler is UNIMPLEMENTED. */
export async function startFakeHost(apis: { control?: FakeApi; node?: FakeApi }): Promise<{ runDir: string; stop(): Promise<void> }> {
  const runDir = mkdtempSync(join(tmpdir(), "skein-cli-"));
  const servers: Server[] = [];
  const serve = async (socket: string, services: [ServiceName, FakeApi | undefined][]) => {
    if (services.every(([, api]) => !api)) return;
    const server = new Server();
    for (const [name, api] of services) {
      if (!api) continue;
      const definition = serviceDefinition(name);
      const handlers: Record<string, any> = {};
      const local = () => ({ kind: "local" as const });
      for (const [key, { responseStream, requestStream }] of Object.entries(definition)) {
        if (responseStream && api.streams?.[key]) handlers[key] = serverStream(local, api.streams[key]);
        else if (!responseStream && !requestStream && api.unary?.[key]) handlers[key] = unary(local, async (request, context) => api.unary![key]!(request, context));
      }
      server.addService(definition, handlers);
    }
    await new Promise<void>((resolve, reject) => server.bindAsync(`unix:${join(runDir, socket)}`, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve())));
    servers.push(server);
  };
  await serve("manager.sock", [["Control", apis.control]]);
  await serve("swarmd.sock", [["LocalNode", apis.node]]);
  return {
    runDir,
    async stop() {
      for (const server of servers) server.forceShutdown();
      rmSync(runDir, { recursive: true, force: true });
    },
  };
}

/** One command line against run directories; nothing of the caller's environment or home is seen. */
export async function runCommand(argv: readonly string[], options: { places?: readonly string[]; terminal?: RecordingTerminal; environment?: Record<string, string>; signal?: AbortSignal } = {}) {
  const terminal = options.terminal ?? new RecordingTerminal();
  const home = mkdtempSync(join(tmpdir(), "skein-home-"));
  try {
    const environment = { HOME: home, ...(options.places?.length === 1 ? { SKEIN_HOST: options.places[0]! } : {}), ...options.environment };
    const code = await runCli({ argv, terminal, environment, signal: options.signal ?? new AbortController().signal, now: () => 1_700_000_100_000 });
    return { code, stdout: terminal.stdout, stderr: terminal.stderr, terminal };
  } finally { rmSync(home, { recursive: true, force: true }); }
}
