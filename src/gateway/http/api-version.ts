import { SwarmError } from "../../lib/index.js";

/** Versions of the Docker Engine API: all are 1.x, so the minor number says all. */
export const newestMinor = 51;
export const oldestMinor = 24;
export const versionText = (minor: number): string => `1.${minor}`;

/** "/v1.43/containers/json" → 43 and "/containers/json"; without a prefix the newest. */
export function splitVersion(path: string): { minor: number; rest: string } {
  const match = /^\/v(\d{1,4})\.(\d{1,4})(\/.*)$/.exec(path);
  if (!match) return { minor: newestMinor, rest: path };
  const [major, minor] = [Number(match[1]), Number(match[2])];
  const asked = `${match[1]}.${match[2]}`;
  if (major > 1 || (major === 1 && minor > newestMinor)) throw new SwarmError("INVALID_ARGUMENT", `client version ${asked} is too new. Maximum supported API version is ${versionText(newestMinor)}`);
  if (major < 1 || minor < oldestMinor) throw new SwarmError("INVALID_ARGUMENT", `client version ${asked} is too old. Minimum supported API version is ${versionText(oldestMinor)}, please upgrade your client to a newer version`);
  return { minor, rest: match[3]! };
}
