import { constants } from "node:crypto";
import type { SecureContextOptions } from "node:tls";
import type { TlsIdentity } from "./identity.js";

/** Both sides of every connection between hosts: TLS 1.3, this node's certificate, and trust in its cluster's root alone. */
export function tlsContextOf(identity: TlsIdentity): SecureContextOptions {
  return {
    cert: identity.certificatePem, key: identity.keyPem, ca: identity.rootCertificatePem, minVersion: "TLSv1.3", maxVersion: "TLSv1.3",
    // A resumed session would carry the certificate of its first handshake past a renewal or a new root.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}
