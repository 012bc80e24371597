import { rowsPerStep, type RowTable } from "./columns.js";

/** Copied in a step: 256 KiB take 50 to 150 µs, most of it for pages that nobody touched before. */
const bytesPerStep = 2 ** 18;
const entriesPerStep = 16_384;

/** Copies rows of a table that changes meanwhile. Whoever does notes which rows change, and has them copied again. */
export class RowsCopy {
  /** Columns and lists that were copied from end to end; what is longer by now has rows that were noted. */
  readonly #columns = new Set<number>();
  #hasLists: boolean;

  /**
   * `isNew`: its lists were copied when it was made. `makeRoom`: gives `to` at least the columns and the capacity that `from` has. Both are asked for anew in each step: columns
   * that grow are others.
   */
  constructor(private readonly from: () => RowTable, private readonly to: () => RowTable, isNew: boolean, private readonly makeRoom: () => void) { this.#hasLists = isNew; }

  /** Columns and lists that were not copied yet. */
  *all(): Generator<void> {
    for (let c = 0; c < this.from().columns.length; c++) {
      if (this.#columns.has(c)) continue;
      for (let at = 0; ; ) {
        this.makeRoom();
        const source = this.from().columns[c]!, target = this.to().columns[c]!;
        // Rows that are not used yet too: the memory may have been that of another copy.
        const end = Math.min(at + bytesPerStep / source.BYTES_PER_ELEMENT, source.length, target.length);
        if (end <= at) break;
        target.set(source.subarray(at, end), at);
        at = end;
        yield;
      }
      if (this.from().columns[c]!.length > 0) this.#columns.add(c);
    }
    if (this.#hasLists) return;
    this.#hasLists = true;
    for (const [i, target] of this.to().lists.entries()) {
      for (let at = 0; at < this.from().size; ) {
        const { lists, size } = this.from(), source = lists[i]!;
        const end = Math.min(at + entriesPerStep, size);
        for (; at < end; at++) target[at] = source[at];
        yield;
      }
    }
  }

  /** These rows again, and first what `all` has not copied yet because it was not there. */
  *rows(rows: readonly number[]): Generator<void> {
    yield* this.all();
    for (let at = 0; at < rows.length; at += rowsPerStep) {
      this.#copyRows(at === 0 && rows.length <= rowsPerStep ? rows : rows.slice(at, at + rowsPerStep));
      yield;
    }
  }

  #copyRows(rows: readonly number[]): void {
    this.makeRoom();
    const from = this.from(), to = this.to();
    for (const [c, source] of from.columns.entries()) {
      const target = to.columns[c]!, width = widthOf(source.length, from.capacity);
      for (const row of rows) for (let at = row * width; at < (row + 1) * width; at++) target[at] = source[at]!;
    }
    for (const [i, source] of from.lists.entries()) for (const row of rows) to.lists[i]![row] = source[row];
  }
}

const widthOf = (length: number, capacity: number): number => (capacity === 0 ? 0 : Math.floor(length / capacity));
