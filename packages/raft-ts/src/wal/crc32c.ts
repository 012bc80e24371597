// CRC-32C (Castagnoli, RFC 3720 appendix B.4), eight bytes at a time ("slicing by 8"): every byte of the log passes here.

const tables: readonly Int32Array[] = (() => {
  const first = new Int32Array(256);
  for (let n = 0; n < 256; n++) {
    let crc = n;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    first[n] = crc;
  }
  const all = [first];
  for (let t = 1; t < 8; t++) {
    const previous = all[t - 1]!;
    all.push(previous.map((crc) => first[crc & 0xff]! ^ (crc >>> 8)));
  }
  return all;
})();

/** The checksum of `bytes`, continued from `seed` (the checksum of what comes before; 0 to begin). An unsigned 32-bit number. */
export function crc32c(bytes: Uint8Array, seed = 0, start = 0, end = bytes.length): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array];
  let crc = ~seed;
  let i = start;
  for (const last = end - 8; i <= last; i += 8) {
    const low = crc ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
    crc = t7[low & 0xff]! ^ t6[(low >>> 8) & 0xff]! ^ t5[(low >>> 16) & 0xff]! ^ t4[low >>> 24]!
      ^ t3[bytes[i + 4]!]! ^ t2[bytes[i + 5]!]! ^ t1[bytes[i + 6]!]! ^ t0[bytes[i + 7]!]!;
  }
  for (; i < end; i++) crc = t0[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
