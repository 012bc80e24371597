import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { SwarmError, messageOf, sleep, type Clock, type Logger, type Timer } from "../lib/index.js";
import { renewalDelayMs, saveIdentity, validityOf, removeIdentity, type TlsIdentity } from "../ca/index.js";
import { runByHelper, type Engine } from "../engine/index.js";
import { createConnector, startAgent, taskLabel, type Agent } from "../agent/index.js";
import type { ManagerStart } from "../manager/index.js";
import { openOverlay, type HostOverlay } from "../overlay/index.js";
import { call, dialLocal, dialManager, managerCredentials, parseHostPort } from "../rpc/index.js";
import type { ChannelCredentials } from "@grpc/grpc-js";
import type { DispatcherClient } from "../gen/swarm/v1/Dispatcher.js";
import type { NodeUpdate } from "../gen/swarm/v1/NodeUpdate.js";
import type { Config } from "./options.js";
import { underlayAddress } from "./addresses.js";
import { describeHost } from "./describe.js";
import { hostUsage } from "./host-usage.js";
import { gpuDeviceNodes } from "./gpus.js";
import { EngineDoors } from "./engine-doors.js";
import { renew } from "./enroll.js";
import { ManagerChild } from "./manager-child.js";
import { removeSettings, saveSettings, type NodeSettings } from "./settings.js";

export interface MembershipOptions {
  readonly config: Config;
  readonly engine: Engine;
  /** Serves the engine's Docker API on a connection that a manager made. */
  readonly acceptManager: (socket: Duplex) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
}

const managerDir = (stateDir: string) => join(stateDir, "manager");
const leaveBoundMs = 30_000;

/**
 * This host as a node of one cluster: its identity, its agent with the overlay, and the manager process while its certificate says manager.
 * What the cluster says about the role is followed here: a new certificate first, then the process is started or stopped.
 */
export class Membership {
  #agent: Agent | undefined;
  #overlay: HostOverlay | undefined;
  #manager: ManagerChild | undefined;
  #doors: EngineDoors | undefined;
  #credentials: ChannelCredentials;
  #renewal: Timer | undefined;
  /** Changes of role and renewals run one after the other. */
  #turn: Promise<void> = Promise.resolve();
  #isClosing = false;
  #wantedRole: TlsIdentity["role"];

  private constructor(private readonly options: MembershipOptions, private current: TlsIdentity, private settings: NodeSettings) {
    this.#credentials = managerCredentials(current);
    this.#wantedRole = current.role;
  }

  /** After init and join. On failure nothing is left, on disk either. */
  static async begin(options: MembershipOptions, identity: TlsIdentity, settings: NodeSettings, start: ManagerStart | undefined): Promise<Membership> {
    const membership = new Membership(options, identity, settings);
    try {
      // A manager that never came up left no promise behind, so its directory may go.
      if (start) await rm(managerDir(options.config.stateDir), { recursive: true, force: true });
      if (start?.kind !== "init") await membership.#save();
      if (start) {
        membership.#manager = await ManagerChild.start(membership.#childOptions(), start);
        membership.settings = { ...settings, isManagerMember: true };
      }
      // After init only now: a crash in between leaves a host that can init again.
      await membership.#save();
      await membership.#startAgent();
    } catch (error) {
      await membership.#overlay?.destroy().catch(() => {});
      await membership.close().catch(() => {});
      await membership.#wipe();
      throw error;
    }
    membership.#scheduleRenewal();
    return membership;
  }

  /** After a restart of the daemon; no manager need be in reach. */
  static async resume(options: MembershipOptions, identity: TlsIdentity, settings: NodeSettings): Promise<Membership> {
    const membership = new Membership(options, identity, settings);
    if (identity.role === "MANAGER") membership.#manager = ManagerChild.resume(membership.#childOptions());
    await membership.#startAgent();
    membership.#scheduleRenewal();
    return membership;
  }

