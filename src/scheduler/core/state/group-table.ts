import { RowIndex, capacityFor, grown } from "./columns.js";
import type { Rules } from "./rules.js";

/** Tasks of one revision of one service: the same in all but name. Rows are used again once no task is left. */
export class GroupTable {
  size = 0;
  capacity = 0;
  keys: string[] = [];             // revision id
  rules: Rules[] = [];
  service = new Int32Array(0);
  request = new Int32Array(0);
  priority = new Int16Array(0);
  /** Its tasks in the task table, and whoever else holds on to it. */
  users = new Int32Array(0);
  generation = new Int32Array(0);
  #free: number[] = [];
  #rows = new RowIndex(this.keys, (g) => this.keys[g] !== "");
  readonly #byImage = new Map<string, Set<number>>();

  /** Groups whose tasks run this image. */
  withImage(image: string): Iterable<number> { return this.#byImage.get(image) ?? []; }

  rowOf(key: string): number | undefined { return this.#rows.get(key); }

  add(key: string, service: number, request: number, priority: number, rules: Rules): number {
    const g = this.#free.pop() ?? this.size++;
    this.#reserve(this.size);
    this.keys[g] = key;
    this.rules[g] = rules;
    this.service[g] = service;
    this.request[g] = request;
    this.priority[g] = priority;
    this.users[g] = 0;
    this.generation[g]!++;
    this.#rows.set(key, g);
    this.#noteImage(g);
    return g;
  }

  #noteImage(g: number): void {
    const { image } = this.rules[g]!;
    if (image === "") return;
    const groups = this.#byImage.get(image);
    if (groups) groups.add(g);
    else this.#byImage.set(image, new Set([g]));
  }

  remove(g: number): void {
    this.#rows.delete(this.keys[g]!);
    this.keys[g] = "";
    this.#free.push(g);
    const { image } = this.rules[g]!;
    const groups = this.#byImage.get(image);
    if (groups?.delete(g) && groups.size === 0) this.#byImage.delete(image);
  }

  *rows(): Iterable<number> { for (let g = 0; g < this.size; g++) if (this.keys[g] !== "") yield g; }

  copy(): GroupTable {
    const copy = new GroupTable();
    copy.size = this.size;
    copy.capacity = this.capacity;
    copy.keys = this.keys.slice();
    copy.rules = this.rules.slice();
    copy.#rows = RowIndex.of(copy.keys, (g) => copy.keys[g] !== "");
    copy.service = this.service.slice();
    copy.request = this.request.slice();
    copy.priority = this.priority.slice();
    copy.users = this.users.slice();
    copy.generation = this.generation.slice();
    copy.#free = this.#free.slice();
    for (const [image, groups] of this.#byImage) copy.#byImage.set(image, new Set(groups));
    return copy;
  }

  #reserve(size: number): void {
    if (size <= this.capacity) return;
    const capacity = this.capacity = capacityFor(size, this.capacity);
    this.service = grown(this.service, capacity);
    this.request = grown(this.request, capacity);
    this.priority = grown(this.priority, capacity);
    this.users = grown(this.users, capacity);
    this.generation = grown(this.generation, capacity);
  }
}
