import { X509Certificate } from "node:crypto";
import { SwarmError, isRetryable, messageOf, sleep, type Clock } from "../lib/index.js";
import { createCsr, identityOf, parseJoinToken, type TlsIdentity } from "../ca/index.js";
import type { NodeAvailability } from "../model/index.js";
import { call, dialForJoin, dialManager, fetchRootCertificate, managerCredentials } from "../rpc/index.js";
import type { IssueCertificateResponse } from "../gen/swarm/v1/IssueCertificateResponse.js";

const patienceMs = 30_000;

export interface Enrolment { readonly identity: TlsIdentity; readonly managers: readonly string[] }

/** A first certificate, for a token: trusts whoever has the CA that the token names, and nobody else. */
export async function enroll(options: { token: string; addr: string; hostname: string; availability: NodeAvailability; clock: Clock }): Promise<Enrolment> {
  const { token, addr, hostname, availability, clock } = options;
  const { digest } = parseJoinToken(token);
  const rootCertificatePem = await patiently(clock, addr, () => fetchRootCertificate(addr, digest));
  const { csrPem, keyPem } = await createCsr();
  const client = dialForJoin(addr, rootCertificatePem);
  try {
    const issued = await patiently(clock, addr, () => call<IssueCertificateResponse>(client, "issueCertificate", { csrPem, token: token.trim(), hostname, availability }));
    const identity = accept(issued, keyPem, rootCertificatePem);
    return { identity, managers: issued.managers.length > 0 ? issued.managers : [addr] };
  } finally { client.close(); }
}

/** A new certificate with a new key, in the role that the cluster says; each manager is asked until one answers. */
export async function renew(identity: TlsIdentity, managers: readonly string[]): Promise<Enrolment> {
  const credentials = managerCredentials(identity);
  let failure: unknown = new SwarmError("UNAVAILABLE", "no manager's address is known");
  for (const addr of managers) {
    const { csrPem, keyPem } = await createCsr();
    const client = dialManager("Ca", addr, credentials);
    try {
      const issued = await call<IssueCertificateResponse>(client, "renewCertificate", { csrPem }, { timeoutMs: 10_000 });
      return { identity: accept(issued, keyPem, identity.rootCertificatePem), managers: issued.managers };
    } catch (error) {
      failure = error;
      if (!isRetryable(error)) throw error;
    } finally { client.close(); }
  }
  throw failure;
}

/** What was issued must be signed by the root that is trusted already, and fit the key. */
function accept(issued: IssueCertificateResponse, keyPem: string, rootCertificatePem: string): TlsIdentity {
  const certificate = new X509Certificate(issued.certificatePem);
  if (!certificate.verify(new X509Certificate(rootCertificatePem).publicKey)) throw new SwarmError("UNAUTHENTICATED", "Cannot accept the certificate: it is not signed by the cluster's CA");
  return { ...identityOf(certificate), certificatePem: issued.certificatePem, keyPem, rootCertificatePem };
}

/** A cluster in the middle of an election answers a moment later. */
async function patiently<T>(clock: Clock, addr: string, attempt: () => Promise<T>): Promise<T> {
  const end = clock.monotonic() + patienceMs;
  for (let failures = 0; ; failures++) {
    try { return await attempt(); } catch (error) {
      // An address where nobody listens is more likely a mistake than a restart.
      const isMistaken = failures >= 3 && error instanceof SwarmError && /ECONNREFUSED|no answer from/.test(error.message);
      if (isMistaken || isRetryable(error) && clock.monotonic() > end) throw unreachable(addr, error);
      if (!isRetryable(error)) throw error;
    }
    await sleep(clock, 500);
  }
}

/** grpc-js wraps the reason into words about its own parts. */
function unreachable(addr: string, error: unknown): SwarmError {
  const reason = messageOf(error).replace(/^No connection established\. Last error: (Error: )?/, "").replace(/\.? Resolution note:.*$/s, "");
  return new SwarmError("UNAVAILABLE", `Cannot join: no manager answers at "${addr}" (${reason}); check the address, and that the managers are up and reachable from this host`, { cause: error });
}
