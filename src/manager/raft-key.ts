import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Sealer } from "raft-ts";
import { SwarmError } from "../lib/index.js";

/**
 * What raft keeps on disk holds the CA's key and every spec: it is encrypted with AES-256-GCM under a key of this manager alone, so that
 * a copied log or snapshot tells nothing. Layout of a sealed record: version 1, nonce (12), ciphertext, tag (16).
 */
export async function openSealer(path: string, { isNew = true } = {}): Promise<Sealer> {
  const key = await readOrCreateKey(path, isNew);
  return {
    seal(plain) {
      // A random nonce is safe for 2^32 records under one key (NIST SP 800-38D, 8.3): a manager writes so many in decades.
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", key, nonce);
      return Buffer.concat([Uint8Array.of(1), nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    },
    open(sealed) {
      if (sealed.byteLength < 29 || sealed[0] !== 1) throw new SwarmError("DATA_LOSS", "Cannot read the raft log: a record is malformed");
      const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(1, 13));
      decipher.setAuthTag(sealed.subarray(-16));
      try {
        return Buffer.concat([decipher.update(sealed.subarray(13, -16)), decipher.final()]);
      } catch (error) {
        throw new SwarmError("DATA_LOSS", `Cannot read the raft log: a record was altered, or "${path}" is not the key that it was written with`, { cause: error });
      }
    },
  };
}

/** `isNew`: nothing was sealed yet. A new key beside an old log would look like the right one to whoever comes to repair it. */
async function readOrCreateKey(path: string, isNew: boolean): Promise<Buffer> {
  try {
    const key = await readFile(path);
    if (key.byteLength !== 32) throw new SwarmError("DATA_LOSS", `Cannot read the raft log: "${path}" is damaged; remove this manager from the cluster and join again`);
    return key;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  if (!isNew) throw new SwarmError("DATA_LOSS", `Cannot read the raft log: its key "${path}" is missing; restore that file, or remove this manager from the cluster and join again`);
  const key = randomBytes(32);
  await writeDurably(path, key);
  return key;
}

/** Readable by root only; after this returns it survives a power cut. */
export async function writeDurably(path: string, content: string | Uint8Array): Promise<void> {
  const directory = dirname(path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const temporary = join(directory, `.${process.pid}.new`);
  const file = await open(temporary, "w", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally { await file.close(); }
  await rename(temporary, path);
  const handle = await open(directory);
  try { await handle.sync(); } finally { await handle.close(); }
}
