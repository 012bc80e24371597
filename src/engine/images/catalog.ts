import { KeyedLock, SwarmError } from "../../lib/index.js";
import type { ImageChange, Metadata } from "../metadata.js";
import type { ImageRecord } from "./record.js";
import { parseReference } from "./reference.js";

const shortestIdDigits = 4;

/** Which images there are and what they are called: the database's contents, in memory. Changes are made one at a time. */
export class ImageCatalog {
  #images = new Map<string, ImageRecord>();
  #names = new Map<string, string>();             // name:tag -> id
  #tags = new Map<string, Set<string>>();         // id -> name:tag
  #writes = new KeyedLock();

  private constructor(private readonly metadata: Metadata) {}

  static async open(metadata: Metadata): Promise<ImageCatalog> {
    const catalog = new ImageCatalog(metadata);
    for (const image of await metadata.images()) catalog.#images.set(image.id, image);
    const names = await metadata.references();
    // Earlier versions kept name@digest among the names too; it is in the record's digests.
    const old = [...names.keys()].filter((name) => name.includes("@"));
    if (old.length > 0) await metadata.changeImages({ removedNames: old });
    for (const [name, id] of names) if (!name.includes("@") && catalog.#images.has(id)) catalog.#setName(name, id);
    return catalog;
  }

  /** Also those that only stopped containers still need. */
  all(): ImageRecord[] { return [...this.#images.values()]; }
  visible(): ImageRecord[] { return this.all().filter((image) => image.fate !== "hidden"); }
  get(id: string): ImageRecord | undefined { return this.#images.get(id); }
  tagsOf(id: string): string[] { return [...(this.#tags.get(id) ?? [])].sort(); }
  idOf(name: string): string | undefined { return this.#names.get(name); }
  childrenOf(id: string): string[] { return this.visible().filter((image) => image.parent === id).map((image) => image.id); }
  hasName(image: ImageRecord): boolean { return (this.#tags.get(image.id)?.size ?? 0) > 0 || image.digests.length > 0; }

  /** By name, name@digest, id, or an id's beginning. A beginning that fits several images is refused. */
  find(text: string): ImageRecord | undefined {
    const exact = this.#images.get(text);
    if (exact) return exact.fate === "hidden" ? undefined : exact;
    const hex = text.replace(/^sha256:/, "");
    if (text.startsWith("sha256:") || /^[0-9a-f]{64}$/.test(text)) return this.#byId(hex, text);
    const reference = parseReference(text);
    const id = this.#names.get(reference.normalized);
    if (id) return this.#images.get(id);
    if (reference.digest) return this.visible().find((image) => image.digests.includes(reference.normalized));
    return hex.length >= shortestIdDigits ? this.#byId(hex, text) : undefined;
  }

  need(text: string, action: string): ImageRecord {
    return this.find(text) ?? (() => { throw new SwarmError("NOT_FOUND", `Cannot ${action} image "${text}": no such image is on this host; image ls shows what is`); })();
  }

  /** Whether the text means an id (or its beginning) of this image and not a name. */
  isId(text: string, id: string): boolean {
    const isHex = text === id || (/^(sha256:)?[0-9a-f]{1,64}$/.test(text) && id.startsWith(`sha256:${text.replace(/^sha256:/, "")}`));
    return isHex && (text.startsWith("sha256:") || /^[0-9a-f]{64}$/.test(text) || this.#names.get(parseReference(text).normalized) !== id);
  }

  /** Decides on the present state and makes the change, with nothing in between. */
  change<T>(decide: () => { change: ImageChange; result: T }): Promise<T> {
    return this.#writes.run("", async () => {
      const { change, result } = decide();
      await this.metadata.changeImages(change);
      for (const name of change.removedNames ?? []) this.#dropName(name);
      for (const id of change.removed ?? []) this.#images.delete(id);
      for (const image of change.put ?? []) this.#images.set(image.id, image);
      for (const [name, id] of change.names ?? []) this.#setName(name, id);
      return result;
    });
  }

  idle(): Promise<void> { return this.#writes.idle(); }

  #byId(hex: string, text: string): ImageRecord | undefined {
    if (!/^[0-9a-f]{1,64}$/.test(hex)) return undefined;
    const matches = this.visible().filter((image) => image.id.startsWith(`sha256:${hex}`));
    if (matches.length > 1) throw new SwarmError("INVALID_ARGUMENT", `"${text}" is the beginning of ${matches.length} image ids (${matches.slice(0, 3).map((image) => image.id.slice(7, 19)).join(", ")}${matches.length > 3 ? ", …" : ""}); give more digits`);
    return matches[0];
  }

  #setName(name: string, id: string): void {
    this.#dropName(name);
    this.#names.set(name, id);
    const tags = this.#tags.get(id) ?? new Set();
    this.#tags.set(id, tags.add(name));
  }

  #dropName(name: string): void {
    const id = this.#names.get(name);
    if (id === undefined) return;
    this.#names.delete(name);
    const tags = this.#tags.get(id)!;
    tags.delete(name);
    if (tags.size === 0) this.#tags.delete(id);
  }
}
