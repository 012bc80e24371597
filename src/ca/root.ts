import { X509Certificate, createHash, randomBytes } from "node:crypto";
import { SwarmError } from "../lib/index.js";
import { algorithm, keyToPem, loadX509, newKeyPair } from "./provider.js";

export interface Root {
  readonly certificatePem: string;
  readonly keyPem: string;
  /** Lower-case hex sha256 of the DER certificate: what a join token carries. */
  readonly digest: string;
}

const twentyYearsMs = 20 * 365 * 24 * 3_600_000;

/** A cluster's self-signed root: it signs nodes and nothing below them (path length 0). */
export async function createRootCa(options: { clusterId: string; now: number }): Promise<Root> {
  const x509 = await loadX509();
  const keys = await newKeyPair();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: ["skein-ca"] }, { O: [options.clusterId] }],
    notBefore: new Date(options.now - 3_600_000),
    notAfter: new Date(options.now + twentyYearsMs),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const certificatePem = `${certificate.toString("pem")}\n`;
  return { certificatePem, keyPem: keyToPem(keys.privateKey), digest: digestOf(certificatePem) };
}

/** Lower-case hex sha256 of the certificate's DER form. */
export function digestOf(certificatePem: string): string {
  return createHash("sha256").update(parseCertificate(certificatePem).raw).digest("hex");
}

/** Refuses a root certificate that is not the one the token names: whoever answered is not the cluster that issued the token. */
export function verifyRootDigest(certificatePem: string, digest: string): void {
  const actual = digestOf(certificatePem);
  if (actual !== digest) {
    throw new SwarmError("PERMISSION_DENIED", `Cannot trust the manager: its CA has digest ${actual.slice(0, 12)}, the join token names ${digest.slice(0, 12)}; check the address, or ask that cluster for a token with "swarmctl join-token worker"`);
  }
}

export function parseCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new SwarmError("INVALID_ARGUMENT", `Cannot read a certificate: ${(error as Error).message}`, { cause: error });
  }
}

/** 127 random bits, positive in DER. */
export function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x01;
  return bytes.toString("hex");
}
