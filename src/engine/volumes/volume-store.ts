import { randomBytes, randomUUID } from "node:crypto";
import { lstat, mkdir, open, readFile, readdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { KeyedLock, SwarmError, messageOf, type Clock, type Logger } from "../../lib/index.js";
import { keptLabel, type Events, type LabelFilter, type Volume, type Volumes } from "../api/index.js";
import { resolveInRoot } from "../containers/root-path.js";
import { matchesLabels } from "../label-filter.js";
import { runProgram } from "../runtime/program.js";
import { removeTree } from "../runtime/remove-tree.js";
import type { VolumeDriver, VolumeRecord } from "./driver.js";
import { localDriver } from "./local-driver.js";

/** A container that has a volume. isActive: it runs, or is being made or started. */
export interface VolumeUser { readonly id: string; readonly name: string; readonly isActive: boolean; readonly isBeingCreated: boolean }

export interface VolumeStoreParts {
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: Events;
  readonly usersOf: (name: string) => readonly VolumeUser[];
  /** Names of the volumes that a container has. */
  readonly volumesOf: (containerId: string) => readonly string[];
  readonly drivers?: readonly VolumeDriver[];
}

/** What a container asks of a volume that it mounts. */
export interface VolumeUse {
  readonly containerId: string;
  readonly target: string;
  readonly isReadOnly: boolean;
  readonly driver?: string;
  readonly options?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly isAnonymous?: boolean;
}

const recordFile = "volume.json";

/**
 * Named directories that outlive containers: volumes/<name>/, with volume.json and what the driver keeps. A volume appears under its name only when it is whole. Which
 * containers have it is always asked of them, so that a restarted daemon knows it as well: nothing here counts.
 */
export class VolumeStore implements Volumes {
  #lock = new KeyedLock();
  #drivers: ReadonlyMap<string, VolumeDriver>;
  #records = new Map<string, VolumeRecord>();

  private constructor(private readonly parts: VolumeStoreParts) {
    this.#drivers = new Map([localDriver, ...(parts.drivers ?? [])].map((driver) => [driver.name, driver]));
  }

  static async open(parts: VolumeStoreParts): Promise<VolumeStore> {
    const store = new VolumeStore(parts);
    await mkdir(parts.directory, { recursive: true, mode: 0o700 });
    const names = await readdir(parts.directory);
    await removeTree(...names.filter((name) => name.startsWith(".new-")).map((name) => join(parts.directory, name)));
    for (const name of names) if (!name.startsWith(".new-")) store.#records.set(name, await store.#read(name));
    return store;
  }

  async list(): Promise<Volume[]> { return [...this.#records.values()].map((record) => this.#show(record)).sort((a, b) => (a.name < b.name ? -1 : 1)); }

  async get(name: string): Promise<Volume | undefined> { return this.describe(name); }

  describe(name: string): Volume | undefined {
    const record = this.#records.get(name);
    return record && this.#show(record);
  }

  async create(config: { name: string; driver?: string; options?: Readonly<Record<string, string>>; labels?: Readonly<Record<string, string>> }): Promise<Volume> {
    const name = config.name || randomBytes(32).toString("hex");
    try {
      checkName(name);
      return await this.#lock.run(name, async () => this.#show(await this.#create({ name, ...asked(config), isAnonymous: config.name === "" })));
    } catch (error) { throw told(`Cannot create volume "${name.slice(0, 100)}"`, error); }
  }

  /**
   * The path of a volume's files, for a container's mount. A volume that is not there is made. An empty one is given what the image holds at `target` (owner and mode too)
   * when a container is created with it, as Docker does; one with options is mounted until no active container has it.
   */
  ensure(name: string, copyFrom: { rootfs: string; target: string } | undefined, use?: VolumeUse): Promise<string> {
    checkName(name);
    return this.#lock.run(name, async () => {
      const isNew = !this.#records.has(name);
      const record = this.#records.get(name) ?? await this.#create({ name, ...asked(use ?? {}), isAnonymous: use?.isAnonymous ?? /^[0-9a-f]{64}$/.test(name) }, copyFrom);
      if (!isNew && use?.driver && use.driver !== record.driver) throw new SwarmError("ALREADY_EXISTS", `volume "${name}" is there with driver ${record.driver}, not ${use.driver}; choose another name`);
      const driver = this.#driver(record.driver);
      const directory = this.#directory(name);
      if (driver.needsMount(record) && !(await driver.isMounted(record, directory))) await driver.mount(record, directory);
      const data = driver.mountpoint(record, directory);
      const users = this.parts.usersOf(name);
      if (copyFrom && (!isNew || driver.needsMount(record)) && users.some((user) => user.isBeingCreated) && (await readdir(data)).length === 0) await this.#fill(record, data, copyFrom, users);
      if (use && !users.some((user) => user.id === use.containerId && user.isBeingCreated)) this.#publish("mount", record, { container: use.containerId, destination: use.target, "read/write": String(!use.isReadOnly), propagation: "" });
      return data;
    });
  }

  async remove(name: string, options: { force?: boolean } = {}): Promise<void> {
    const subject = `Cannot remove volume "${name.slice(0, 100)}"`;
    await this.#lock.run(name, async () => {
      const record = this.#records.get(name);
      if (!record) {
        if (options.force) return;
        throw new SwarmError("NOT_FOUND", `${subject}: no such volume is on this host`);
      }
      const users = this.parts.usersOf(name);
      if (users.length > 0) throw new SwarmError("FAILED_PRECONDITION", `${subject}: volume is in use by ${users.length === 1 ? `container "${users[0]!.name}"` : `${users.length} containers, such as "${users[0]!.name}"`}; remove ${users.length === 1 ? "it" : "them"} first`);
      try { await this.#destroy(record); } catch (error) { throw told(subject, error); }
    });
  }

  /** A container's anonymous volume goes with it, unless another container has it too. What is not there is fine. */
  async discard(name: string, containerId: string): Promise<void> {
    await this.#lock.run(name, async () => {
      const record = this.#records.get(name);
      if (record && this.parts.usersOf(name).every((user) => user.id === containerId)) await this.#destroy(record);
    });
  }

  async prune(options: { isAll?: boolean; labels?: readonly LabelFilter[] }): Promise<{ deleted: string[]; freedBytes: number }> {
    const deleted: string[] = [];
    let freedBytes = 0;
    for (const { name } of [...this.#records.values()]) {
      await this.#lock.run(name, async () => {
        const record = this.#records.get(name);
        if (!record || Object.hasOwn(record.labels, keptLabel) || !(options.isAll || record.isAnonymous) || !matchesLabels(record.labels, options.labels ?? []) || this.parts.usersOf(name).length > 0) return;
        const bytes = await this.#sizeBytes(record);
        try { await this.#destroy(record); } catch (error) { this.parts.log.warn("a volume was not pruned", { volume: name, error }); return; }
        deleted.push(name);
        freedBytes += bytes;
      });
    }
    this.parts.events.publish({ type: "volume", action: "prune", actorId: "", attributes: { reclaimed: String(freedBytes) } });
    return { deleted, freedBytes };
  }

  /** All of them, with their bytes on disk. */
  async usage(): Promise<Volume[]> {
    return Promise.all([...this.#records.values()].map(async (record) => ({ ...this.#show(record), sizeBytes: await this.#sizeBytes(record) })));
  }

  /** A container has ended: its volumes that were mounted for it alone are unmounted. */
  async released(containerId: string): Promise<void> {
    for (const name of this.parts.volumesOf(containerId)) {
      const record = this.#records.get(name);
      if (record) this.#publish("unmount", record, { container: containerId });
    }
    await this.settle();
  }

  /** Unmounts what no active container has: after any container's end, and once at the daemon's start. */
  async settle(): Promise<void> {
    for (const { name } of [...this.#records.values()]) {
      if (!this.#needsMount(name) || this.#isActive(name)) continue;
      await this.#lock.run(name, async () => {
        const record = this.#records.get(name);
        if (!record || this.#isActive(name)) return;
        const driver = this.#driver(record.driver);
        if (await driver.isMounted(record, this.#directory(name))) await driver.unmount(record, this.#directory(name));
      }).catch((error: unknown) => this.parts.log.warn("unmounting a volume failed", { volume: name, error }));
    }
  }

  close(): Promise<void> { return this.#lock.idle(); }

  async #create(wanted: Omit<VolumeRecord, "createdAtMs">, copyFrom?: { rootfs: string; target: string }): Promise<VolumeRecord> {
    const driver = this.#driver(wanted.driver);
    driver.check(wanted.options);
    const existing = this.#records.get(wanted.name);
    if (existing) {
      if (existing.driver !== wanted.driver) throw new SwarmError("ALREADY_EXISTS", `it is there with driver ${existing.driver}, not ${wanted.driver}; remove it or choose another name`);
      if (Object.keys(wanted.options).length > 0 && !isSame(existing.options, wanted.options)) throw new SwarmError("ALREADY_EXISTS", "it is there with other options; remove it or choose another name");
      return existing;
    }
    const record: VolumeRecord = { ...wanted, createdAtMs: this.parts.clock.now() };
    const temporary = join(this.parts.directory, `.new-${randomUUID()}`);
    try {
      await mkdir(temporary, { recursive: true, mode: 0o711 });
      await driver.create(record, temporary);
      if (copyFrom && !driver.needsMount(record)) await copyUp(await resolveInRoot(copyFrom.rootfs, copyFrom.target), driver.mountpoint(record, temporary), record.name);
      await writeSynced(join(temporary, recordFile), JSON.stringify(record));
      await rename(temporary, this.#directory(record.name));
    } finally { await removeTree(temporary); }
    this.#records.set(record.name, record);
    this.#publish("create", record, {});
    return record;
  }

  async #destroy(record: VolumeRecord): Promise<void> {
    const driver = this.#driver(record.driver);
    const directory = this.#directory(record.name);
    if (driver.needsMount(record) && await driver.isMounted(record, directory)) await driver.unmount(record, directory);
    await driver.remove(record, directory);
    const doomed = join(this.parts.directory, `.new-${randomUUID()}`);
    await rename(directory, doomed).catch((error: NodeJS.ErrnoException) => { if (error.code !== "ENOENT") throw error; });
    this.#records.delete(record.name);
    await removeTree(doomed);
    this.#publish("destroy", record, {});
  }

  /** Copies into an empty volume, whole or not at all unless somebody else looks at it already. */
  async #fill(record: VolumeRecord, data: string, copyFrom: { rootfs: string; target: string }, users: readonly VolumeUser[]): Promise<void> {
    const source = await resolveInRoot(copyFrom.rootfs, copyFrom.target);
    if (this.#needsMount(record.name) || users.some((user) => user.isActive && !user.isBeingCreated)) return copyUp(source, data, record.name);
    const temporary = join(this.parts.directory, `.new-${randomUUID()}`);
    try {
      await mkdir(temporary, { mode: 0o755 });
      await copyUp(source, temporary, record.name);
      if ((await readdir(temporary)).length > 0) await rename(temporary, data);   // rename(2) replaces an empty directory
    } finally { await removeTree(temporary); }
  }

  #driver(name: string): VolumeDriver {
    return this.#drivers.get(name) ?? (() => { throw new SwarmError("NOT_FOUND", `volume driver "${name.slice(0, 100)}" is not known; known are ${[...this.#drivers.keys()].join(", ")}`); })();
  }

  #needsMount(name: string): boolean {
    const record = this.#records.get(name);
    return record !== undefined && (this.#drivers.get(record.driver)?.needsMount(record) ?? false);
  }

  #isActive(name: string): boolean { return this.parts.usersOf(name).some((user) => user.isActive); }
  #directory(name: string): string { return join(this.parts.directory, name); }

  /** Volumes of earlier versions have no record of their own. */
  async #read(name: string): Promise<VolumeRecord> {
    try {
      const stored = JSON.parse(await readFile(join(this.#directory(name), recordFile), "utf8")) as VolumeRecord;
      return { ...stored, name };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.parts.log.warn("a volume's record is damaged: it is taken for a local volume without options", { volume: name, error });
      const { birthtimeMs, ctimeMs } = await stat(this.#directory(name));
      return { name, driver: "local", options: {}, labels: {}, createdAtMs: Math.round(birthtimeMs || ctimeMs), isAnonymous: /^[0-9a-f]{64}$/.test(name) };
    }
  }

  async #sizeBytes(record: VolumeRecord): Promise<number> {
    const driver = this.#drivers.get(record.driver);
    if (!driver) return 0;
    const { code, stdout } = await runProgram("du", ["--summarize", "--bytes", "--one-file-system", "--", driver.mountpoint(record, this.#directory(record.name))]);
    return code === 0 ? Number.parseInt(stdout, 10) || 0 : 0;
  }

  #show(record: VolumeRecord): Volume {
    const { name, driver, createdAtMs, labels, options, isAnonymous } = record;
    return { name, driver, mountpoint: this.#drivers.get(driver)?.mountpoint(record, this.#directory(name)) ?? "", createdAtMs, labels, options, isAnonymous, users: this.parts.usersOf(name).map((user) => user.name) };
  }

  #publish(action: string, record: VolumeRecord, attributes: Readonly<Record<string, string>>): void {
    this.parts.events.publish({ type: "volume", action, actorId: record.name, attributes: { driver: record.driver, ...attributes } });
  }
}

const asked = ({ driver, options, labels }: { driver?: string; options?: Readonly<Record<string, string>>; labels?: Readonly<Record<string, string>> }) => ({ driver: driver || "local", options: options ?? {}, labels: labels ?? {} });
const isSame = (a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean => Object.keys({ ...a, ...b }).every((key) => a[key] === b[key]);

function checkName(name: string): void {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/.test(name)) throw new SwarmError("INVALID_ARGUMENT", `Volume name "${name.slice(0, 100)}" is not valid: use letters, digits, "_", "." and "-", beginning with a letter or digit`);
}

function told(start: string, error: unknown): unknown {
  return error instanceof SwarmError ? new SwarmError(error.code, `${start}: ${messageOf(error).replace(/^V(?=olume name)/, "v")}`, { cause: error }) : error;
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, "w", 0o600);
  try { await file.writeFile(text); await file.sync(); } finally { await file.close(); }
}

async function copyUp(source: string, target: string, name: string): Promise<void> {
  const status = await lstat(source).catch(() => undefined);
  if (!status?.isDirectory()) return;
  // GNU cp: owners, modes, times, links, attributes; "/." copies the directory's own mode too.
  const copied = await runProgram("cp", ["--archive", "--", `${source}/.`, target]);
  if (copied.code !== 0) throw new SwarmError("INTERNAL", `cannot copy the image's files into volume "${name}": ${copied.stderr.trim().split("\n")[0]}`);
}
