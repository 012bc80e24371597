import { fork, type ChildProcess } from "node:child_process";
import { createServer, type AddressInfo } from "node:net";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Certificates } from "./certificates.js";
import type { Answer, LoadResult, Order } from "./member.js";

/** So many ports of loopback that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => new Promise<ReturnType<typeof createServer>>((resolve) => { const server = createServer(); server.listen(0, "127.0.0.1", () => resolve(server)); })));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Members of raft-ts, each a process, over mutual TLS on loopback; the first leads. */
export class Group {
  readonly members: ChildProcess[] = [];
  private constructor(private readonly directory: string, private readonly certificates: Certificates, private readonly ports: readonly number[]) {}

  static async start(size: number, directory: string, certificates: Certificates): Promise<Group> {
    const group = new Group(directory, certificates, await freePorts(size));
    try {
      for (let id = 1; id <= size; id++) await group.open(id);
      for (let id = 2; id <= size; id++) await group.ask(1, { kind: "add", id });
    } catch (error) { await group.stop(); throw error; }
    return group;
  }

  private async open(id: number): Promise<void> {
    const directory = join(this.directory, String(id));
    mkdirSync(directory, { recursive: true });
    this.members[id - 1] = fork(fileURLToPath(new URL("./member.js", import.meta.url)), { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    const leads = new Promise<void>((resolve) => { this.members[id - 1]!.on("message", (answer: Answer) => { if (answer.kind === "leader" && answer.isReady) resolve(); }); });
    await this.ask(id, { kind: "open", options: { id, directory, ports: this.ports, certificates: this.certificates, isFirst: id === 1 } });
    if (id === 1) await leads;
  }

  ask(id: number, order: Order): Promise<LoadResult | undefined> {
    const member = this.members[id - 1]!;
    return new Promise((resolve, reject) => {
      const end = () => { member.off("message", onMessage); member.off("exit", onExit); };
      const onExit = (code: number | null) => { end(); reject(new Error(`member ${id} ended with ${code}`)); };
      const onMessage = (answer: Answer) => {
        if (answer.kind === "leader") return;
        end();
        resolve(answer.kind === "result" ? answer.result : undefined);
      };
      member.on("message", onMessage);
      member.on("exit", onExit);
      member.send(order);
    });
  }

  /** Kills the leader without a word. The time until a survivor knows a new leader that is ready, and until one acknowledges a proposal, in ms. */
  async failover(leader: number): Promise<{ electedMs: number; servedMs: number; leader: number }> {
    const survivors = this.members.flatMap((member, i) => (i + 1 === leader ? [] : [{ member, id: i + 1 }]));
    const victim = this.members[leader - 1]!;
    const start = performance.now();
    victim.kill("SIGKILL");
    let electedMs: number | undefined;
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => { end(); reject(new Error("no new leader within 30 s")); }, 30_000);
      const listeners = survivors.map(({ member, id }) => {
        const listener = (answer: Answer) => {
          if (answer.kind === "leader" && answer.isReady) { electedMs = performance.now() - start; member.send({ kind: "probe" } satisfies Order); }
          if (answer.kind === "done" && electedMs !== undefined) { end(); resolve({ electedMs, servedMs: performance.now() - start, leader: id }); }
        };
        member.on("message", listener);
        return () => member.off("message", listener);
      });
      const end = () => { clearTimeout(timer); for (const off of listeners) off(); };
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.members.map((member) => new Promise<void>((resolve) => {
      if (member.exitCode !== null || member.signalCode !== null) return resolve();
      member.once("exit", () => resolve());
      member.kill("SIGKILL");
    })));
  }
}
