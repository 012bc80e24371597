import { nowhere, unlimited, type AffinityRule, type ClusterState } from "../state/index.js";
import type { Filter, Refusal } from "./filter.js";
import { tasksText } from "./max-per-node.js";
import { placeText, valueText } from "./places.js";
import { countAnywhere, countAround } from "./service-counts.js";

/**
 * Required affinity: only where a task of the other service is (of the own one: the first goes anywhere, the others to it). Required
 * anti-affinity: only where none is; it holds in both directions, so that a service that is kept away from is not put next to it later.
 */
export const affinityFilter: Filter = {
  name: "affinity",
  concerns: (state, g) => state.groups.rules[g]!.affinities.some(({ isRequired }) => isRequired) || state.repellersOf(g).length > 0,
  room(state, g, n) {
    let room = unlimited;
    for (const rule of state.groups.rules[g]!.affinities) if (rule.isRequired) room = Math.min(room, roomBy(state, g, rule, n));
    for (const { group, rule } of state.repellersOf(g)) if (countOfGroupAround(state, group, rule.key, n) > 0) room = 0;
    return room;
  },
  refusals(state, g, n) {
    const refusals: Refusal[] = [];
    for (const rule of state.groups.rules[g]!.affinities) {
      if (!rule.isRequired || roomBy(state, g, rule, n) > 0) continue;
      const who = isOwn(state, g, rule) ? "this service" : `service ${rule.serviceId}`;
      const place = placeText(state, rule.key, n);
      const s = state.services.rowOf(rule.serviceId);
      const where = { key: rule.key, value: valueText(state, rule.key, n) };
      refusals.push(rule.isAnti ? {
        filter: "affinity", cause: `away from ${who} by ${rule.key}`, detail: `keeps away from ${who}: ${place} has ${tasksText(s === undefined ? 0 : countAround(state, s, rule.key, n))} of it`,
        place: { ...where, words: (places) => `keeps away from ${who}: ${places} have tasks of it` },
      } : {
        filter: "affinity", cause: `near ${who} by ${rule.key}`, detail: `must be near ${who}: ${place} has no task of it`,
        place: { ...where, words: (places) => `must be near ${who}: ${places} have no task of it` },
      });
    }
    for (const { group, rule } of state.repellersOf(g)) {
      const count = countOfGroupAround(state, group, rule.key, n);
      if (count === 0) continue;
      const other = `service ${state.services.ids[state.groups.service[group]!]}`;
      refusals.push({
        filter: "affinity", cause: `away from ${other} by ${rule.key}`, detail: `${other} keeps away from this one: ${placeText(state, rule.key, n)} has ${tasksText(count)} of it`,
        place: { key: rule.key, value: valueText(state, rule.key, n), words: (places) => `${other} keeps away from this one: ${places} have tasks of it` },
      });
    }
    return refusals;
  },
};

export const isOwn = ({ services, groups }: ClusterState, g: number, rule: AffinityRule): boolean => services.ids[groups.service[g]!] === rule.serviceId;

function roomBy(state: ClusterState, g: number, rule: AffinityRule, n: number): number {
  const s = state.services.rowOf(rule.serviceId);
  const count = s === undefined ? 0 : countAround(state, s, rule.key, n);
  if (rule.isAnti) return count > 0 ? 0 : isOwn(state, g, rule) ? 1 : unlimited;
  return count > 0 || (isOwn(state, g, rule) && countAnywhere(state, s!) === 0) ? unlimited : 0;
}

/** Wanted tasks of one revision where node `n` is. */
export function countOfGroupAround(state: ClusterState, group: number, key: string, n: number): number {
  const { tasks, groups } = state;
  const values = key === "node.id" ? undefined : state.attribute(key).valueOf;
  let count = 0;
  for (let t = groups.firstOf(group); t !== nowhere; t = tasks.nextOfGroup(t)) {
    if (tasks.countOf(t) === 0) continue;
    const m = tasks.nodeOf(t);
    if (values === undefined ? m === n : values[m] === values[n]) count++;
  }
  return count;
}
