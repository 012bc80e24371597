/** Addresses and subnets of both families as numbers. */
export type Family = 4 | 6;
export interface IpAddress { readonly family: Family; readonly value: bigint }
/** `base` has no host bits. */
export interface Subnet { readonly family: Family; readonly base: bigint; readonly prefix: number }

const bitsOf = (family: Family): number => (family === 4 ? 32 : 128);

export function parseIp(text: string): IpAddress | undefined {
  if (!text.includes(":")) {
    const parts = text.split(".");
    if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255)) return undefined;
    return { family: 4, value: parts.reduce((value, part) => (value << 8n) | BigInt(Number(part)), 0n) };
  }
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => groupsOf(half)) as [number[] | undefined, number[] | undefined];
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  const last = tail ?? [];
  const missing = 8 - head.length - last.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array<number>(missing).fill(0), ...last];
  return { family: 6, value: groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n) };
}

function groupsOf(half: string): number[] | undefined {
  if (half === "") return [];
  const groups: number[] = [];
  const parts = half.split(":");
  for (const [index, part] of parts.entries()) {
    const embedded = index === parts.length - 1 && part.includes(".") ? parseIp(part) : undefined;
    if (embedded) groups.push(Number(embedded.value >> 16n), Number(embedded.value & 0xffffn));
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(parseInt(part, 16));
    else return undefined;
  }
  return groups;
}

/** IPv6 as RFC 5952 has it: lower case, the longest run of zeros left out. */
export function formatIp({ family, value }: IpAddress): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join(".");
  const groups = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - i * 16)) & 0xffffn));
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && groups[at + length] === 0) length++;
    if (length > best.length) best = { at, length };
  }
  const hex = groups.map((group) => group.toString(16));
  return best.at < 0 ? hex.join(":") : `${hex.slice(0, best.at).join(":")}::${hex.slice(best.at + best.length).join(":")}`;
}

/** Host bits are cleared: "172.18.0.1/16" is 172.18.0.0/16. */
export function parseSubnet(text: string): Subnet | undefined {
  const [address, prefixText, ...rest] = text.split("/") as [string, string | undefined, ...string[]];
  const ip = parseIp(address);
  if (!ip || prefixText === undefined || rest.length > 0 || !/^\d{1,3}$/.test(prefixText) || Number(prefixText) > bitsOf(ip.family)) return undefined;
  const prefix = Number(prefixText);
  return { family: ip.family, base: ip.value & maskOf(ip.family, prefix), prefix };
}

const maskOf = (family: Family, prefix: number): bigint => { const bits = BigInt(bitsOf(family)); return ((1n << bits) - 1n) ^ ((1n << (bits - BigInt(prefix))) - 1n); };

export const formatSubnet = (subnet: Subnet): string => `${formatIp({ family: subnet.family, value: subnet.base })}/${subnet.prefix}`;
export const sizeOf = (subnet: Subnet): bigint => 1n << BigInt(bitsOf(subnet.family) - subnet.prefix);
export const contains = (subnet: Subnet, ip: IpAddress): boolean => ip.family === subnet.family && (ip.value & maskOf(subnet.family, subnet.prefix)) === subnet.base;
export const isWithin = (outer: Subnet, inner: Subnet): boolean => inner.prefix >= outer.prefix && contains(outer, { family: inner.family, value: inner.base });
export const overlaps = (a: Subnet, b: Subnet): boolean => isWithin(a, b) || isWithin(b, a);
export const addressAt = (subnet: Subnet, offset: bigint): IpAddress => ({ family: subnet.family, value: subnet.base + offset });

/** Locally administered, and a function of the address, so that neighbours' caches stay right when an address is given out again. */
export function macOf({ family, value }: IpAddress): string {
  const low = value & 0xffffffffn;
  const bytes = [2, family === 4 ? 0x42 : 0x46, ...[24n, 16n, 8n, 0n].map((shift) => Number((low >> shift) & 255n))];
  return bytes.map((part) => part.toString(16).padStart(2, "0")).join(":");
}

export const isMac = (text: string): boolean => /^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text) && (parseInt(text.slice(0, 2), 16) & 1) === 0 && !/^00([:-]00){5}$/.test(text);
