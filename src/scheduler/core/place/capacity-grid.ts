import { Bitset, cpu, memory, pids, wholeGpu, type ClusterState } from "../state/index.js";
import { floorOf, levelOf, levels } from "./quasi-log.js";

const words = levels >>> 5;
const mib = 2 ** 20;
const outside = -1;
/** A cell's nodes differ by less than an eighth in both amounts: so many are compared, the others are no better worth finding. */
const looksPerCell = 8;
/** A cell that can be better by less than an eighth is not looked into. */
const closeEnough = 8 / 9;

/** Cells of one layer by free CPU and free memory, with the nodes of each in a list. */
class Layer {
  /** First node by row and column; -1 = none. */
  readonly heads: (Int32Array | undefined)[] = [];
  /** Columns of a row that have nodes, and those that any of eight rows has. */
  readonly columns = new Uint32Array(levels * words);
  readonly blocks = new Uint32Array((levels >>> 3) * words);
  /** Bit i: rows 8i … 8i + 7 have nodes. */
  filledBlocks = 0;
  nodes = 0;
}

// Layers: what is rare on a node comes before how full it is, so that a task goes to a node with GPUs only where no other takes it, and then to the one with the least of
// them left. 0 = no GPU free; 1 … 8 = the largest free share in eighths; 9 … = whole devices free. Nodes with generic resources have layers of their own.
const wholeLayer = 8;
const gpuLayers = wholeLayer + 1 + 31;

/**
 * Nodes of one eligibility class by what is free on them: best fit without a look at all nodes. CPU and memory are quasi-logarithmic levels (a level is an eighth of
 * its octave), rare resources are layers of such grids. A search goes through the cells that are large enough, the tightest first, with bitmaps to skip empty
 * ones, and stops where no cell can be better by an eighth than what it has found: some 50 words of bits and one or two nodes, whatever the number of nodes.
 *
 * The node that it finds has at most an eighth more free (and one thousandth of a core, and 2 MiB) than the best one of its layer, unless more than eight nodes that
 * do not fit are in front of that one in a cell that is just as large as the request. Where it finds none, none fits.
 */
export class CapacityGrid {
  readonly #layers: (Layer | undefined)[] = [];
  #cell = new Int32Array(0);      // layer, row and column, eight bits each for the latter two
  #next = new Int32Array(0);
  #previous = new Int32Array(0);
  readonly #inside = new Bitset();      // nodes that have a cell
  #changes = -1;
  #capacity = 0;
  /** What a level of CPU or memory that is left over costs. */
  readonly #cpuCost = new Float64Array(levels);
  readonly #memoryCost = new Float64Array(levels);
  #cpuWeight = 0;
  #memoryWeight = 0;
  #isCutShort = false;
  #asksMore = false;
  lastUse = 0;
  #best = outside;
  #bestCost = Infinity;

  constructor(readonly state: ClusterState, readonly eligibility: number) {}

  /** What a thousandth of a core and a byte count that are left over. */
  setWeights(cpuWeight: number, memoryWeight: number): void {
    this.#cpuWeight = cpuWeight;
    this.#memoryWeight = memoryWeight;
    for (let level = 0; level < levels; level++) {
      this.#cpuCost[level] = floorOf(level) * cpuWeight;
      this.#memoryCost[level] = floorOf(level) * mib * memoryWeight;
    }
  }

