import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { SwarmError } from "../../lib/index.js";
import type { ContainerConfig, ContainerDetails, ContainerEvent, ContainerExit, ContainerState, ContainerUpdate, Events, LabelFilter, WaitCondition } from "../api/index.js";
import type { Metadata } from "../metadata.js";
import { noDevices } from "../runtime/resources.js";
import { checkConfig, type CheckedConfig } from "./check-config.js";
import { detailsOf } from "./details.js";
import { ExitWatch } from "./exit-watch.js";
import { HealthWatch } from "./health-watch.js";
import { HeldPaths } from "./held-paths.js";
import { aloneNamespaces } from "./join-namespaces.js";
import { Lifecycle, lowerFirst, type LifecycleParts } from "./lifecycle.js";
import type { ContainerAccess, Neighbours } from "./ports.js";
import { anonymousTargets, bundleOf, checkMounts, mountRoot } from "./prepare.js";
import { isPrunable } from "./prune.js";
import { stateOf, unborn, type ContainerRecord } from "./record.js";
import { ContainerTable, notFound, type Entry } from "./table.js";
import { resumeEnded, takeOver } from "./take-over.js";
import { updateContainer } from "./update.js";

export interface ContainerParts extends Omit<LifecycleParts, "table" | "health" | "neighbours"> {
  readonly metadata: Metadata;
  readonly events: Events;
}

/**
 * Containers from creation to removal. What runs is kept by its monitor; this is the door to the parts that know (table), start and
 * end (lifecycle), notice (exit-watch, health-watch) and adopt (take-over).
 */
export class ContainerStore implements ContainerAccess {
  readonly #table: ContainerTable;
  readonly #health: HealthWatch;
  readonly #lifecycle: Lifecycle;
  readonly #exits: ExitWatch;
  readonly #lifecycleParts: LifecycleParts;
  #neighbours: Neighbours = {};

  private constructor(private readonly parts: ContainerParts) {
    const table = this.#table = new ContainerTable(parts);
    this.#health = new HealthWatch({ table, clock: parts.clock, log: parts.log, exec: (id, command, timeoutMs) => this.#neighbours.runCommand!(id, { command, timeoutMs }) });
    this.#lifecycleParts = { ...parts, table, health: this.#health, neighbours: () => this.#neighbours };
    this.#lifecycle = new Lifecycle(this.#lifecycleParts);
    this.#exits = new ExitWatch(this.#lifecycleParts, this.#lifecycle);
  }

  /** Knows the containers; nothing is begun or cleared before takeOver. */
  static async open(parts: ContainerParts): Promise<ContainerStore> {
    const store = new ContainerStore(parts);
    for (const directory of [parts.paths.containers, parts.paths.exits, parts.paths.runContainers]) await mkdir(directory, { recursive: true, mode: 0o700 });
    await store.#table.load();
    return store;
  }

