import type { FlagSpec } from "./command.js";

// Long tables of flags read better as calls.

export const text = (name: string, value: string, help: string, short?: string): FlagSpec => ({ name, kind: "text", value, help, short });
export const list = (name: string, value: string, help: string, short?: string): FlagSpec => ({ name, kind: "list", value, help, short });
export const flag = (name: string, help: string, short?: string): FlagSpec => ({ name, kind: "switch", help, short });
export const inGroup = (group: string, flags: readonly Omit<FlagSpec, "group">[]): FlagSpec[] => flags.map((each) => ({ ...each, group }));

/** Of a container on this host as of a service's. */
export const healthFlags: readonly FlagSpec[] = inGroup("Health", [
  text("health-cmd", "COMMAND", "Shell line that succeeds while the container is healthy"),
  text("health-interval", "DURATION", "Time between two checks (default 30s)"),
  text("health-timeout", "DURATION", "Time after which a check has failed (default 30s)"),
  text("health-retries", "N", "Failures in a row that make it unhealthy (default 3)"),
  text("health-start-period", "DURATION", "Failures in this time after the start do not count (default 0)"),
  text("health-start-interval", "DURATION", "Time between two checks during the start period (default 5s)"),
  flag("no-healthcheck", "No check, not even the image's"),
]);
