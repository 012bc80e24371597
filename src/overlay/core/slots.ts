/**
 * Balancing by nftables: a map from (service, random slot) to a backend. A power of two of slots, at least four for each backend,
 * so that shares differ by a quarter at most, and three sizes only, because each size is a map and a rule of its own.
 */
export const slotSizes = [16, 64, 256] as const;
export type SlotSize = (typeof slotSizes)[number];

export const slotSizeFor = (backends: number): SlotSize => slotSizes.find((size) => size >= backends * 4) ?? 256;

/**
 * The backend of each slot, filled evenly. `seed` turns the wheel, so that over many clients the remainder, and beyond 256 backends
 * the choice of which take part, even out.
 */
export function fillSlots<T>(backends: readonly T[], size: SlotSize, seed: number): T[] {
  return Array.from({ length: size }, (_, slot) => backends[(slot + seed) % backends.length]!);
}
