import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { SwarmError, type ErrorCode } from "../../lib/index.js";
import { run, type RunResult } from "../../linux/index.js";
import type { OverlayState, Sandbox, SandboxSpec } from "../api.js";

/**
 * Hosts for tests: each a network and a mount namespace, joined by a bridge in a namespace of its own, the fabric, which also plays
 * the outside world. Needs root. Every namespace lives by one process that dies with this one, so that nothing is left behind, also
 * when the tests are killed.
 */
export class TestLab {
  #fabric: ChildProcess | undefined;
  readonly outside = "198.18.77.254";
  readonly hosts: TestHost[] = [];
  readonly #processes: ChildProcess[] = [];
  #dir = "";

  async begin(count: number, options: { auditMs?: number; upstream?: string } = {}): Promise<void> {
    this.#dir = await mkdtemp(join(tmpdir(), "skein-overlay-"));
    this.#fabric = await this.hold([]);
    await this.changeFabric(
      `link add br0 type bridge\naddr add ${this.outside}/24 dev br0\nlink set br0 up\nlink set lo up\n`);
    for (let index = 0; index < count; index++) {
      const host = new TestHost(this, `n${index + 1}`, `198.18.77.${index + 1}`, join(this.#dir, `n${index + 1}`), options);
      this.hosts.push(host);
      await host.power();
    }
    await Promise.all(this.hosts.map((host) => host.startDaemon()));
  }

  async end(): Promise<void> {
    for (const process of this.#processes) process.kill("SIGKILL");
    await Promise.all(this.#processes.map((process) => process.exitCode !== null || process.signalCode !== null ? undefined
      : new Promise((resolve) => process.once("exit", resolve))));
    if (this.#dir) await rm(this.#dir, { recursive: true, force: true });
  }

  /** A process that lives until end(), or until the caller kills it. */
  spawn(argv: readonly string[], stdio: "ignore" | "pipe" = "ignore"): ChildProcess {
    const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...argv], { stdio: stdio === "pipe" ? ["pipe", "pipe", "inherit"] : "ignore" });
    child.on("error", () => {});
    this.#processes.push(child);
    return child;
  }

  inFabric(argv: readonly string[], timeoutMs = 10_000): Promise<RunResult> { return run([...this.enterFabric(), ...argv], { timeoutMs }); }
  enterFabric(): string[] { return ["nsenter", "-t", String(this.#fabric!.pid), "-n", "--"]; }
  changeFabric(lines: string): Promise<void> { return must([...this.enterFabric(), "ip", "-batch", "-"], lines); }

  /** A process that does nothing in new namespaces, after `commands` there. */
  async hold(commands: readonly string[]): Promise<ChildProcess> {
    const child = this.spawn(["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", [...commands, "exec sleep 100000"].join(" && ")]);
    // It has become `sleep` once the commands are done.
    for (let i = 0; (await run(["cat", `/proc/${child.pid}/comm`])).stdout.trim() !== "sleep"; i++) {
      if (i > 300 || child.exitCode !== null) throw new Error("a host for tests did not start");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return child;
  }
}

export class TestHost {
  #holder: ChildProcess | undefined;
  #daemon: ChildProcess | undefined;
  #calls = new Map<number, { resolve: (value: { result: unknown; ms: number }) => void; reject: (error: unknown) => void }>();
  #nextId = 1;

  constructor(
    readonly lab: TestLab, readonly id: string, readonly addr: string, readonly stateDir: string,
    readonly options: { auditMs?: number; upstream?: string },
  ) {}

  /** A process in the host's namespaces. */
  get pid(): number { return this.#holder!.pid!; }

  /** The namespaces, kept by a process that does nothing. */
  async power(): Promise<void> {
    this.#holder = await this.lab.hold(["mount -t tmpfs tmpfs /run", "ip link set lo up"]);
    await this.lab.changeFabric(`link add ${this.id} type veth peer name eth0 netns ${this.pid}\nlink set ${this.id} master br0 up\n`);
    await must(this.#enter(["ip", "-batch", "-"]), `addr add ${this.addr}/24 dev eth0\nlink set eth0 up\nroute add default via ${this.lab.outside}\n`);
  }

  async startDaemon(): Promise<void> {
    const child = this.lab.spawn(this.#enter([process.execPath, "--import", createRequire(import.meta.url).resolve("tsx"), new URL("./host-child.ts", import.meta.url).pathname,
      this.stateDir, this.addr, String(this.options.auditMs ?? 3_600_000), this.options.upstream ?? ""]), "pipe");
    this.#daemon = child;
    await new Promise<void>((resolve, reject) => {
      this.#calls.set(0, { resolve: () => resolve(), reject });
      child.once("exit", () => { for (const call of this.#calls.values()) call.reject(new Error(`the daemon of ${this.id} ended`)); this.#calls.clear(); });
      createInterface({ input: child.stdout! }).on("line", (line) => {
        const message = JSON.parse(line) as { id: number; result: unknown; ms: number; code?: ErrorCode; error?: string };
        const call = this.#calls.get(message.id);
        this.#calls.delete(message.id);
        if (message.error === undefined) call?.resolve(message);
        else call?.reject(new SwarmError(message.code!, message.error));
      });
    });
  }

  async killDaemon(): Promise<void> {
    const exited = new Promise((resolve) => this.#daemon!.once("exit", resolve));
    this.#daemon!.kill("SIGKILL");
    await exited;
  }

  async call(name: string, ...args: unknown[]): Promise<{ result: unknown; ms: number }> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#daemon!.stdin!.write(JSON.stringify({ id, call: name, args }) + "\n");
    });
  }
  async apply(state: OverlayState): Promise<void> { await this.call("apply", state); }
  async attach(spec: SandboxSpec): Promise<Sandbox> { return (await this.call("attach", spec)).result as Sandbox; }
  async detach(id: string): Promise<void> { await this.call("detach", id); }
  async list(): Promise<string[]> { return (await this.call("list")).result as string[]; }

  /** On the host, outside any sandbox. */
  exec(argv: readonly string[], timeoutMs = 10_000): Promise<RunResult> { return run(this.#enter(argv), { timeoutMs }); }
  inSandbox(id: string, argv: readonly string[], timeoutMs = 10_000): Promise<RunResult> { return this.exec(inNamespace(id, argv), timeoutMs); }
  spawnInSandbox(id: string, argv: readonly string[]): ChildProcess { return this.lab.spawn(this.#enter(inNamespace(id, argv))); }

  #enter(argv: readonly string[]): string[] { return ["nsenter", "-t", String(this.#holder!.pid), "-n", "-m", "--", ...argv]; }
}

const inNamespace = (id: string, argv: readonly string[]): string[] => ["nsenter", `--net=/run/netns/skein-${id}`, "--", ...argv];

async function must(argv: readonly string[], stdin = ""): Promise<void> {
  const result = await run(argv, { stdin });
  if (result.exitCode !== 0) throw new Error(`${argv.join(" ")}: ${result.stderr}`);
}
