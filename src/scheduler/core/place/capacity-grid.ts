import { Bitset, cpu, memory, pids, wholeGpu, type ClusterState } from "../state/index.js";
import { floorOf, levelOf, levels } from "./quasi-log.js";

/** Levels of an octave. */
const eight = 8;
const octaves = levels / eight;
const cellsPerBlock = eight * eight;
const mib = 2 ** 20;
const outside = -1;
/** A cell's nodes differ by less than an eighth in both amounts: so many are compared, the others are no better worth finding. */
const looksPerCell = 8;

// Of a block in Layer.blocks: its filled cells (low: the first four rows, high: the others, eight columns a byte), and where its cells' lists begin in CapacityGrid.#heads.
const blockWords = 4;
const low = 0;
const high = 1;
const headsAt = 2;

// Of a node in CapacityGrid.#rows. Side by side: whoever moves a node needs all three.
const rowWords = 3;
const cellAt = 0;      // layer, row and column, eight bits each for the latter two
const nextAt = 1;
const previousAt = 2;  // of the first one in a list, -1 less where the list begins in CapacityGrid.#heads

/** Cells of one layer by free CPU (rows) and free memory (columns), in blocks of an octave each way: 64 cells, a bit for each that has nodes. */
class Layer {
  readonly blocks = new Int32Array(octaves * octaves * blockWords);
  /** By octave of CPU, a bit for each block that has nodes. */
  readonly filled = new Int32Array(octaves);
  /** A bit for each octave of CPU that has any. */
  filledOctaves = 0;
  nodes = 0;
}

// Layers: what is rare on a node comes before how full it is, so that a task goes to a node with GPUs only where no other takes it, and then to the one with the least of
// them left. 0 = no GPU free; 1 … 8 = the largest free share in eighths; 9 … = whole devices free. Nodes with generic resources have layers of their own.
const wholeLayer = 8;
const gpuLayers = wholeLayer + 1 + 31;

/**
 * Nodes of one eligibility class by what is free on them: best fit without a look at all nodes. CPU and memory are quasi-logarithmic levels (a level is an eighth of
 * its octave), rare resources are layers of such grids. A search goes through the cells that are large enough, octave by octave, the tightest first, with bitmaps to skip empty
 * ones, and leaves out cells whose least amounts are no better than what it has found: some five blocks and a few nodes, whatever the number of nodes.
 *
 * The node that it finds is the best one of its layer, but for cells of more than eight nodes: there it may have an eighth more free (and one thousandth of a core, and 2 MiB), or more where eight nodes that
 * do not fit are in front of it in a cell that is just as large as the request. With a smaller
 * `closeEnough` the search ends sooner. (1: as many machines as an exact best fit in each of 88 orders; 8/9: one more of 1,471 in some orders, bench packing --protocol cpu.) Where it finds none, none fits.
 */
