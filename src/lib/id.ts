/** 25 lower-case base-36 characters from at least 128 random bits, as Swarm's ids look. `bytes` are random, 17 of them. */
export function idFromBytes(bytes: Uint8Array): string {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value.toString(36).padStart(25, "0").slice(-25);
}
