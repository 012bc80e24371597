import type { NodeRole } from "../model/index.js";
import { SwarmError } from "../lib/index.js";
import { algorithm, keyPairFromPem, keyToPem, loadX509, newKeyPair, type CryptoKey } from "./provider.js";
import { serialNumber } from "./root.js";

/** What a certificate says about a role: its organizational unit, and a DNS name that TLS clients can require. */
export const roleNames: Readonly<Record<NodeRole, string>> = { MANAGER: "swarm-manager", WORKER: "swarm-worker" };

/** A certificate request for a new key. Its subject means nothing: the CA decides every name. */
export async function createCsr(): Promise<{ csrPem: string; keyPem: string }> {
  const x509 = await loadX509();
  const keys = await newKeyPair();
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({ name: "CN=skein-node", keys, signingAlgorithm: algorithm });
  return { csrPem: `${csr.toString("pem")}\n`, keyPem: keyToPem(keys.privateKey) };
}

export interface SignOptions {
  readonly root: { readonly certificatePem: string; readonly keyPem: string };
  readonly csrPem: string;
  readonly nodeId: string;
  readonly role: NodeRole;
  readonly clusterId: string;
  readonly validityMs: number;
  readonly now: number;
}

/**
 * A node's certificate in PEM. Only the public key is taken from the request, after its own signature proved that the caller holds the
 * private half. Backdated by an hour for hosts whose clocks are behind.
 */
export async function signNodeCertificate(options: SignOptions): Promise<string> {
  const { root, nodeId, role, clusterId, now } = options;
  const x509 = await loadX509();
  const publicKey = await publicKeyOf(options.csrPem);
  const issuer = new x509.X509Certificate(root.certificatePem);
  const rootKeys = await keyPairFromPem(root.keyPem);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: [nodeId] }, { OU: [roleNames[role]] }, { O: [clusterId] }],
    issuer: issuer.subjectName.toJSON(),
    notBefore: new Date(now - 3_600_000),
    notAfter: new Date(Math.min(now + options.validityMs, issuer.notAfter.getTime())),
    signingAlgorithm: algorithm,
    publicKey,
    signingKey: rootKeys.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: "dns", value: nodeId }, { type: "dns", value: roleNames[role] }]),
      await x509.AuthorityKeyIdentifierExtension.create(rootKeys.publicKey),
    ],
  });
  return `${certificate.toString("pem")}\n`;
}

async function publicKeyOf(csrPem: string): Promise<CryptoKey> {
  if (csrPem.length > 16_384) throw refuse("it is longer than 16 KiB");
  const x509 = await loadX509();
  let csr;
  try {
    csr = new x509.Pkcs10CertificateRequest(csrPem);
  } catch (error) { throw refuse("it is not a PKCS #10 request in PEM", error); }
  let key: CryptoKey;
  try {
    key = await csr.publicKey.export(algorithm, ["verify"]);
  } catch (error) { throw refuse("its key is not an ECDSA P-256 key", error); }
  if (!await csr.verify().catch(() => false)) throw refuse("its signature does not match its key");
  return key;
}

const refuse = (reason: string, cause?: unknown) => new SwarmError("INVALID_ARGUMENT", `Cannot sign the certificate request: ${reason}`, { cause });
