export interface PruneEntry {
  readonly key: string;
  /** Several steps may have made one and the same. */
  readonly bytes: { readonly of: string; readonly count: number } | undefined;
  readonly lastUsedAtMs: number;
  /** By an image, or by a build that runs. */
  readonly isNeeded: boolean;
}

/** Which entries go: the longest unused first, until what is left fits. */
export function planPrune(entries: readonly PruneEntry[], options: { isAll?: boolean; untilMs?: number; keepBytes?: number }): { keys: string[]; freedBytes: number } {
  const sharers = new Map<string, number>();
  const size = new Map<string, number>();
  for (const { bytes } of entries) if (bytes) { sharers.set(bytes.of, (sharers.get(bytes.of) ?? 0) + 1); size.set(bytes.of, bytes.count); }
  let left = [...size.values()].reduce((sum, count) => sum + count, 0);
  const keys: string[] = [];
  let freedBytes = 0;
  for (const { key, bytes, lastUsedAtMs, isNeeded } of [...entries].sort((a, b) => a.lastUsedAtMs - b.lastUsedAtMs)) {
    if (options.keepBytes !== undefined && left <= options.keepBytes) break;
    if ((isNeeded && !options.isAll) || (options.untilMs !== undefined && lastUsedAtMs > options.untilMs)) continue;
    keys.push(key);
    if (!bytes) continue;
    const others = sharers.get(bytes.of)! - 1;
    sharers.set(bytes.of, others);
    if (others === 0) { left -= bytes.count; freedBytes += bytes.count; }
  }
  return { keys, freedBytes };
}
