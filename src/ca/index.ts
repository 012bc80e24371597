/**
 * The cluster's PKI without a store: root, node certificates, requests, join tokens, the identity on disk and in TLS, and when to renew.
 * Who may have a certificate is decided by the managers' ca-server; TLS connections are made in rpc.
 */
export { createRootCa, digestOf, verifyRootDigest, type Root } from "./root.js";
export { createCsr, roleNames, signNodeCertificate, type SignOptions } from "./sign.js";
export { generateJoinToken, parseJoinToken, tokensMatch, type JoinToken } from "./join-token.js";
export { identityOf, loadIdentity, removeIdentity, saveIdentity, type NodeIdentity, type TlsIdentity } from "./identity.js";
export { tlsContextOf } from "./tls-context.js";
export { validityOf } from "./validity.js";
export { renewalDelayMs, renewalTimeMs } from "./core/renewal.js";
