import { copyMap } from "./map-copy.js";

/** Host ports in use, by port ("8080/tcp") and node row. More than one user of a port only through a fault, but then each gives it back. */
export class PortTable {
  readonly #users = new Map<string, Map<number, number>>();

  /** Nodes on which `port` is taken. */
  usersOf(port: string): ReadonlyMap<number, number> { return this.#users.get(port) ?? none; }
  isTaken(port: string, n: number): boolean { return this.#users.get(port)?.has(n) ?? false; }

  change(port: string, n: number, by: 1 | -1): void {
    let users = this.#users.get(port);
    if (!users) this.#users.set(port, users = new Map());
    const count = (users.get(n) ?? 0) + by;
    if (count > 0) users.set(n, count);
    else users.delete(n);
    if (users.size === 0) this.#users.delete(port);
  }

  *entries(): Iterable<readonly [port: string, n: number, count: number]> {
    for (const [port, users] of this.#users) for (const [n, count] of users) yield [port, n, count];
  }

  *copyTo(copy: PortTable): Generator<void> {
    for (const [port, users] of this.#users) {
      const copied = new Map<number, number>();
      copy.#users.set(port, copied);
      yield* copyMap(users, copied);
    }
  }

  /** Users of `port` on node `n` are as many in `copy` as here. */
  copyUsers(copy: PortTable, port: string, n: number): void {
    const count = this.#users.get(port)?.get(n);
    let users = copy.#users.get(port);
    if (!users) copy.#users.set(port, users = new Map());
    if (count === undefined) users.delete(n);
    else users.set(n, count);
    if (users.size === 0) copy.#users.delete(port);
  }
}

const none: ReadonlyMap<number, number> = new Map();