export class CapacityGrid {
  readonly #layers: (Layer | undefined)[] = [];
  /** By node: its cell and its neighbours in the cell's list. */
  #rows = new Int32Array(0);
  /** First node of each cell, 64 for each block that ever had nodes; `outside` = none. */
  #heads = new Int32Array(0);
  #blocksUsed = 0;
  readonly #inside = new Bitset();      // nodes that have a cell
  #changes = -1;
  #described = 0;
  #capacity = 0;
  /** What a level of CPU or memory that is left over costs. */
  readonly #cpuCost = new Float64Array(levels);
  readonly #memoryCost = new Float64Array(levels);
  #cpuWeight = 0;
  #memoryWeight = 0;
  #isCutShort = false;
  #asksMore = false;
  lastUse = 0;
  /** A cell whose least amounts are not below this part of the best cost so far is left out. 1: none is that could be better. */
  closeEnough = 1;
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
    const { nodes, predicates } = this.state;
    if (this.#changes === nodes.changes) return;
    const log = nodes.changeLog, mask = log.length - 1;
    if (this.#changes < 0 || this.#capacity < nodes.size || nodes.changes - this.#changes > log.length >> 1) this.#build();
    else {
      const { words: eligible } = predicates.eligible[this.eligibility]!, isSetOther = predicates.changes !== this.#described;
      for (let i = this.#changes; i < nodes.changes; i++) {
        const n = log[i & mask]!;
        // Most changes are of other classes: a bit is looked at, which is in the cache.
        if ((eligible[n >>> 5]! & (1 << (n & 31))) !== 0) this.#update(n, cellOf(this.state, n));
        else if (isSetOther && this.#inside.has(n)) this.#update(n, outside);
      }
    }
    this.#changes = nodes.changes;
    this.#described = predicates.changes;
  }

  /** The tightest node for one of group `g`; -1: it fits on none. Nodes with `most` tasks of the service or more (`own`) are passed by. */
  find(g: number, own: Int32Array | undefined, most: number): number {
    const found = this.#search(g, own, most, looksPerCell);
    // A node that fits may be behind eight that do not, in the cells that are as large as the request.
    return found >= 0 || !this.#isCutShort ? found : this.#search(g, own, most, Infinity);
  }

  #search(g: number, own: Int32Array | undefined, most: number, looks: number): number {
    const { groups, requests } = this.state;
    const row = levelOf(groups.cpuOf(g)), column = levelOf(groups.memoryOf(g) * (1 / mib));
    const count = groups.gpuCountOf(g), dimensions = groups.dimensionsOf(g);
    const first = count === 0 ? 0 : requests.isWholeGpus(groups.request[g]!) ? wholeLayer + count : 1 + ((requests.gpuMillis[groups.request[g]!]! * 8) / wholeGpu | 0);
    const layers = this.#layers;
    this.#best = outside;
    this.#bestCost = Infinity;
    this.#isCutShort = false;
    this.#asksMore = count > 0 || dimensions > memory + 1;
    const isGeneric = dimensions > pids + 1;
    for (let at = first; at < gpuLayers && at < layers.length && this.#best < 0; at++) {
      const plain = layers[at], generic = layers[gpuLayers + at];
      if (!isGeneric && plain !== undefined && plain.nodes > 0) this.#searchLayer(plain, g, row, column, own, most, looks);
      if (this.#best < 0 && generic !== undefined && generic.nodes > 0) this.#searchLayer(generic, g, row, column, own, most, looks);
    }
    return this.#best;
  }

  #searchLayer(layer: Layer, g: number, fromRow: number, fromColumn: number, own: Int32Array | undefined, most: number, looks: number): void {
    const { state } = this;
    const { blocks, filled } = layer;
    const cpuCost = this.#cpuCost, memoryCost = this.#memoryCost, rows = this.#rows, heads = this.#heads, cpuWeight = this.#cpuWeight, memoryWeight = this.#memoryWeight;
    const freeCpu = state.nodes.free[cpu]!, freeMemory = state.nodes.free[memory]!;
    const fromOctave = fromRow >>> 3, fromBlock = fromColumn >>> 3, leastMemory = memoryCost[fromColumn]!;
    // Cells of the first blocks that are too small: rows before fromRow, columns before fromColumn.
    const lowRows = (fromRow & 7) < 4 ? -1 << ((fromRow & 3) << 3) : 0, highRows = (fromRow & 7) < 4 ? -1 : -1 << ((fromRow & 3) << 3);
    const largeColumns = Math.imul((0xff << (fromColumn & 7)) & 0xff, 0x01010101);
    // Nearly every request is about these two; the rest is asked where there is any. Who asks for nothing fits where less than nothing is left.
    const neededCpu = state.groups.cpuOf(g) || -Infinity, neededMemory = state.groups.memoryOf(g) || -Infinity, asksMore = this.#asksMore;
    const closeEnough = this.closeEnough;
    let best = this.#best, bestCost = this.#bestCost, enough = bestCost * closeEnough;
    for (let ofLayer = layer.filledOctaves & (-1 << fromOctave); ofLayer !== 0; ofLayer &= ofLayer - 1) {
      const octave = 31 - Math.clz32(ofLayer & -ofLayer), isFirst = octave === fromOctave;
      const leastCpu = cpuCost[isFirst ? fromRow : octave << 3]!;
      if (leastCpu + leastMemory >= enough) break;
      for (let ofOctave = filled[octave]! & (-1 << fromBlock); ofOctave !== 0; ofOctave &= ofOctave - 1) {
        const block = 31 - Math.clz32(ofOctave & -ofOctave);
        if (leastCpu + memoryCost[block << 3]! >= enough) break;
        const at = (octave * octaves + block) * blockWords;
        let cells = blocks[at + low]!, later = blocks[at + high]!;
        if (isFirst) { cells &= lowRows; later &= highRows; }
        if (block === fromBlock) { cells &= largeColumns; later &= largeColumns; }
        let first = blocks[at + headsAt]!, row = octave << 3;
        if (cells === 0) { cells = later; later = 0; first += 32; row += 4; }
        while (cells !== 0) {
          const cell = 31 - Math.clz32(cells & -cells);
          cells &= cells - 1;
          const least = cpuCost[row + (cell >>> 3)]! + memoryCost[(block << 3) + (cell & 7)]!;
          if (least < enough) {
            let left = looks;
            for (let n = heads[first + cell]!; n !== outside; n = rows[n * rowWords + nextAt]!) {
              if (left-- <= 0) { this.#isCutShort = true; break; }
              const nodeCpu = freeCpu[n]!, nodeMemory = freeMemory[n]!;
              const cost = nodeCpu * cpuWeight + nodeMemory * memoryWeight;
              if (cost > bestCost || (cost === bestCost && n > best) || nodeCpu < neededCpu || nodeMemory < neededMemory
                || (own !== undefined && own[n]! >= most) || (asksMore && !state.fits(n, state.groups.request[g]!))) continue;
              best = n;
              bestCost = cost;
              enough = cost * closeEnough;
              if (least >= enough) break;
            }
          }
          if (cells === 0) { cells = later; later = 0; first += 32; row += 4; }
        }
      }
    }
    this.#best = best;
    this.#bestCost = bestCost;
  }

  #build(): void {
    const { nodes, predicates } = this.state, eligible = predicates.eligible[this.eligibility]!;
    this.#capacity = nodes.capacity;
    this.#rows = new Int32Array(this.#capacity * rowWords).fill(outside);
    this.#layers.length = 0;
    this.#blocksUsed = 0;
    this.#inside.grow(this.#capacity);
    this.#inside.words.fill(0);
    // Downwards, so that lists begin with the first node.
    for (let n = nodes.size - 1; n >= 0; n--) if (eligible.has(n)) this.#update(n, cellOf(this.state, n));
  }

  #update(n: number, cell: number): void {
    const at = n * rowWords + cellAt, before = this.#rows[at]!;
    if (cell === before) return;
    this.#rows[at] = cell;
    if (before !== outside) this.#unlink(n, before);
    else this.#inside.set(n, true);
    if (cell !== outside) this.#link(n, cell);
    else this.#inside.set(n, false);
  }

