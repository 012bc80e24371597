import type { Toleration } from "../../../model/index.js";
import { filters } from "../filters/index.js";
import { hasPlaceRules, leavesVolumesAsTheyAre, nowhere, prefersOthers, type ClusterState, type Predicate } from "../state/index.js";
import { ExactPlacement, type Demand, type RankedNode } from "./exact-placement.js";
import { OwnCounts } from "./own-counts.js";
import { Packer } from "./packer.js";
import { Spreader } from "./spreader.js";
import { StrategyScores, strategyOf, type Strategy } from "./strategy.js";

export interface PlacerOptions {
  readonly defaultStrategy: Strategy;
  readonly nowMs: () => number;
  /**
   * Clusters of at most so many nodes are looked at node by node for every decision, default 256: it takes less time than a user could notice (20 µs), and every term
   * of the score counts, image locality too.
   */
  readonly smallCluster?: number;
}

/**
 * Puts waiting tasks on nodes of `state`, and says where one would go and why. Changes nothing else; who wants to look only undoes it (state.unplace) or
 * asks a copy. Ties go to the node that joined first: the same state gives the same result.
 */
export class Placer {
  defaultStrategy: Strategy;
  readonly #scores: StrategyScores;
  readonly #spreader: Spreader;
  readonly #packer: Packer;
  /** By eligibility class: the same without soft taints. */
  readonly #untainted: (number | undefined)[] = [];

  constructor(readonly state: ClusterState, private readonly options: PlacerOptions) {
    this.defaultStrategy = options.defaultStrategy;
    this.#scores = new StrategyScores(state);
    const own = new OwnCounts(state);
    this.#spreader = new Spreader(state, own);
    this.#packer = new Packer(state, own, this.#scores);
  }

