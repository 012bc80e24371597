import { isRunning, type Place } from "./places.js";

/** The lowest free slots, as many as are missing. */
export function missingSlots(places: readonly Place[], replicas: number, max: number): number[] {
  const taken = new Set(places.map((place) => place.slot));
  const missing: number[] = [];
  for (let slot = 1; taken.size + missing.length < replicas && missing.length < max; slot++) {
    if (!taken.has(slot)) missing.push(slot);
  }
  return missing;
}

/**
 * Which slots go when there are more than `replicas`: first those with no task on a node, then those on the node with most copies (so
 * that what stays is balanced), then those not running, then the highest slot.
 */
export function surplusPlaces(places: readonly Place[], replicas: number): Place[] {
  if (places.length <= replicas) return [];
  const isUp = (place: Place) => place.wanted.some(isRunning);
  const stayFirst = [...places].sort((a, b) => Number(isUp(b)) - Number(isUp(a)) || a.slot - b.slot);
  const copies = new Map<string, number>();
  const ranked = stayFirst.map((place) => {
    const nodeId = place.wanted[0]?.nodeId ?? "";
    if (nodeId === "") return { place, nth: Infinity };
    const nth = (copies.get(nodeId) ?? 0) + 1;
    copies.set(nodeId, nth);
    return { place, nth };
  });
  // A stable sort: within the same count of copies, running and low slots stay.
  return ranked.sort((a, b) => (a.nth === b.nth ? 0 : a.nth - b.nth)).slice(replicas).map(({ place }) => place);
}