  catchUp(): void {
    const { nodes } = this.state;
    if (this.#changes === nodes.changes) return;
    const log = nodes.changeLog, mask = log.length - 1;
    if (this.#changes < 0 || this.#capacity < nodes.size || nodes.changes - this.#changes > log.length >> 1) this.#build();
    else {
      const inside = this.#inside.words;
      const { words: eligible } = this.state.predicates.eligible[this.eligibility]!;
      for (let i = this.#changes; i < nodes.changes; i++) {
        const n = log[i & mask]!;
        // Most changes are of other classes: two bits are looked at, both in the cache.
        if (((eligible[n >>> 5]! | inside[n >>> 5]!) & (1 << (n & 31))) !== 0) this.#update(n);
      }
    }
    this.#changes = nodes.changes;
  }

  /** The tightest node for one of `r`; -1: it fits on none. Nodes with `most` tasks of the service or more (`own`) are passed by. */
  find(r: number, own: Int32Array | undefined, most: number): number {
    const found = this.#search(r, own, most, looksPerCell);
    // A node that fits may be behind eight that do not, in the cells that are as large as the request.
    return found >= 0 || !this.#isCutShort ? found : this.#search(r, own, most, Infinity);
  }

  #search(r: number, own: Int32Array | undefined, most: number, looks: number): number {
    const { requests } = this.state;
    const row = levelOf(requests.amount[cpu]![r]!), column = levelOf(requests.amount[memory]![r]! * (1 / mib));
    const count = requests.gpuCount[r]!;
    const first = count === 0 ? 0 : requests.isWholeGpus(r) ? wholeLayer + count : 1 + ((requests.gpuMillis[r]! * 8) / wholeGpu | 0);
    const layers = this.#layers;
    this.#best = outside;
    this.#bestCost = Infinity;
    this.#isCutShort = false;
    this.#asksMore = count > 0 || requests.dimensions[r]! > memory + 1;
    const isGeneric = requests.dimensions[r]! > pids + 1;
    for (let at = first; at < gpuLayers && at < layers.length && this.#best < 0; at++) {
      const plain = layers[at], generic = layers[gpuLayers + at];
      if (!isGeneric && plain !== undefined && plain.nodes > 0) this.#searchLayer(plain, r, row, column, own, most, looks);
      if (this.#best < 0 && generic !== undefined && generic.nodes > 0) this.#searchLayer(generic, r, row, column, own, most, looks);
    }
    return this.#best;
  }

  #searchLayer(layer: Layer, r: number, fromRow: number, fromColumn: number, own: Int32Array | undefined, most: number, looks: number): void {
    const { state } = this;
    const { columns, blocks } = layer;
    const cpuCost = this.#cpuCost, memoryCost = this.#memoryCost, next = this.#next;
    const freeCpu = state.nodes.free[cpu]!, freeMemory = state.nodes.free[memory]!;
    const leastMemory = memoryCost[fromColumn]!, firstWord = fromColumn >>> 5, firstMask = -1 << (fromColumn & 31);
    // Nearly every request is about these two; the rest is asked where there is any. Who asks for nothing fits where less than nothing is left.
    const neededCpu = state.requests.amount[cpu]![r]! || -Infinity, neededMemory = state.requests.amount[memory]![r]! || -Infinity, asksMore = this.#asksMore;
    let best = this.#best, bestCost = this.#bestCost, enough = bestCost * closeEnough;
    // Columns of later words are too large to be better, in this row and in those after it.
    let endWord = words;
    for (let row = fromRow; row < levels; row++) {
      if ((row & 7) === 0 || row === fromRow) {
        const filled = layer.filledBlocks >>> (row >>> 3);
        if (filled === 0) break;
        if ((filled & 1) === 0) row = ((row >>> 3) + 31 - Math.clz32(filled & -filled)) << 3;
      }
      const rowCost = cpuCost[row]!;
      if (rowCost + leastMemory >= enough) break;
      while (endWord > firstWord + 1 && rowCost + memoryCost[(endWord - 1) << 5]! >= enough) endWord--;
      if ((row & 7) === 0) {
        // Eight rows at once, where none has a column that will do.
        const at = (row >>> 3) * words;
        let any = blocks[at + firstWord]! & firstMask;
        for (let w = firstWord + 1; w < endWord; w++) any |= blocks[at + w]!;
        if (any === 0) { row += 7; continue; }
      }
      for (let w = firstWord; w < endWord; w++) {
        let word = columns[row * words + w]!;
        if (w === firstWord) word &= firstMask;
        for (; word !== 0; word &= word - 1) {
          const column = (w << 5) + 31 - Math.clz32(word & -word);
          if (rowCost + memoryCost[column]! >= enough) { w = endWord; break; }
          let left = looks;
          for (let n = layer.heads[row]![column]!; n !== outside; n = next[n]!) {
            if (left-- <= 0) { this.#isCutShort = true; break; }
            const cost = freeCpu[n]! * this.#cpuWeight + freeMemory[n]! * this.#memoryWeight;
            if (cost > bestCost || (cost === bestCost && n > best) || freeCpu[n]! < neededCpu || freeMemory[n]! < neededMemory
              || (own !== undefined && own[n]! >= most) || (asksMore && !state.fits(n, r))) continue;
            best = n;
            bestCost = cost;
            enough = cost * closeEnough;
          }
        }
      }
    }
    this.#best = best;
    this.#bestCost = bestCost;
  }

  #build(): void {
    const { nodes } = this.state;
    this.#capacity = nodes.capacity;
    this.#cell = new Int32Array(this.#capacity).fill(outside);
    this.#next = new Int32Array(this.#capacity);
    this.#previous = new Int32Array(this.#capacity);
    this.#layers.length = 0;
    this.#inside.grow(this.#capacity);
    this.#inside.words.fill(0);
    // Downwards, so that lists begin with the first node.
    for (let n = nodes.size - 1; n >= 0; n--) this.#update(n);
  }

  #update(n: number): void {
    const { state } = this;
    const cell = state.predicates.eligible[this.eligibility]!.has(n) ? cellOf(state, n) : outside, before = this.#cell[n]!;
    if (cell === before) return;
    this.#cell[n] = cell;
    if (before !== outside) this.#unlink(n, before);
    else this.#inside.set(n, true);
    if (cell !== outside) this.#link(n, cell);
    else this.#inside.set(n, false);
  }

