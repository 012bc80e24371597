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

  copy(): PortTable {
    const copy = new PortTable();
    for (const [port, users] of this.#users) copy.#users.set(port, new Map(users));
    return copy;
  }
}

const none: ReadonlyMap<number, number> = new Map();