  #link(n: number, cell: number): void {
    const column = cell & 255, row = (cell >>> 8) & 255, at = cell >>> 16;
    while (this.#layers.length <= at) this.#layers.push(undefined);
    const layer = this.#layers[at] ??= new Layer(), { blocks } = layer;
    const octave = row >>> 3, block = (octave * octaves + (column >>> 3)) * blockWords, half = block + ((row & 4) === 0 ? low : high), bit = ((row & 3) << 3) | (column & 7);
    // 0: never had any; the first 64 heads are nobody's.
    if (blocks[block + headsAt] === 0) blocks[block + headsAt] = this.#newHeads();
    const head = blocks[block + headsAt]! + ((row & 4) << 3) + bit, rows = this.#rows, next = this.#heads[head]!;
    layer.nodes++;
    rows[n * rowWords + nextAt] = next;
    rows[n * rowWords + previousAt] = outside - head;
    this.#heads[head] = n;
    if (next !== outside) { rows[next * rowWords + previousAt] = n; return; }
    blocks[half]! |= 1 << bit;
    layer.filled[octave]! |= 1 << (column >>> 3);
    layer.filledOctaves |= 1 << octave;
  }

  #unlink(n: number, cell: number): void {
    const rows = this.#rows, layer = this.#layers[cell >>> 16]!;
    const next = rows[n * rowWords + nextAt]!, previous = rows[n * rowWords + previousAt]!;
    layer.nodes--;
    if (next !== outside) rows[next * rowWords + previousAt] = previous;
    if (previous >= 0) { rows[previous * rowWords + nextAt] = next; return; }
    this.#heads[outside - previous] = next;
    if (next !== outside) return;
    const { blocks } = layer;
    const column = cell & 255, row = (cell >>> 8) & 255;
    const octave = row >>> 3, block = (octave * octaves + (column >>> 3)) * blockWords, half = block + ((row & 4) === 0 ? low : high), bit = ((row & 3) << 3) | (column & 7);
    blocks[half]! &= ~(1 << bit);
    if ((blocks[block + low]! | blocks[block + high]!) !== 0) return;
    if ((layer.filled[octave]! &= ~(1 << (column >>> 3))) === 0) layer.filledOctaves &= ~(1 << octave);
  }

  /** Where the empty lists of one more block begin. */
  #newHeads(): number {
    const start = ++this.#blocksUsed * cellsPerBlock;
    if (this.#heads.length < start + cellsPerBlock) {
      const larger = new Int32Array(2 * (start + cellsPerBlock));
      larger.set(this.#heads);
      this.#heads = larger;
    }
    this.#heads.fill(outside, start, start + cellsPerBlock);
    return start;
  }
}

function cellOf({ nodes, dimensions }: ClusterState, n: number): number {
  let layer = 0;
  // The first column is small enough to be in a cache, and says no of most nodes.
  if (nodes.gpuCount[n]! > 0 && nodes.gpuFreeMillis[n]! > 0) layer = nodes.gpuWhole[n]! > 0 ? wholeLayer + nodes.gpuWhole[n]! : 1 + ((nodes.gpuLargest[n]! * 8) / wholeGpu | 0);
  for (let d = pids + 1; d < dimensions.names.length; d++) if (nodes.total[d]![n]! > 0) { layer += gpuLayers; break; }
  return (layer << 16) | (levelOf(nodes.free[cpu]![n]!) << 8) | levelOf(nodes.free[memory]![n]! * (1 / mib));
}
