import type { Packing } from "./packing.js";
import { nowhere } from "./problem.js";

/**
 * Evens out: first services (no node has two tasks more of one than another that would take one), then load (the larger share reserved of two nodes
 * gets smaller with every move). Each time the fullest node gives to the emptiest that takes. Returns whether the work ran out.
 */
export function spread(packing: Packing, maxMoves: number, maxWork: number): boolean {
  const share = Float64Array.from({ length: packing.problem.nodes.count }, (_, n) => shareOf(packing, n, nowhere, 0));
  return spreadServices(packing, share, maxMoves, maxWork) || spreadLoad(packing, share, maxMoves, maxWork);
}

function spreadServices(packing: Packing, share: Float64Array, maxMoves: number, maxWork: number): boolean {
  const { tasks, nodes, serviceLimit } = packing.problem, tasksOf: number[][] = Array.from({ length: serviceLimit.length }, () => []);
  for (let t = 0; t < tasks.count; t++) if (packing.nodeOf[t] !== nowhere) tasksOf[tasks.service[t]!]!.push(t);
  const counts = new Int32Array(nodes.count);
  for (let service = 0; service < tasksOf.length; service++) {
    const members = tasksOf[service]!;
    for (const t of members) counts[packing.nodeOf[t]!]!++;
    // From the node with the most. A task that cannot go to any node with two fewer is done with; the others get theirs again while that helps.
    const ofMost = members.filter((t) => tasks.movable[t] === 1);
    for (let moved = true; moved; ) {
      moved = false;
      ofMost.sort((a, b) => counts[packing.nodeOf[b]!]! - counts[packing.nodeOf[a]!]! || a - b);
      for (const t of ofMost) {
        if (!packing.canMove(t)) continue;
        const from = packing.nodeOf[t]!, before = counts[from]!;
        if (before < 2) break;
        if (packing.work > maxWork) return true;
        if (packing.moves >= maxMoves) return false;
        const to = leastOf(packing, t, counts, share, before - 2);
        if (to === nowhere) continue;
        packing.move(t, to, { kind: "evens-service", service, before, after: counts[to]! + 1 });
        counts[from]!--;
        counts[to]!++;
        for (const n of [from, to]) share[n] = shareOf(packing, n, nowhere, 0);
        moved = true;
      }
    }
    for (const t of members) counts[packing.nodeOf[t]!] = 0;
  }
  return false;
}

/** The node with the fewest tasks of the service (at most `most`), of these the emptiest, where `t` fits. */
function leastOf(packing: Packing, t: number, counts: Int32Array, share: Float64Array, most: number): number {
  const { nodes } = packing.problem;
  let best = nowhere, fewest = most, least = Infinity;
  packing.work += 2 * nodes.count;
  for (let n = 0; n < nodes.count; n++) {
    const count = counts[n]!;
    if (count > fewest || (count === fewest && share[n]! >= least) || !packing.fits(t, n)) continue;
    fewest = count;
    least = share[n]!;
    best = n;
  }
  return best;
}

/** A move must take this much off the larger of the two shares: what wins less is not worth a restart. */
const leastGain = 0.02;

function spreadLoad(packing: Packing, share: Float64Array, maxMoves: number, maxWork: number): boolean {
  const { nodes } = packing.problem, isDone = new Uint8Array(nodes.count);
  const emptiestFirst = Int32Array.from({ length: nodes.count }, (_, n) => n).filter((n) => nodes.receives[n] === 1).sort((a, b) => share[a]! - share[b]! || a - b);
  for (;;) {
    packing.work += nodes.count;
    if (packing.work > maxWork) return true;
    if (packing.moves >= maxMoves) return false;
    let from = nowhere;
    for (let n = 0; n < nodes.count; n++) if (isDone[n] === 0 && packing.tasksOn[n]! > 0 && (from === nowhere || share[n]! > share[from]!)) from = n;
    if (from === nowhere) return false;
    const chosen = bestPair(packing, from, share, emptiestFirst);
    if (chosen === undefined) { isDone[from] = 1; continue; }
    const { task, to, after } = chosen, before = share[from]!;
    packing.move(task, to, { kind: "evens-load", before, after });
    for (const n of [from, to]) { share[n] = shareOf(packing, n, nowhere, 0); isDone[n] = 0; reorder(emptiestFirst, share, n); }
  }
}

/** What of `from` goes to which of the emptiest nodes so that the larger share of the two becomes smallest. */
function bestPair(packing: Packing, from: number, share: Float64Array, emptiestFirst: Int32Array): { task: number; to: number; after: number } | undefined {
  const look = Math.min(64, emptiestFirst.length);
  let best: { task: number; to: number; after: number } | undefined, least = share[from]! - leastGain;
  for (let k = 0; k < look; k++) {
    const to = emptiestFirst[k]!;
    if (share[to]! >= least) break;
    if (to === from) continue;
    packing.work += packing.tasksOn[from]!;
    for (let t = packing.firstOn[from]!; t !== nowhere; t = packing.nextOn[t]!) {
      if (!packing.canMove(t)) continue;
      const after = Math.max(shareOf(packing, from, t, 1), shareOf(packing, to, t, -1));
      if (after >= least || !packing.fits(t, to) || !servicesStayEven(packing, t, from, to)) continue;
      least = after;
      best = { task: t, to, after };
    }
  }
  return best;
}

/** Load is not evened at the cost of a service: it must not become less even. */
function servicesStayEven(packing: Packing, t: number, from: number, to: number): boolean {
  const service = packing.problem.tasks.service[t]!;
  return packing.countOfService(to, service) < packing.countOfService(from, service);
}

/** The largest share reserved of any dimension of node `n`, with task `t` given back (sign 1) or taken (sign -1). */
function shareOf(packing: Packing, n: number, t: number, sign: number): number {
  const { dimensions, nodes, requests, tasks } = packing.problem;
  let most = 0;
  for (let d = 0; d < dimensions; d++) {
    const total = nodes.total[n * dimensions + d]!;
    if (total <= 0) continue;
    const change = t === nowhere ? 0 : sign * requests.amounts[tasks.request[t]! * dimensions + d]!;
    most = Math.max(most, 1 - (packing.free[n * dimensions + d]! + change) / total);
  }
  const total = nodes.gpuCount[n]! * 1000;
  if (total > 0) {
    const r = t === nowhere ? nowhere : tasks.request[t]!, change = r === nowhere ? 0 : sign * requests.gpuCount[r]! * requests.gpuMillis[r]!;
    most = Math.max(most, 1 - (packing.gpuFree[n]! + change) / total);
  }
  return most;
}

/** Puts `n` where its share now belongs in the order. */
function reorder(emptiestFirst: Int32Array, share: Float64Array, n: number): void {
  let at = emptiestFirst.indexOf(n);
  if (at < 0) return;
  const comesBefore = (a: number, b: number) => share[a]! < share[b]! || (share[a] === share[b] && a < b);
  for (; at > 0 && comesBefore(n, emptiestFirst[at - 1]!); at--) emptiestFirst[at] = emptiestFirst[at - 1]!;
  for (; at < emptiestFirst.length - 1 && comesBefore(emptiestFirst[at + 1]!, n); at++) emptiestFirst[at] = emptiestFirst[at + 1]!;
  emptiestFirst[at] = n;
}
