import { X509Certificate } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { NodeRole } from "../model/index.js";
import { SwarmError } from "../lib/index.js";
import { parseCertificate } from "./root.js";
import { roleNames } from "./sign.js";

/** What a certificate claims about its holder; believe it only of a certificate that was verified. */
export interface NodeIdentity { readonly nodeId: string; readonly role: NodeRole; readonly clusterId: string }

/** All that a node needs to prove itself, and to check others. */
export interface TlsIdentity extends NodeIdentity {
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly rootCertificatePem: string;
}

export function identityOf(certificate: string | X509Certificate): NodeIdentity {
  const parsed = typeof certificate === "string" ? parseCertificate(certificate) : certificate;
  const fields = new Map<string, string[]>();
  for (const line of parsed.subject.split("\n")) {
    const equals = line.indexOf("=");
    const name = line.slice(0, equals);
    fields.set(name, [...fields.get(name) ?? [], line.slice(equals + 1)]);
  }
  const only = (name: string, what: string) => {
    const values = fields.get(name) ?? [];
    if (values.length !== 1 || values[0] === "") throw refuse(`its subject must name one ${what}`);
    return values[0]!;
  };
  const unit = only("OU", "role");
  const role = (Object.keys(roleNames) as NodeRole[]).find((r) => roleNames[r] === unit);
  if (!role) throw refuse(`its role "${unit.slice(0, 40)}" is not known`);
  return { nodeId: only("CN", "node id"), role, clusterId: only("O", "cluster") };
}

const directoryOf = (stateDir: string) => join(stateDir, "certificates");

/** Undefined when this host never joined; DATA_LOSS when what is there cannot be used. */
export async function loadIdentity(stateDir: string): Promise<TlsIdentity | undefined> {
  const directory = directoryOf(stateDir);
  let bundle: string;
  let rootCertificatePem: string;
  try {
    bundle = await readFile(join(directory, "node.pem"), "utf8");
    rootCertificatePem = await readFile(join(directory, "root.pem"), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const certificatePem = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----\n/.exec(bundle)?.[0];
  const keyPem = /-----BEGIN PRIVATE KEY-----[\s\S]+?-----END PRIVATE KEY-----\n/.exec(bundle)?.[0];
  try {
    if (!certificatePem || !keyPem) throw new Error("a part is missing");
    return { ...identityOf(certificatePem), certificatePem, keyPem, rootCertificatePem };
  } catch (error) {
    throw new SwarmError("DATA_LOSS", `Cannot use the node's certificate "${join(directory, "node.pem")}": ${(error as Error).message}; leave the cluster with "swarmctl leave --force" and join again`, { cause: error });
  }
}

/** Certificate and key are one file, so that a crash between them cannot leave a key that fits no certificate. */
export async function saveIdentity(stateDir: string, identity: TlsIdentity): Promise<void> {
  const directory = directoryOf(stateDir);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await replace(join(directory, "root.pem"), identity.rootCertificatePem, 0o644);
  await replace(join(directory, "node.pem"), identity.certificatePem + identity.keyPem, 0o600);
  const handle = await open(directory);
  try { await handle.sync(); } finally { await handle.close(); }
}

export const removeIdentity = (stateDir: string): Promise<void> => rm(directoryOf(stateDir), { recursive: true, force: true });

async function replace(path: string, content: string, mode: number): Promise<void> {
  const temporary = `${path}.new`;
  const handle = await open(temporary, "w", mode);
  try {
    await handle.chmod(mode);
    await handle.writeFile(content);
    await handle.sync();
  } finally { await handle.close(); }
  await rename(temporary, path);
}

const refuse = (reason: string) => new SwarmError("UNAUTHENTICATED", `Cannot accept the certificate: ${reason}`);
