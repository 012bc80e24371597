import { SwarmError } from "../../lib/index.js";
import type { ContainerConfig } from "../api/index.js";

const known = ["core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack"];
const unlimited = (1n << 64n) - 1n;

/** process.rlimits of the OCI spec; -1 is unlimited. */
export function ociRlimits(ulimits: ContainerConfig["ulimits"]): { type: string; soft: number | bigint; hard: number | bigint }[] {
  return (ulimits ?? []).map(({ name, soft, hard }) => {
    const refuse = (why: string): never => { throw new SwarmError("INVALID_ARGUMENT", `ulimit "${name.slice(0, 50)}" is not valid: ${why}`); };
    if (!known.includes(name)) refuse(`use one of ${known.join(", ")}`);
    if (!Number.isInteger(soft) || !Number.isInteger(hard) || soft < -1 || hard < -1) refuse(`${soft}:${hard} are not whole numbers from -1, which is unlimited`);
    if (hard !== -1 && (soft === -1 || soft > hard)) refuse(`the soft limit ${soft} is above the hard one, ${hard}; give at most that`);
    const value = (n: number) => (n === -1 ? unlimited : n);
    return { type: `RLIMIT_${name.toUpperCase()}`, soft: value(soft), hard: value(hard) };
  });
}