  /** Once the parts that look at containers are there: adopts what runs, finishes what was being removed, clears what was half made, and starts again what is to run. */
  async takeOver(neighbours: Neighbours): Promise<void> {
    this.#neighbours = neighbours;
    // Watching before looking: an exit in between is seen by one of the two.
    this.#exits.open();
    await takeOver(this.#lifecycleParts, this.#lifecycle);
    await resumeEnded(this.#lifecycleParts, this.#lifecycle);
    this.#exits.scheduleSweep();
  }

  list(): ContainerState[] { return this.#table.visible().map((e) => stateOf(e.record)); }
  inspect(id: string): ContainerState | undefined { const entry = this.#table.get(id); return entry && entry.record.phase !== "creating" ? stateOf(entry.record) : undefined; }
  usersOf(imageId: string): string[] { return this.all().filter((record) => record.imageId === imageId).map((record) => record.config.name); }
  find(nameOrId: string): ContainerDetails { return this.#details(this.#table.find(nameOrId)); }
  details(): ContainerDetails[] { return this.#table.visible().map((e) => this.#details(e)); }

  record(id: string): ContainerRecord | undefined { return this.#table.record(id); }
  require(id: string, verb: string): ContainerRecord { return this.#table.require(id, verb); }
  all(): ContainerRecord[] { return this.#table.all(); }
  exclusively<T>(id: string, work: () => Promise<T>): Promise<T> { return this.#table.exclusively(id, work); }
  publish(record: ContainerRecord, action: string, attributes?: Readonly<Record<string, string>>): void { this.#table.publish(record, action, attributes); }
  watch(listener: (event: ContainerEvent) => void, signal: AbortSignal): void { this.#table.watch(listener, signal); }

  create(asked: ContainerConfig): Promise<{ warnings: readonly string[] }> {
    return this.#table.exclusively(asked.id, async () => {
      const refuse = (code: ConstructorParameters<typeof SwarmError>[0], why: string, cause?: unknown): never => { throw new SwarmError(code, `Cannot create container "${asked.name}": ${why}`, { cause }); };
      if (!/^[a-z0-9]{12,64}$/.test(asked.id)) refuse("INVALID_ARGUMENT", `its id "${asked.id.slice(0, 80)}" must be 12 to 64 lower-case letters and digits`);
      checkName(asked.name);
      const { paths, host, cgroups, runtimes } = this.parts;
      const image = this.parts.findImage(asked.image) ?? refuse("NOT_FOUND", `image "${asked.image}" is not on this host; pull or load it first`);
      const told = (error: unknown) => (error instanceof SwarmError ? refuse(error.code, lowerFirst(error.message), error) : error);
      let checked: CheckedConfig;
      try { checked = checkConfig({ ...asked, ...this.#sharedName(asked) }, host, cgroups.kind === "v2"); runtimes.named(asked.runtime); } catch (error) { throw told(error); }
      const { config, warnings } = checked;
      const entry = this.#table.add({
        ...unborn, config, imageId: image.id, phase: "creating", createdAtMs: this.parts.clock.now(), anonymousVolumes: anonymousTargets(config, image).map(() => randomBytes(32).toString("hex")),
      });
      const held = new HeldPaths(paths.container(config.id).parts);
      try {
        await checkMounts(config.mounts);
        await this.#table.save(entry, {});
        await mountRoot(config.id, paths.container(config.id), image.diffIds, this.parts);
        await bundleOf(entry.record, image, paths.container(config.id), { network: undefined, namespaces: aloneNamespaces, devices: noDevices, held }, this.parts);
        await this.#table.save(entry, { phase: "created" });
      } catch (error) {
        await this.#lifecycle.erase(entry, true).catch((cause: unknown) => this.parts.log.error("cleaning up after a failed create failed", { container: config.id, error: cause }));
        throw told(error);
      } finally { await held.close(); }
      this.#table.publish(entry.record, "create");
      return { warnings };
    });
  }

  start(id: string): Promise<void> { return this.#lifecycle.start(id); }
  stop(id: string, options: { graceMs: number; signal?: string }): Promise<void> { return this.#lifecycle.stop(id, options); }
  kill(id: string, signal: string): Promise<void> { return this.#lifecycle.kill(id, signal); }
  restart(id: string, options: { graceMs: number; signal?: string }): Promise<void> { return this.#lifecycle.restart(id, options); }
  pause(id: string, options: { isBrief?: boolean } = {}): Promise<void> { return this.#lifecycle.pause(id, options); }
  unpause(id: string): Promise<void> { return this.#lifecycle.unpause(id); }
  remove(id: string, options: { force?: boolean; removeVolumes?: boolean } = {}): Promise<void> { return this.#lifecycle.remove(id, options); }

  async rename(id: string, name: string): Promise<void> {
    const entry = this.#table.need(id, "rename");
    await this.#table.exclusively(id, async () => {
      const before = entry.record.config.name;
      const wanted = name.replace(/^\//, "");
      checkName(wanted);
      if (wanted === before) throw new SwarmError("INVALID_ARGUMENT", `Cannot rename container "${before}": it has that name already; give another`);
      await this.#table.rename(entry, wanted);
      this.#table.publish(entry.record, "rename", { oldName: `/${before}` });
    });
  }

  async update(id: string, change: ContainerUpdate): Promise<{ warnings: readonly string[] }> {
    const entry = this.#table.need(id, "update");
    return this.#table.exclusively(id, () => updateContainer(entry, change, this.#lifecycleParts));
  }

  /** Resolves when it has ended; of one that was never started, once it has been. */
  wait(id: string, signal?: AbortSignal): Promise<ContainerExit> {
    const entry = this.#table.get(id);
    if (!entry) return Promise.reject(notFound(id, "wait for"));
    return this.#table.wait(entry, entry.record.phase === "created" ? "next-exit" : "not-running", signal);
  }

  /** The caller is registered when this returns: what happens from then on counts. */
  waitFor(id: string, condition: WaitCondition, signal?: AbortSignal): Promise<ContainerExit> {
    const entry = this.#table.get(id);
    return entry ? this.#table.wait(entry, condition, signal) : Promise.reject(notFound(id, "wait for"));
  }

  async prune(options: { untilMs?: number; labels?: readonly LabelFilter[] }): Promise<{ deleted: string[]; freedBytes: number }> {
    const deleted: string[] = [];
    let freedBytes = 0;
    for (const { config } of this.all().filter((record) => isPrunable(record, options))) {
      const bytes = (await this.#neighbours.writableBytes?.(config.id).catch(() => 0)) ?? 0;
      try { await this.remove(config.id, { removeVolumes: false }); } catch (error) { this.parts.log.info("a container was not pruned", { container: config.id, error }); continue; }
      deleted.push(config.id);
      freedBytes += bytes;
    }
    this.parts.events.publish({ type: "container", action: "prune", actorId: "", attributes: { reclaimed: String(freedBytes) } });
    return { deleted, freedBytes };
  }

  async close(): Promise<void> {
    this.#exits.close();
    this.#lifecycle.close();
    this.#table.close(new SwarmError("CANCELLED", "the engine is closing; the container goes on"));
    await this.#table.idle();
    this.#health.close();
  }

  /** Who shares another container's network goes by that one's name. */
  #sharedName({ network, hostname }: ContainerConfig): Partial<ContainerConfig> {
    const peer = hostname === "" ? /^container:(.+)$/.exec(network?.mode ?? "")?.[1] : undefined;
    if (peer === undefined) return {};
    const { config } = this.#table.find(peer).record;
    return { hostname: config.hostname, domainname: config.domainname };
  }

  #details(entry: Entry): ContainerDetails {
    const { paths, runtimes } = this.parts;
    return detailsOf(entry.record, this.parts.findImage(entry.record.imageId), { paths, runtimeName: runtimes.preferred.name, neighbours: this.#neighbours });
  }
}

function checkName(name: string): void {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name) || name.length > 255) throw new SwarmError("INVALID_ARGUMENT", `Invalid container name ("${name.slice(0, 100)}"): use 2 to 255 letters, digits, "_", "." and "-", beginning with a letter or digit`);
}
