import { spawn } from "node:child_process";
import { access } from "node:fs/promises";
import { posix } from "node:path";
import { SwarmError, type ErrorCode } from "../../lib/index.js";
import type { ContainerDetails, Engine, FileChange, PathStat } from "../api/index.js";
import type { ContainerAccess } from "../containers/ports.js";
import type { ContainerRecord } from "../containers/record.js";
import { resolveUser } from "../containers/user.js";
import { decompress } from "../content/decompress.js";
import type { ImageRecord } from "../images/record.js";
import type { Paths } from "../paths.js";
import { isAlive } from "../runtime/process-identity.js";
import { runProgram } from "../runtime/program.js";
import type { SnapshotDriver } from "../snapshots/driver.js";
import { ProgramFailure, endOf, feedProgram, outputOf } from "../runtime/program-streams.js";
import { packDirectory } from "../snapshots/tree-program.js";
import { askedPath, parseStat, type AskedPath } from "./core/path-stat.js";

export interface ContainerFilesParts {
  readonly containers: ContainerAccess & { find(nameOrId: string): Pick<ContainerDetails, "mounts"> };
  readonly layers: SnapshotDriver;
  readonly volumes: { ensure(name: string, copyFrom: undefined): Promise<string>; settle(): Promise<void> };
  readonly findImage: (imageId: string) => ImageRecord | undefined;
  readonly paths: Paths;
  readonly monitorPath: string;
}

/** How a container ends up to be seen: arguments of `skein-monitor files`. */
interface View { readonly args: readonly string[]; close(): Promise<void> }

// Exit codes of `skein-monitor files`: monitor/unpack.h.
const exit = { notFound: 10, notDirectory: 11, badArchive: 12, readOnly: 13, noSpace: 14, gone: 15 } as const;

export type FileMethods = "statPath" | "readArchive" | "writeArchive" | "changes" | "export" | "size";

/** This part of the engine's contract. */
export function containerFiles(parts: ContainerFilesParts): Pick<Engine, FileMethods> {
  const files = new ContainerFiles(parts);
  return {
    statPath: (id, path) => files.statPath(id, path),
    readArchive: (id, path) => files.readArchive(id, path),
    writeArchive: (id, path, tar, options) => files.writeArchive(id, path, tar, options),
    changes: (id) => files.changes(id),
    export: (id) => files.export(id),
    size: (id) => files.size(id),
  };
}

/**
 * Files in containers: `docker cp`, diff, export and sizes. Paths are looked up by a program inside the container's own view
 * (monitor/container-files.c), never here.
 */
class ContainerFiles {
  constructor(private readonly parts: ContainerFilesParts) {}

