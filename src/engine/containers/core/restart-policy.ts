export interface RestartRule { readonly name: "no" | "always" | "unless-stopped" | "on-failure"; readonly maximumRetries: number }

export interface EndedLife {
  readonly exitCode: number;
  readonly ranMs: number;
  readonly isStoppedByUser: boolean;
  /** Lives that the policy has given so far, and what it waited before the last. */
  readonly restartCount: number;
  readonly restartDelayMs: number;
}

const firstDelayMs = 100;
const longestDelayMs = 60_000;
/** A life of this length was no failure to start: the waiting begins anew. */
const steadyMs = 10_000;

/** After how long a container that has ended is started again (Docker's rules and back-off); undefined: it stays as it is. */
export function delayToRestart(rule: RestartRule | undefined, life: EndedLife): number | undefined {
  if (life.isStoppedByUser || !wantsRestart(rule, life)) return undefined;
  const before = life.ranMs >= steadyMs ? 0 : life.restartDelayMs;
  return before === 0 ? firstDelayMs : Math.min(before * 2, longestDelayMs);
}

/** Whether a daemon that comes up starts a container that it finds ended. What someone stopped stays so, but for "always". */
export function startsWithDaemon(rule: RestartRule | undefined, life: Pick<EndedLife, "exitCode" | "isStoppedByUser" | "restartCount">): boolean {
  if (life.isStoppedByUser) return rule?.name === "always";
  return wantsRestart(rule, life);
}

function wantsRestart(rule: RestartRule | undefined, life: Pick<EndedLife, "exitCode" | "restartCount">): boolean {
  switch (rule?.name) {
    case "always": case "unless-stopped": return true;
    case "on-failure": return life.exitCode !== 0 && (rule.maximumRetries === 0 || life.restartCount < rule.maximumRetries);
    case "no": case undefined: return false;
  }
}
