import { SwarmError } from "../../lib/index.js";

/** What a container has unless told otherwise: Docker's default set. */
const defaults = [
  "CAP_AUDIT_WRITE", "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_MKNOD", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW",
  "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
];

/** capability(7), in the order of their numbers. */
const all = [
  "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE",
  "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE",
  "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ",
  "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
];

/**
 * Docker's rules: "ALL" in add means all that `bounding` holds (a daemon cannot give what it lacks), then single drops;
 * "ALL" in drop means none but those added. `bounding` is this process's CapBnd.
 */
export function capabilitiesOf(add: readonly string[], drop: readonly string[], bounding: bigint): string[] {
  const normalize = (name: string): string => {
    const upper = name.toUpperCase();
    if (upper === "ALL") return upper;
    const full = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
    if (!all.includes(full)) throw new SwarmError("INVALID_ARGUMENT", `Capability "${name.slice(0, 50)}" is not known; did you mean ${nearest(full).slice(4)}? capability(7) lists them`);
    return full;
  };
  const added = add.map(normalize);
  const dropped = drop.map(normalize);
  const held = heldCapabilities(bounding);
  const base = added.includes("ALL") ? held : dropped.includes("ALL") ? [] : defaults;
  return [...new Set([...base, ...added])].filter((name) => name !== "ALL" && !dropped.includes(name));
}

/** All that `bounding` holds: a privileged container's. */
export const heldCapabilities = (bounding: bigint): string[] => all.filter((_, number) => (bounding >> BigInt(number)) & 1n);

/** The known name with most pairs of neighbouring letters in common (Dice's coefficient). */
function nearest(name: string): string {
  const pairsOf = (text: string) => new Set(Array.from({ length: Math.max(0, text.length - 1) }, (_, i) => text.slice(i, i + 2)));
  const mine = pairsOf(name.slice(0, 100));
  const likeness = (other: string): number => { const pairs = pairsOf(other); return (2 * [...pairs].filter((pair) => mine.has(pair)).length) / (pairs.size + mine.size); };
  return all.reduce((best, candidate) => (likeness(candidate) > likeness(best) ? candidate : best));
}

/** CapBnd of /proc/self/status. */
export function boundingSet(status: string): bigint {
  const hex = /^CapBnd:\s*([0-9a-f]+)/m.exec(status)?.[1];
  return hex ? BigInt(`0x${hex}`) : (1n << 41n) - 1n;
}