  /**
   * Places tasks of one group, in their order, each on the best node that there is then: tasks[0] to tasks[k - 1], k being what it returns. Where k is below
   * `limit` (or their number), the next one fits nowhere as things are.
   */
  place(g: number, tasks: ArrayLike<number>, limit = tasks.length): number {
    const wanted = Math.min(limit, tasks.length);
    if (wanted === 0) return 0;
    // Asked here, where its group is asked for too: neither is in a cache, and both are waited for at once. It is what is written last.
    if (this.state.tasks.nodeOf(tasks[0]!) !== nowhere) throw new Error(`task ${this.state.tasks.ids[tasks[0]!]} has a node`);
    if (!this.#isSmall && this.#isPlain(g)) {
      const placed = this.#placePlain(g, tasks, wanted);
      if (placed !== undefined) return placed;
    }
    if (this.state.groups.rules[g]!.volumes.length > 0) return this.#placeWithVolumes(g, tasks, wanted);
    return new ExactPlacement(this.#demand(g)).prepared().place(tasks, wanted);
  }

  /** Whether every node is looked at for a call of `place`, however few tasks it is for. */
  looksAtAll(g: number): boolean { return this.#isSmall || !this.#isPlain(g) || strategyOf(this.state, g, this.defaultStrategy) === "BALANCED"; }

  get #isSmall(): boolean { return this.state.nodes.size <= (this.options.smallCluster ?? 256); }

  /** One by one while what a task takes of its volumes keeps the next one from other nodes; once it does not, all that are left. */
  #placeWithVolumes(g: number, tasks: ArrayLike<number>, wanted: number): number {
    const rows = Array.from(tasks).slice(0, wanted);
    let placed = 0;
    while (placed < wanted) {
      const isLast = leavesVolumesAsTheyAre(this.state, g);
      const count = new ExactPlacement(this.#demand(g)).prepared().place(rows.slice(placed, isLast ? wanted : placed + 1), isLast ? wanted - placed : 1);
      placed += count;
      if (isLast || count === 0) break;
    }
    return placed;
  }

  #placePlain(g: number, tasks: ArrayLike<number>, wanted: number): number | undefined {
    const { state } = this;
    const strategy = strategyOf(state, g, this.defaultStrategy);
    const chooser = strategy === "SPREAD" ? this.#spreader : strategy === "PACK" ? this.#packer : undefined;
    if (!chooser) return undefined;
    // Who spreads counts tasks: what CPU and memory are worth, which takes a look at all nodes, is not asked.
    if (chooser === this.#packer && this.#scores.refreshScale()) this.#packer.scaleChanged();
    const eligibility = state.groups.eligibilityOf(g);
    if (state.softTaintedCount === 0) return chooser.place(g, tasks, wanted, eligibility);
    // Nodes that had rather not have the tasks come after all others.
    const placed = chooser.place(g, tasks, wanted, this.#withoutSoftTaints(eligibility, state.groups.rules[g]!.tolerations));
    if (placed === undefined || placed === wanted) return placed;
    const left = Array.from(tasks).slice(placed, wanted);
    return placed + (chooser.place(g, left, left.length, eligibility) ?? new ExactPlacement(this.#demand(g)).prepared().place(left, left.length));
  }

  /** The class of those nodes of class `eligibility` that have no objection. */
  #withoutSoftTaints(eligibility: number, tolerations: readonly Toleration[]): number {
    const known = tolerations.length === 0 ? this.#untainted[eligibility] : undefined;
    if (known !== undefined) return known;
    const { predicates, nodeObjects } = this.state;
    const objects = prefersOthers(tolerations);
    const accepts: Predicate = { ...objects, filter: "no-soft-taint", test: (node) => !objects.test(node) };
    const found = predicates.classOf([...Array.from(predicates.classes[eligibility]!, (p) => predicates.predicates[p]!), accepts], nodeObjects);
    if (tolerations.length === 0) this.#untainted[eligibility] = found;
    return found;
  }

  /** For a task that names its node. False: something refuses it there (the filters and predicates say what). */
  placeOn(t: number, n: number): boolean {
    if (!this.canFit(this.state.tasks.groupOf(t), n)) return false;
    this.state.place(t, n);
    return true;
  }

  canFit(g: number, n: number): boolean { return this.roomOn(g, n) > 0; }

  /** How many more tasks of `g` node `n` takes, all filters asked. */
  roomOn(g: number, n: number): number {
    const { state } = this;
    if (!state.isEligible(n, state.groups.request[g]!)) return 0;
    let room = Infinity;
    for (const filter of filters) if (room > 0 && filter.concerns(state, g)) room = Math.min(room, filter.room(state, g, n));
    return room;
  }

  /** Nodes that could take the next task of `g`, best first, with the terms of their scores; and (last) node `including` where it is further down. */
  rank(g: number, limit: number, including?: number): RankedNode[] {
    const steps = this.rankSteps(g, limit, including);
    for (;;) {
      const step = steps.next();
      if (step.done) return step.value;
    }
  }

  /** The same in steps of less than a millisecond: 100,000 nodes take 50. The state must not change meanwhile. */
  *rankSteps(g: number, limit: number, including?: number): Generator<void, RankedNode[]> {
    const placement = new ExactPlacement(this.#demand(g));
    yield* placement.prepareSteps();
    return yield* placement.rankSteps(limit, including);
  }

  /** Whether nodes differ for the group only in what is free on them and in how many tasks they have: then indexes choose, without looking at every node. */
  #isPlain(g: number): boolean {
    const { state } = this;
    // Indexes are by reservations.
    if (state.isUsageAware) return false;
    return (state.groups.traitsOf(g) & hasPlaceRules) === 0
      && (state.failures.isEmpty || state.failures.nodesFailing(state.groups.keys[g]!, this.options.nowMs()).length === 0) && state.repellersOf(g).length === 0;
  }

  #demand(g: number): Demand {
    if (this.#scores.refresh()) this.#packer.scaleChanged();
    return { state: this.state, scores: this.#scores, filters, strategy: strategyOf(this.state, g, this.defaultStrategy), g, nowMs: this.options.nowMs() };
  }
}
