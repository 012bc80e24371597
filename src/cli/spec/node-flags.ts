import type { FlagSpec } from "../command.js";

export const availabilities = { active: "ACTIVE", pause: "PAUSE", drain: "DRAIN" } as const;

export const nodeAddressFlags: readonly FlagSpec[] = [
  { name: "advertise-addr", kind: "text", value: "HOST[:PORT]", help: "Address at which the others reach this host (default: the default route's, port 2377)" },
  { name: "listen-addr", kind: "text", value: "HOST[:PORT]", help: "Address to listen on while it is a manager (default 0.0.0.0:2377)" },
  { name: "availability", kind: "text", value: "WHICH", help: "active (the default), pause (no new tasks) or drain (no tasks)" },
];
