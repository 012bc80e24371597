import { createHash } from "node:crypto";
import { SwarmError } from "../../lib/index.js";
import type { IgnoreRules } from "./core/ignore.js";
import { ContentHash, type CopyOrigin, type Match } from "./copy-origin.js";
import type { RootView } from "./root-view.js";
import { plainEntry, tarEnd, tarHeader, tarPadding, type TarEntry } from "./tar-records.js";

export interface Placement {
  readonly origin: CopyOrigin;
  readonly match: Match;
  /** Absolute. A directory's contents go into it; anything else becomes it. */
  readonly target: string;
}
export interface PlacementOptions {
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;   // undefined: as they are
  readonly mode: number | undefined;
  readonly ignore: IgnoreRules;
  readonly nowSeconds: number;
  readonly signal: AbortSignal;
}

/**
 * A layer with these files in these places, as its tar: written straight from where they come from, with no copy in between. A layer's
 * directory hides the one below it but for its contents, so directories that exist are repeated as they are.
 */
export class LayerTar {
  readonly content = new ContentHash();
  #written = new Map<string, TarEntry["type"]>();
  #fresh = new Set<string>();              // directories that are not below: nothing in them can be in the way
  constructor(private readonly view: RootView, private readonly options: PlacementOptions) {}

  /** Empty when nothing has to be made. */
  async *directory(path: string, owner: { readonly uid: number; readonly gid: number }): AsyncGenerator<Buffer> {
    const made: Buffer[] = [];
    for await (const piece of this.#into(path, owner)) made.push(piece);
    if (this.#fresh.size === 0) return;
    yield* made;
    yield tarEnd();
  }

  async *files(placements: readonly Placement[]): AsyncGenerator<Buffer> {
    for (const placement of placements) yield* this.#place(placement);
    yield tarEnd();
  }

  async *#place({ origin, match, target }: Placement): AsyncGenerator<Buffer> {
    const { owner, mode, ignore, signal } = this.options;
    const places = new Map<string, string>();    // a directory's path at the origin → where it is now
    const created = owner ?? { uid: 0, gid: 0 };
    for await (const { path, entry, content, sha256 } of origin.entries(match)) {
      signal.throwIfAborted();
      if (path !== "" && ignore.ignores(path)) continue;
      const own = { ...(owner ?? { uid: entry.uid, gid: entry.gid }), mode: mode ?? entry.mode };
      if (path === "") {
        if (entry.type !== "directory" && match.isDirectory) continue;
        if (entry.type === "directory") { places.set("", yield* this.#top(target, { ...entry, ...own }, created)); this.content.add(`${match.name}\0`, entry, "", owner === undefined); continue; }
      }
      const slash = path.lastIndexOf("/");
      const parentPath = slash < 0 ? "" : path.slice(0, slash);
      const name = path === "" ? target.slice(target.lastIndexOf("/") + 1) : path.slice(slash + 1);
      let parent = path === "" ? yield* this.#into(target.slice(0, target.lastIndexOf("/")), created) : places.get(parentPath);
      if (parent === undefined) {
        // Archives need not name the directories of their files.
        parent = yield* this.#into(`${places.get("") ?? (yield* this.#into(target, created))}/${parentPath}`, created);
        places.set(parentPath, parent);
      }
      if (name.startsWith(".wh.")) throw new SwarmError("INVALID_ARGUMENT", `COPY failed: the name "${name}" cannot be in an image: it means a deletion there`);
      const at = parent === "" ? name : `${parent}/${name}`;
      if (entry.type === "directory") {
        places.set(path, yield* this.#directoryAt(at, { ...entry, ...own }, parent));
        this.content.add(`${match.name}\0${path}`, entry, "", owner === undefined);
        continue;
      }
      if (this.#written.get(at) === "directory" || (!this.#fresh.has(parent) && (await this.view.see(at)).kind === "directory")) throw new SwarmError("INVALID_ARGUMENT", `COPY failed: cannot copy to directory: /${at}: it would be replaced by a file`);
      this.#written.set(at, entry.type);
      const linkName = entry.type === "hardlink" ? this.#linkTarget(entry.linkName, places) : entry.linkName;
      yield tarHeader({ ...entry, ...own, name: at, linkName, mode: entry.type === "symlink" ? 0o777 : own.mode });
      let digest = sha256;
      if (entry.type === "file") {
        if (digest === undefined) {
          const hash = createHash("sha256");
          for await (const part of content) { hash.update(part); yield part; }
          digest = hash.digest("hex");
        } else yield* content as AsyncIterable<Buffer>;
        yield tarPadding(entry.sizeBytes);
      }
      this.content.add(`${match.name}\0${path}`, entry, digest ?? "", owner === undefined);
    }
  }

  #linkTarget(linkName: string, places: ReadonlyMap<string, string>): string {
    const slash = linkName.lastIndexOf("/");
    const parent = places.get(slash < 0 ? "" : linkName.slice(0, slash));
    const at = parent === undefined ? undefined : parent === "" ? linkName.slice(slash + 1) : `${parent}/${linkName.slice(slash + 1)}`;
    if (at === undefined || !this.#written.has(at)) throw new SwarmError("INVALID_ARGUMENT", `COPY failed: a hard link leads to "${linkName.slice(0, 200)}", which is not copied with it`);
    return at;
  }

  /** The directory that a directory's contents go into: as it is, or with the origin's mode if it is new. */
  async *#top(target: string, entry: TarEntry, created: { uid: number; gid: number }): AsyncGenerator<Buffer, string> {
    const real = await this.view.resolve(target);
    if (real === "") return "";
    const parent = yield* this.#into(`/${real.slice(0, Math.max(0, real.lastIndexOf("/")))}`, created);
    return yield* this.#directoryAt(parent === "" ? real.slice(real.lastIndexOf("/") + 1) : `${parent}/${real.slice(real.lastIndexOf("/") + 1)}`, entry, parent);
  }

  /** A directory below a parent that is written already. A link to a directory is gone through, as images with /lib → usr/lib need. */
  async *#directoryAt(at: string, entry: TarEntry, parent: string): AsyncGenerator<Buffer, string> {
    if (this.#written.get(at) === "directory") return at;
    if (this.#written.has(at)) throw new SwarmError("INVALID_ARGUMENT", `COPY failed: "/${at}" is copied as a file and as a directory`);
    const seen = this.#fresh.has(parent) ? { kind: "missing" as const } : await this.view.see(at);
    if (seen.kind === "link") {
      const real = await this.view.resolve(at);
      if ((await this.view.see(real)).kind === "directory") return yield* this.#into(`/${real}`, { uid: 0, gid: 0 });
    }
    this.#written.set(at, "directory");
    if (seen.kind === "directory") yield tarHeader(plainEntry({ ...seen, name: at, type: "directory" }));
    else { this.#fresh.add(at); yield tarHeader({ ...entry, name: at, type: "directory", linkName: "", sizeBytes: 0 }); }
    return at;
  }

  /** All directories down to a path, links followed; those that are missing are made. */
  async *#into(path: string, owner: { readonly uid: number; readonly gid: number }): AsyncGenerator<Buffer, string> {
    const real = await this.view.resolve(path);
    let at = "";
    for (const part of real.split("/").filter((each) => each !== "")) {
      const parent = at;
      at = at === "" ? part : `${at}/${part}`;
      if (this.#written.get(at) === "directory") continue;
      if (this.#written.has(at)) throw new SwarmError("INVALID_ARGUMENT", `COPY failed: "/${at}" is a file: it cannot hold others`);
      const seen = this.#fresh.has(parent) ? { kind: "missing" as const } : await this.view.see(at);
      if (seen.kind === "other") throw new SwarmError("INVALID_ARGUMENT", `COPY failed: "/${at}" is a file in the image: it cannot hold others`);
      this.#written.set(at, "directory");
      if (seen.kind === "directory") yield tarHeader(plainEntry({ ...seen, name: at, type: "directory" }));
      else { this.#fresh.add(at); yield tarHeader(plainEntry({ name: at, type: "directory", ...owner, mode: 0o755, mtimeSeconds: this.options.nowSeconds })); }
    }
    return at;
  }
}
