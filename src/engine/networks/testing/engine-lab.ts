import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { SwarmError, type ErrorCode } from "../../../lib/index.js";
import { run, type RunResult } from "../../../linux/index.js";
import { TestLab } from "../../../overlay/testing/lab.js";
import type { ContainerConfig, ContainerDetails, ContainerEndpoint, EndpointConfig, EngineNetwork, NetworkConfig, NetworkSettings } from "../../api/index.js";
import { buildMonitor, cleanUp } from "../../testing.js";
import type { NetworkOptions } from "../../config.js";

/** A host with an engine, in network and mount namespaces of its own, with a cable to the outside world. `end` leaves nothing. */
export class EngineLab {
  readonly #lab = new TestLab();
  readonly #directory = mkdtempSync(join(tmpdir(), "skein-networks-"));
  readonly #cgroupParent = `/skein-test-${randomBytes(5).toString("hex")}`;
  readonly address = "198.18.77.1";
  readonly address6 = "fd77:77::1";
  readonly outside = this.#lab.outside;
  #holder: ChildProcess | undefined;
  #daemon: ChildProcess | undefined;
  #calls = new Map<number, { resolve: (value: { result: unknown; ms: number }) => void; reject: (error: unknown) => void }>();
  #nextId = 1;
  #options: NetworkOptions = {};

  async begin(options: NetworkOptions = {}): Promise<void> {
    this.#options = { auditMs: 3_600_000, ...options };
    await this.#lab.begin(0);
    this.#holder = await this.#lab.hold(["mount -t tmpfs tmpfs /run", "ip link set lo up"]);
    await this.#lab.changeFabric(`link add n1 type veth peer name eth0 netns ${this.#holder.pid}\nlink set n1 master br0 up\naddr add fd77:77::fe/64 dev br0 nodad\n`);
    await this.must(["sh", "-c", `ip addr add ${this.address}/24 dev eth0; ip addr add ${this.address6}/64 dev eth0 nodad; ip link set eth0 up; ip route add default via ${this.outside}; ip -6 route add default via fd77:77::fe`]);
    await this.start();
  }

  async end(): Promise<void> {
    try {
      if (this.#daemon?.exitCode === null && this.#daemon.signalCode === null) {
        for (const { id } of await this.call<{ id: string }[]>("list")) await this.call("remove", id, { force: true }).catch(() => {});
        await this.call("close");
      }
    } finally {
      await this.#lab.end();
      cleanUp(this.#directory, this.#cgroupParent);
    }
  }

  async start(): Promise<void> {
    const child = this.#lab.spawn(this.enter([process.execPath, "--import", createRequire(import.meta.url).resolve("tsx"), new URL("./engine-child.ts", import.meta.url).pathname,
      this.#directory, this.#cgroupParent, buildMonitor(), JSON.stringify(this.#options)]), "pipe");
    this.#daemon = child;
    await new Promise<void>((resolve, reject) => {
      this.#calls.set(0, { resolve: () => resolve(), reject });
      child.once("exit", () => { for (const call of this.#calls.values()) call.reject(new Error("the engine ended")); this.#calls.clear(); });
      createInterface({ input: child.stdout! }).on("line", (line) => {
        const message = JSON.parse(line) as { id: number; result: unknown; ms: number; code?: ErrorCode; error?: string };
        const call = this.#calls.get(message.id);
        this.#calls.delete(message.id);
        if (message.error === undefined) call?.resolve(message);
        else call?.reject(new SwarmError(message.code!, message.error));
      });
    });
  }

  /** As a power cut of the daemon alone. */
  async kill(): Promise<void> {
    const exited = new Promise((resolve) => this.#daemon!.once("exit", resolve));
    this.#daemon!.kill("SIGKILL");
    await exited;
  }

  async timed<T>(name: string, ...args: unknown[]): Promise<{ result: T; ms: number }> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve: resolve as (value: { result: unknown; ms: number }) => void, reject });
      this.#daemon!.stdin!.write(`${JSON.stringify({ id, call: name, args })}\n`);
    });
  }

  async call<T = unknown>(name: string, ...args: unknown[]): Promise<T> { return (await this.timed<T>(name, ...args)).result; }
  create(config: Partial<NetworkConfig> & { name: string }): Promise<{ id: string; warnings: string[] }> { return this.call("networks.create", { driver: "bridge", isInternal: false, labels: {}, options: {}, ipam: [], ...config }); }
  async network(name: string): Promise<EngineNetwork> { return (await this.call<EngineNetwork>("networks.get", name)); }

  /** A container that sleeps unless told otherwise. */
  run(network: Partial<NetworkSettings> | undefined, more: Partial<ContainerConfig> = {}): Promise<string> {
    return this.call("run", { ...more, network: { mode: "bridge", endpoints: {}, ports: [], ...network } });
  }
  async sh(id: string, script: string): Promise<string> { return (await this.call<{ output: string }>("sh", id, script)).output.trim(); }
  async details(id: string): Promise<ContainerDetails> { return this.call("find", id); }
  async endpoint(id: string, network: string): Promise<ContainerEndpoint> { const found = (await this.details(id)).networks.find((each) => each.networkName === network); if (!found) throw new Error(`it is not on ${network}`); return found; }
  connect(network: string, id: string, endpoint: EndpointConfig = {}): Promise<void> { return this.call("networks.connect", network, id, endpoint); }
  disconnect(network: string, id: string, options: { force?: boolean } = {}): Promise<void> { return this.call("networks.disconnect", network, id, options); }
  remove(id: string): Promise<void> { return this.call("remove", id, { force: true }); }

  onHost(script: string): Promise<RunResult> { return run(this.enter(["sh", "-c", script]), { timeoutMs: 20_000 }); }
  fromOutside(script: string): Promise<RunResult> { return this.#lab.inFabric(["sh", "-c", script], 20_000); }
  spawnOnHost(argv: readonly string[]): ChildProcess { return spawn("setpriv", ["--pdeathsig", "KILL", "--", ...this.enter(argv)], { stdio: "ignore" }); }
  async must(argv: readonly string[]): Promise<string> { const result = await run(this.enter(argv)); if (result.exitCode !== 0) throw new Error(`${argv.join(" ")}: ${result.stderr}`); return result.stdout; }
  enter(argv: readonly string[]): string[] { return ["nsenter", "-t", String(this.#holder!.pid), "-n", "-m", "--", ...argv]; }
}