  #link(n: number, cell: number): void {
    const column = cell & 255, row = (cell >>> 8) & 255, at = cell >>> 16;
    while (this.#layers.length <= at) this.#layers.push(undefined);
    const layer = this.#layers[at] ??= new Layer();
    const heads = layer.heads[row] ??= new Int32Array(levels).fill(outside);
    const head = heads[column]!;
    layer.nodes++;
    this.#next[n] = head;
    this.#previous[n] = outside;
    if (head !== outside) this.#previous[head] = n;
    else {
      layer.columns[row * words + (column >>> 5)]! |= 1 << (column & 31);
      layer.blocks[(row >>> 3) * words + (column >>> 5)]! |= 1 << (column & 31);
      layer.filledBlocks |= 1 << (row >>> 3);
    }
    heads[column] = n;
  }

  #unlink(n: number, cell: number): void {
    const next = this.#next[n]!, previous = this.#previous[n]!;
    this.#layers[cell >>> 16]!.nodes--;
    if (next !== outside) this.#previous[next] = previous;
    if (previous !== outside) { this.#next[previous] = next; return; }
    const column = cell & 255, row = (cell >>> 8) & 255;
    const layer = this.#layers[cell >>> 16]!;
    layer.heads[row]![column] = next;
    if (next !== outside) return;
    const { columns, blocks } = layer;
    const w = column >>> 5, block = (row >>> 3) * words + w;
    columns[row * words + w]! &= ~(1 << (column & 31));
    let any = 0;
    for (let i = row & ~7; i < (row | 7) + 1; i++) any |= columns[i * words + w]!;
    blocks[block] = any;
    if (any !== 0) return;
    for (let i = block - w; i < block - w + words; i++) if (blocks[i] !== 0) return;
    layer.filledBlocks &= ~(1 << (row >>> 3));
  }
}

function cellOf({ nodes, dimensions }: ClusterState, n: number): number {
  let layer = 0;
  if (nodes.gpuFreeMillis[n]! > 0) layer = nodes.gpuWhole[n]! > 0 ? wholeLayer + nodes.gpuWhole[n]! : 1 + ((nodes.gpuLargest[n]! * 8) / wholeGpu | 0);
  for (let d = pids + 1; d < dimensions.names.length; d++) if (nodes.total[d]![n]! > 0) { layer += gpuLayers; break; }
  return (layer << 16) | (levelOf(nodes.free[cpu]![n]!) << 8) | levelOf(nodes.free[memory]![n]! * (1 / mib));
}
