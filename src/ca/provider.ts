import { KeyObject, createPrivateKey, createPublicKey, webcrypto } from "node:crypto";

let loaded: Promise<typeof import("@peculiar/x509")> | undefined;

/** Loaded at first use: it takes 100 ms, and whoever only checks certificates, or just runs swarmctl, needs none of it. */
export function loadX509(): Promise<typeof import("@peculiar/x509")> {
  return loaded ??= (async () => {
    // Before x509, whose dependency tsyringe refuses to load without it.
    await import("reflect-metadata");
    const x509 = await import("@peculiar/x509");
    x509.cryptoProvider.set(webcrypto);
    return x509;
  })();
}

/** P-256: signed in 30 µs, verified in 80 µs, accepted by every TLS 1.3 stack. */
export const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

export type CryptoKey = webcrypto.CryptoKey;
export type KeyPair = webcrypto.CryptoKeyPair;

export async function newKeyPair(): Promise<KeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
}

export const keyToPem = (key: CryptoKey): string => KeyObject.from(key).export({ type: "pkcs8", format: "pem" }) as string;

/** Both halves of a private key in PEM. */
export async function keyPairFromPem(pem: string): Promise<KeyPair> {
  const privateKey = createPrivateKey(pem);
  const pkcs8 = privateKey.export({ type: "pkcs8", format: "der" });
  const spki = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  return {
    privateKey: await webcrypto.subtle.importKey("pkcs8", pkcs8, algorithm, true, ["sign"]),
    publicKey: await webcrypto.subtle.importKey("spki", spki, algorithm, true, ["verify"]),
  };
}
