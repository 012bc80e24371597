/** IPv4 arithmetic on unsigned 32-bit numbers, and the MAC that follows from an address. */

export function parseIpv4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (!match) return undefined;
  const bytes = match.slice(1).map(Number);
  if (bytes.some((b) => b > 255)) return undefined;
  return ((bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!) >>> 0;
}

export const formatIpv4 = (ip: number): string => [ip >>> 24, (ip >>> 16) & 255, (ip >>> 8) & 255, ip & 255].join(".");

export interface Cidr { readonly base: number; readonly prefix: number }

/** `base` is the network address, host bits cleared. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf("/");
  const ip = parseIpv4(text.slice(0, slash));
  const prefix = Number(text.slice(slash + 1));
  if (slash < 0 || ip === undefined || !/^\d{1,2}$/.test(text.slice(slash + 1)) || prefix > 32) return undefined;
  return { base: (ip & maskOf(prefix)) >>> 0, prefix };
}

export const formatCidr = (cidr: Cidr): string => `${formatIpv4(cidr.base)}/${cidr.prefix}`;
export const maskOf = (prefix: number): number => (prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0);
export const sizeOf = (cidr: Cidr): number => 2 ** (32 - cidr.prefix);
export const contains = (cidr: Cidr, ip: number): boolean => ((ip & maskOf(cidr.prefix)) >>> 0) === cidr.base;
export const overlaps = (a: Cidr, b: Cidr): boolean => contains(a, b.base) || contains(b, a.base);

/** "10.0.1.5/24" → "10.0.1.5" */
export const addressOf = (withPrefix: string): string => withPrefix.split("/")[0]!;

/** Locally administered, and a function of the IPv4 address, so that it need not be stored or agreed upon: 02:42:0a:00:01:05. */
export function macOf(addr: string): string {
  const ip = parseIpv4(addressOf(addr));
  if (ip === undefined) throw new Error(`invariant broken: "${addr}" is an IPv4 address`);
  return ["02", "42", ...[ip >>> 24, (ip >>> 16) & 255, (ip >>> 8) & 255, ip & 255].map((b) => b.toString(16).padStart(2, "0"))].join(":");
}
