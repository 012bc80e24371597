import { startCoalescingLoop, type Clock, type Logger } from "../../lib/index.js";
import type { AutoRebalance, Node } from "../../model/index.js";
import type { Store } from "../../store/index.js";
import type { Rebalancer } from "./rebalancer.js";

/** Nodes that come together (a rack after a power cut) are one occasion. */
export const settleMs = 30_000;
/** Tasks that end leave holes too: looked at this often without any occasion. */
export const periodMs = 15 * 60_000;
const hourMs = 60 * 60_000;
export const defaultMovesPerHour = 60;

export interface AutoRebalancePorts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  readonly rebalancer: Pick<Rebalancer, "run">;
}

/**
 * Moves tasks without being asked, where the cluster's settings say so (auto_rebalance): after a node has become ready, and now and then, by the
 * cluster's own strategy, at most so many in an hour. What was moved in the last hour is this leader's memory: a new leader begins with a whole budget.
 */
export function startAutoRebalance({ store, clock, log, random, rebalancer }: AutoRebalancePorts): { stop(): Promise<void> } {
  const movedAtMs: number[] = [];
  let dueAtMs = clock.now() + periodMs;
  const loop = startCoalescingLoop({ name: "auto-rebalance", clock, random, log, run });
  const settings = (): AutoRebalance | undefined => store.view((tx) => tx.list("cluster")[0]?.spec?.autoRebalance ?? undefined);

  const unwatch = store.watch(({ changes }) => {
    for (const change of changes) {
      const isOccasion = (change.table === "node" && change.kind !== "removed" && takesTasks(change.object) && !(change.previous && takesTasks(change.previous)))
        || (change.table === "cluster" && change.object.spec?.autoRebalance?.isOn && !change.previous?.spec?.autoRebalance?.isOn);
      if (!isOccasion) continue;
      dueAtMs = Math.min(dueAtMs, clock.now() + settleMs);
      loop.wakeAt(dueAtMs);
    }
  });
  loop.wakeAt(dueAtMs);

  async function run(): Promise<void> {
    const nowMs = clock.now();
    if (nowMs < dueAtMs) return loop.wakeAt(dueAtMs);
    dueAtMs = nowMs + periodMs;
    const wish = settings();
    if (wish?.isOn) {
      while (movedAtMs.length > 0 && movedAtMs[0]! <= nowMs - hourMs) movedAtMs.shift();
      const budget = (wish.movesPerHour || defaultMovesPerHour) - movedAtMs.length;
      if (budget > 0) {
        const { moves } = await rebalancer.run({ strategy: undefined, nodeId: "", maxMoves: budget, isApplied: true });
        for (const _ of moves) movedAtMs.push(nowMs);
        if (moves.length > 0) log.info("rebalanced without being asked", { moves: moves.length, leftThisHour: budget - moves.length });
      } else dueAtMs = Math.min(dueAtMs, movedAtMs[0]! + hourMs);
    }
    loop.wakeAt(dueAtMs);
  }

  return {
    async stop() {
      unwatch();
      await loop.stop();
    },
  };
}

const takesTasks = ({ status, spec }: Node): boolean => status?.state === "READY" && spec?.availability === "ACTIVE";