  get identity(): TlsIdentity { return this.current; }
  get advertiseAddr(): string { return this.settings.advertiseAddr; }
  get managers(): readonly string[] { return this.settings.managers; }
  get isConnected(): boolean { return this.#agent?.status().isConnected ?? false; }
  get error(): string { return this.#manager?.error || (this.#agent?.status().error ?? ""); }

  /** Stops this process's part; containers go on. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#renewal?.cancel();
    await this.#turn;
    await Promise.all([this.#agent?.stop(), this.#manager?.stop(), this.#doors?.close()]);
    await this.#overlay?.close();
  }

  /** Takes the node out: raft, tasks, networks, disk. Without force only if the managers that remain can go on. */
  async leave(force: boolean): Promise<void> {
    const { log } = this.options;
    this.#isClosing = true;
    this.#renewal?.cancel();
    await this.#turn;
    if (this.#manager) {
      try { await this.#leaveRaft(); } catch (error) {
        if (!force) { this.#isClosing = false; this.#scheduleRenewal(); throw error; }
        log.warn("leaving without the other managers' consent", { error });
      }
      await this.#manager.stop();
      // The goodbye is said to a manager that still is one.
      if (this.settings.managers.length > 1) await this.#isConnectedWithin(5_000);
    }
    await this.#doors?.close();
    const bound = AbortSignal.timeout(leaveBoundMs);
    await this.#agent?.leave(bound).catch((error: unknown) => log.warn("stopping the node's tasks failed", { error }));
    await this.#removeContainers();
    await this.#overlay?.destroy().catch((error: unknown) => log.warn("removing the node's networks failed", { error }));
    await this.#overlay?.close().catch(() => {});
    await this.#wipe();
    log.info("left the cluster", { cluster: this.current.clusterId, node: this.current.nodeId });
  }

  async #leaveRaft(): Promise<void> {
    const client = dialLocal("Managers", join(this.options.config.runDir, "manager.sock"));
    const end = this.options.clock.monotonic() + leaveBoundMs;
    try {
      for (;;) {
        try { await call(client, "leaveRaft", { nodeId: this.current.nodeId }, { timeoutMs: 20_000 }); return; } catch (error) {
          // Leadership moves away from a leader that leaves.
          const isMoving = error instanceof SwarmError && error.code === "UNAVAILABLE" && this.options.clock.monotonic() < end;
          if (error instanceof SwarmError && error.code === "FAILED_PRECONDITION") {
            throw new SwarmError(error.code, `Cannot leave: ${error.message.replace(/^Cannot demote node "[^"]*": /, "")}; "swarmctl leave --force" leaves all the same`, { cause: error });
          }
          if (!isMoving) throw error;
          await sleep(this.options.clock, 300);
        }
      }
    } finally { client.close(); }
  }

  /** The other managers are lost for good: this one goes on as the only one, with what it has. */
  async recover(): Promise<void> {
    const done = this.#turn.then(async () => {
      const { log } = this.options;
      if (!this.#manager || this.#isClosing) throw new SwarmError("FAILED_PRECONDITION", "Cannot recover: this host is a worker and holds no copy of the cluster's state; run it on a manager");
      if (await this.#hasLeader()) throw new SwarmError("FAILED_PRECONDITION", 'Cannot recover: a leader answers, so a majority of the managers is there and nothing is lost; take out those that are gone with "swarmctl node rm --force"');
      log.warn("this manager becomes the only one of its cluster");
      await this.#manager.stop();
      try {
        this.#manager = await ManagerChild.start(this.#childOptions(), { kind: "recover" });
      } catch (error) {
        this.#manager = ManagerChild.resume(this.#childOptions());
        throw error;
      }
      this.settings = { ...this.settings, managers: [this.settings.advertiseAddr] };
      await saveSettings(this.options.config.stateDir, this.settings);
    });
    this.#turn = done.catch(() => {});
    await done;
  }

  /** Metrics are the leader's: whoever answers has one. */
  async #hasLeader(): Promise<boolean> {
    const client = dialLocal("Control", join(this.options.config.runDir, "manager.sock"));
    try {
      await call(client, "getMetrics", {}, { timeoutMs: 10_000 });
      return true;
    } catch (error) {
      if (error instanceof SwarmError && error.code === "UNAVAILABLE") return false;
      // A leader that is slow is one all the same: what it confirmed must not be lost to a guess.
      throw new SwarmError("FAILED_PRECONDITION", `Cannot recover: the manager does not say whether a leader is there: ${messageOf(error)}; try again`, { cause: error });
    } finally { client.close(); }
  }

  async #isConnectedWithin(boundMs: number): Promise<void> {
    const { clock } = this.options;
    for (const end = clock.monotonic() + boundMs; !this.isConnected && clock.monotonic() < end;) await sleep(clock, 50);
  }