  async statPath(id: string, path: string): Promise<PathStat> {
    const asked = askedPath(path);
    const record = this.parts.containers.require(id, "look into");
    return this.#viewed(record, "look into", async (view) => {
      const looked = await runProgram(this.parts.monitorPath, ["files", "stat", ...view.args, ...(asked.isFollowed ? ["--follow"] : []), asked.path]);
      const answer = looked.code === 0 ? parseStat(Buffer.from(looked.stdout), asked) : undefined;
      if (!answer) throw failure(new ProgramFailure("", looked.code, looked.stderr), record, "look into", path);
      return answer.stat;
    });
  }

  async readArchive(id: string, path: string): Promise<{ stat: PathStat; tar: AsyncIterable<Uint8Array> }> {
    const asked = askedPath(path);
    const record = this.parts.containers.require(id, "copy from");
    const view = await this.#view(record);
    const archive = await this.#archive(record, asked, path, view).catch(async (error: unknown) => { await view.close(); throw error; });
    this.parts.containers.publish(record, "archive-path");
    return archive;
  }

  async writeArchive(id: string, path: string, tar: AsyncIterable<Uint8Array>, options: { noOverwriteDirNonDir?: boolean; copyUidGid?: boolean }): Promise<void> {
    const { path: target } = askedPath(path);
    const record = this.parts.containers.require(id, "copy into");
    await this.#viewed(record, "copy into", async (view) => {
      const owner = options.copyUidGid ? await this.#owner(record, view) : [];
      const program = spawn(this.parts.monitorPath, ["files", "write", ...view.args, ...(options.noOverwriteDirNonDir ? ["--keep-kinds"] : []), ...owner, target], { stdio: ["pipe", "ignore", "pipe"] });
      const ended = endOf(program, "");
      await feedProgram(program, decompress(tar), ended);
      await ended.catch((error: unknown) => { throw failure(error, record, "copy into", path); });
    });
    this.parts.containers.publish(record, "extract-to-dir");
  }

  async changes(id: string): Promise<FileChange[]> {
    const record = this.parts.containers.require(id, "list the changes of");
    return this.parts.layers.changes(id, this.#chain(record, "list the changes of"));
  }

  async *export(id: string): AsyncGenerator<Uint8Array> {
    const record = this.parts.containers.require(id, "export");
    await this.#ensureMounted(record);
    this.parts.containers.publish(record, "export");
    yield* packDirectory(this.parts.monitorPath, [this.parts.paths.container(id).rootfs]);
  }

  async size(id: string): Promise<{ writableBytes: number; totalBytes: number }> {
    const record = this.parts.containers.require(id, "measure");
    const writableBytes = await this.parts.layers.writableSize(id);
    return { writableBytes, totalBytes: writableBytes + (this.parts.findImage(record.imageId)?.sizeBytes ?? 0) };
  }

  async #archive(record: ContainerRecord, asked: AskedPath, path: string, view: View): Promise<{ stat: PathStat; tar: AsyncIterable<Uint8Array> }> {
    const program = spawn(this.parts.monitorPath, ["files", "read", ...view.args, ...(asked.isFollowed ? ["--follow"] : []), "--as", asked.name, asked.path], { stdio: ["ignore", "pipe", "pipe"] });
    const output = outputOf(program, "")[Symbol.asyncIterator]();
    let head = Buffer.alloc(0);
    try {
      for (;;) {
        const answer = parseStat(head, asked);
        if (answer) {
          const rest = head.subarray(answer.length);
          const tar = (async function* () {
            try {
              if (rest.length > 0) yield rest;
              for (let next = await output.next(); !next.done; next = await output.next()) yield next.value;
            } catch (error) { throw failure(error, record, "copy from", path); } finally { await output.return?.(undefined); await view.close(); }
          })();
          return { stat: answer.stat, tar };
        }
        const next = await output.next();
        if (next.done) throw new SwarmError("INTERNAL", `Cannot copy from container "${record.config.name}": the answer about "${path}" was cut short`);
        head = Buffer.concat([head, next.value]);
      }
    } catch (error) { await output.return?.(undefined); throw failure(error, record, "copy from", path); }
  }

  async #viewed<T>(record: ContainerRecord, verb: string, work: (view: View) => Promise<T>): Promise<T> {
    this.parts.containers.require(record.config.id, verb);
    const view = await this.#view(record);
    try { return await work(view); } finally { await view.close(); }
  }

  async #view({ config: { id } }: ContainerRecord): Promise<View> {
    const running = await this.#process(id);
    if (running) return running;
    // Being started or stopped: afterwards it is one or the other.
    return this.parts.containers.exclusively(id, async () => (await this.#process(id)) ?? this.#restingView(this.parts.containers.require(id, "look into")));
  }

  async #process(id: string): Promise<View | undefined> {
    const record = this.parts.containers.record(id);
    if (record?.phase !== "running" || !record.process || !(await isAlive(record.process))) return undefined;
    return { args: ["--process", String(record.process.pid), String(record.process.startTime)], close: async () => {} };
  }

  /** What it would have mounted, deepest last. Its tmpfs mounts are empty until it starts, so what is copied there goes below them, as with Docker. */
  async #restingView(record: ContainerRecord): Promise<View> {
    const { config } = record;
    const own = this.parts.paths.container(config.id);
    await this.parts.layers.mount(config.id, this.#chain(record, "look into"), own.rootfs);
    const mounts: { source: string; subpath: string; target: string; isReadOnly: boolean }[] = [];
    for (const [source, target] of [[own.resolvConf, "/etc/resolv.conf"], [own.hosts, "/etc/hosts"], [own.hostname, "/etc/hostname"]] as const) {
      if (await access(source).then(() => true, () => false)) mounts.push({ source, subpath: "", target, isReadOnly: false });
    }
    for (const mount of this.parts.containers.find(config.id).mounts) {
      if (mount.type === "tmpfs") continue;
      const asked = config.mounts.find((each) => each.type === "volume" && posix.normalize(each.target) === mount.target);
      const source = mount.type === "volume" ? await this.parts.volumes.ensure(mount.name, undefined) : mount.source;
      mounts.push({ source, subpath: asked?.type === "volume" ? asked.subpath ?? "" : "", target: mount.target, isReadOnly: mount.isReadOnly });
    }
    mounts.sort((a, b) => a.target.split("/").length - b.target.split("/").length);
    const args = mounts.flatMap(({ source, subpath, target, isReadOnly }) => ["--mount", isReadOnly ? "ro" : "rw", source, subpath, target]);
    return { args: ["--root", own.rootfs, ...(config.readOnly ? ["--read-only"] : []), ...args], close: () => this.parts.volumes.settle() };
  }

  async #ensureMounted(record: ContainerRecord): Promise<void> {
    const { id } = record.config;
    if (record.phase === "running") return;
    await this.parts.containers.exclusively(id, () => this.parts.layers.mount(id, this.#chain(record, "export"), this.parts.paths.container(id).rootfs));
  }

  /** The container's own user, by name as its /etc/passwd has it now; a name that is not there owns nothing. */
  async #owner(record: ContainerRecord, view: View): Promise<string[]> {
    const user = record.config.user || this.parts.findImage(record.imageId)?.config.user || "";
    if (user === "") return [];
    const text = async (path: string) => { const read = await runProgram(this.parts.monitorPath, ["files", "text", ...view.args, path]); return read.code === 0 ? read.stdout : ""; };
    const { uid, gid } = resolveUser(user, [], await text("/etc/passwd"), await text("/etc/group"));
    return ["--owner", String(uid), String(gid)];
  }

  #chain(record: ContainerRecord, verb: string): readonly string[] {
    const image = this.parts.findImage(record.imageId);
    if (!image) throw new SwarmError("FAILED_PRECONDITION", `Cannot ${verb} container "${record.config.name}": its image ${record.imageId} is gone; remove the container and create it again`);
    return image.diffIds;
  }
}

function failure(error: unknown, { config: { name } }: ContainerRecord, verb: string, path: string): unknown {
  if (!(error instanceof ProgramFailure)) return error;
  const say = (code: ErrorCode, why: string) => new SwarmError(code, `Cannot ${verb} container "${name}": ${why}`, { cause: error });
  switch (error.exitCode) {
    case exit.notFound: return say("NOT_FOUND", `there is no "${path}" in it`);
    case exit.notDirectory: return say("INVALID_ARGUMENT", `"${path}" is not a directory`);
    case exit.badArchive: return say("INVALID_ARGUMENT", error.complaint);
    case exit.readOnly: return say("PERMISSION_DENIED", `"${path}" is on a read-only file system: its root, or the volume there, was made read-only`);
    case exit.noSpace: return say("FAILED_PRECONDITION", `no space is left where "${path}" lies; free some there and try again`);
    case exit.gone: return say("ABORTED", "it ended meanwhile; try again");
    default: return say("INTERNAL", error.complaint || `its files cannot be reached (code ${error.exitCode})`);
  }
}