  async #removeContainers(): Promise<void> {
    const { engine, log } = this.options;
    // Containers that people made on this host alone are theirs.
    for (const container of (await engine.list()).filter(({ labels }) => taskLabel in labels)) {
      await engine.remove(container.id, { force: true }).catch((error: unknown) => log.warn("removing a container failed", { container: container.id, error }));
    }
  }

  async #wipe(): Promise<void> {
    const { stateDir } = this.options.config;
    // The certificate last: while it is there, a restart still knows that this node was a member.
    for (const name of ["manager", "agent", "overlay"]) await rm(join(stateDir, name), { recursive: true, force: true });
    await removeSettings(stateDir);
    await removeIdentity(stateDir);
  }

  async #save(): Promise<void> {
    await saveSettings(this.options.config.stateDir, this.settings);
    await saveIdentity(this.options.config.stateDir, this.current);
  }

  async #startAgent(): Promise<void> {
    const { config, engine, clock, random } = this.options;
    const log = this.options.log.with({ node: this.current.nodeId });
    const addr = await underlayAddress(this.settings.advertiseAddr);
    this.#overlay = await openOverlay({ stateDir: join(config.stateDir, "overlay"), nodeAddr: addr, log, clock, run: runByHelper });
    // Its own manager first: on a host of one's own nothing is in between.
    const managers = [...new Set([...this.current.role === "MANAGER" ? [this.settings.advertiseAddr] : [], ...this.settings.managers])];
    this.#agent = await startAgent({
      nodeId: this.current.nodeId, engine, overlay: this.#overlay, stateDir: config.stateDir, clock, log, random, addr,
      connector: createConnector({ managers, random, dial: (to) => dialManager("Dispatcher", to, this.#credentials) as DispatcherClient }),
      gpuDeviceNodes,
      describe: () => describeHost(engine, config),
      usage: () => hostUsage(engine),
      onNodeUpdate: (update) => this.#onNodeUpdate(update),
    });
    this.#doors = await EngineDoors.open({ host: parseHostPort(this.settings.listenAddr).host, runDir: config.runDir, identity: this.current, accept: this.options.acceptManager, clock, log });
  }

  #childOptions() {
    const { config, clock, log, random } = this.options;
    const listen = parseHostPort(this.settings.listenAddr);
    return {
      clock, log, random,
      config: {
        identity: this.current, stateDir: config.stateDir, runDir: config.runDir, advertiseAddr: this.settings.advertiseAddr,
        listenHost: listen.host, listenPort: listen.port, logLevel: config.logLevel,
      },
      startAgain: (): ManagerStart => ({ kind: this.settings.isManagerMember ? "resume" : "join", managers: this.settings.managers.filter((addr) => addr !== this.settings.advertiseAddr) }),
    };
  }

  #onNodeUpdate(update: NodeUpdate): void {
    if (update.managers.length > 0 && update.managers.join() !== this.settings.managers.join()) {
      this.settings = { ...this.settings, managers: update.managers };
      this.#queue("saving the managers' addresses", () => saveSettings(this.options.config.stateDir, this.settings));
    }
    const role = update.node?.role;
    if (role && role !== this.#wantedRole) {
      this.#wantedRole = role;
      this.options.log.info("the node's role changed", { role });
      this.#queue("following the node's role", () => this.#renewNow());
    }
  }

  #queue(what: string, work: () => Promise<void>): void {
    this.#turn = this.#turn.then(async () => { if (!this.#isClosing) await work(); }).catch((error: unknown) => this.options.log.error(`${what} failed`, { error }));
  }

  /** `random` is drawn once per certificate; after a failure the next attempt comes within minutes. */
  #scheduleRenewal(): void {
    const { clock, random } = this.options;
    const delayMs = renewalDelayMs(validityOf(this.current.certificatePem), random(), clock.now());
    this.#renewIn(delayMs);
  }

  #renewIn(delayMs: number): void {
    this.#renewal?.cancel();
    if (this.#isClosing) return;
    // A timer of Node holds 24.8 days at most.
    const stepMs = Math.min(delayMs, 24 * 3_600_000);
    this.#renewal = this.options.clock.after(stepMs, () => { if (delayMs > stepMs) this.#renewIn(delayMs - stepMs); else this.#queue("renewing the certificate", () => this.#renewNow()); });
  }

  async #renewNow(): Promise<void> {
    const { log, random } = this.options;
    try {
      const managers = shuffled(this.settings.managers, random);
      const { identity } = await renew(this.current, managers);
      this.current = identity;
      await saveIdentity(this.options.config.stateDir, identity);
      this.#credentials = managerCredentials(identity);
      this.#manager?.renew(identity);
      log.info("the certificate was renewed", { role: identity.role });
      await this.#followRole();
      await this.#doors?.renew(identity);
      this.#scheduleRenewal();
      // The role may have changed again meanwhile: the managers say it with the next update, which this one must not have swallowed.
      this.#wantedRole = identity.role;
    } catch (error) {
      log.warn("the certificate could not be renewed; trying again", { error: messageOf(error) });
      this.#renewIn(this.#wantedRole === this.current.role ? 60_000 + random() * 60_000 : 1_000);
    }
  }

  async #followRole(): Promise<void> {
    if (this.current.role === "MANAGER" && !this.#manager) {
      this.settings = { ...this.settings, isManagerMember: false };
      await rm(managerDir(this.options.config.stateDir), { recursive: true, force: true });
      this.#manager = await ManagerChild.start(this.#childOptions(), this.#childOptions().startAgain()).catch((error: unknown) => {
        // Promoted, but the others cannot be reached just now: it goes on trying, and the node says why.
        this.options.log.error("the manager process did not start", { error });
        return ManagerChild.resume(this.#childOptions());
      });
      this.settings = { ...this.settings, isManagerMember: true };
      await saveSettings(this.options.config.stateDir, this.settings);
    } else if (this.current.role === "WORKER" && this.#manager) {
      await this.#manager.stop();
      this.#manager = undefined;
      this.settings = { ...this.settings, isManagerMember: false };
      await saveSettings(this.options.config.stateDir, this.settings);
      await rm(managerDir(this.options.config.stateDir), { recursive: true, force: true });
    }
  }
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items.map((item) => ({ item, key: random() })).sort((a, b) => a.key - b.key).map(({ item }) => item);
}
