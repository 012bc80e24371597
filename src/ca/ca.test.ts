import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { X509Certificate, webcrypto } from "node:crypto";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadX509 } from "./provider.js";
import {
  createCsr, createRootCa, generateJoinToken, identityOf, loadIdentity, parseJoinToken, renewalTimeMs, saveIdentity, signNodeCertificate, tokensMatch, verifyRootDigest,
} from "./index.js";

const now = Date.now();
const day = 24 * 3_600_000;

async function signed(overrides: Partial<Parameters<typeof signNodeCertificate>[0]> = {}) {
  const root = await createRootCa({ clusterId: "c1", now });
  const { csrPem, keyPem } = await createCsr();
  const certificatePem = await signNodeCertificate({ root, csrPem, nodeId: "n1", role: "MANAGER", clusterId: "c1", validityMs: 90 * day, now, ...overrides });
  return { root, keyPem, certificatePem };
}

describe("ca", () => {
  let directory: string;
  beforeEach(() => { directory = mkdtempSync(join(tmpdir(), "skein-ca-")); });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it("signs certificates that openssl accepts for client and server", async () => {
    const { root, certificatePem } = await signed();
    writeFileSync(join(directory, "root.pem"), root.certificatePem);
    writeFileSync(join(directory, "node.pem"), certificatePem);
    for (const purpose of ["sslserver", "sslclient"]) {
      const output = execFileSync("openssl", ["verify", "-x509_strict", "-purpose", purpose, "-CAfile", join(directory, "root.pem"), join(directory, "node.pem")], { encoding: "utf8" });
      assert.match(output, /OK/);
    }
  });
  it("puts node, role and cluster into the subject, and node and role into the names", async () => {
    const { root, certificatePem } = await signed();
    assert.deepEqual(identityOf(certificatePem), { nodeId: "n1", role: "MANAGER", clusterId: "c1" });
    const parsed = new X509Certificate(certificatePem);
    assert.equal(parsed.checkHost("swarm-manager"), "swarm-manager");
    assert.equal(parsed.checkHost("n1"), "n1");
    assert.equal(parsed.checkHost("swarm-worker"), undefined);
    assert.ok(parsed.verify(new X509Certificate(root.certificatePem).publicKey));
    assert.ok(Date.parse(parsed.validFrom) <= now - 3_590_000);
  });
  it("takes nothing but the key from a request", async () => {
    const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const x509 = await loadX509();
    const csr = await x509.Pkcs10CertificateRequestGenerator.create({
      name: "CN=other, OU=swarm-manager, O=c1", keys, signingAlgorithm: algorithm,
      extensions: [new x509.SubjectAlternativeNameExtension([{ type: "dns", value: "swarm-manager" }]), new x509.BasicConstraintsExtension(true)],
    });
    const { certificatePem } = await signed({ csrPem: csr.toString("pem"), nodeId: "n2", role: "WORKER" });
    assert.deepEqual(identityOf(certificatePem), { nodeId: "n2", role: "WORKER", clusterId: "c1" });
    const parsed = new X509Certificate(certificatePem);
    assert.equal(parsed.checkHost("swarm-manager"), undefined);
    assert.equal(parsed.ca, false);
  });
  it("refuses requests that are malformed, or whose signature does not match", async () => {
    await assert.rejects(signed({ csrPem: "garbage" }), { code: "INVALID_ARGUMENT" });
    const { csrPem } = await createCsr();
    const der = Buffer.from(csrPem.replace(/-----[^-]+-----|\s/g, ""), "base64");
    der[der.length - 1]! ^= 1;
    const altered = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
    await assert.rejects(signed({ csrPem: altered }), { code: "INVALID_ARGUMENT" });
  });
  it("refuses a root that is not the token's", async () => {
    const { root } = await signed();
    const other = await createRootCa({ clusterId: "c1", now });
    verifyRootDigest(root.certificatePem, parseJoinToken(generateJoinToken(root.digest)).digest);
    assert.throws(() => verifyRootDigest(other.certificatePem, root.digest), { code: "PERMISSION_DENIED" });
  });
  it("reads its own tokens and explains what is wrong with others", () => {
    for (const digest of ["0".repeat(63) + "1", "f".repeat(64)]) {
      const token = generateJoinToken(digest);
      assert.match(token, /^SKTKN-1-[0-9a-z]{50}-[0-9a-z]{25}$/);
      assert.equal(parseJoinToken(` ${token}\n`).digest, digest);
      assert.ok(tokensMatch(token, token));
      assert.ok(!tokensMatch(token, generateJoinToken(digest)));
    }
    assert.throws(() => parseJoinToken(""), /it is empty/);
    assert.throws(() => parseJoinToken("hello"), /does not begin/);
    assert.throws(() => parseJoinToken("SKTKN-9-a-b"), /version "9"/);
    assert.throws(() => parseJoinToken("SKTKN-1-short-x"), /missing or altered/);
    assert.throws(() => parseJoinToken(`SKTKN-1-${"z".repeat(50)}-${"z".repeat(25)}`), /missing or altered/);
    assert.ok(!tokensMatch("", ""));
  });
  it("keeps the identity on disk with the key for root's eyes only", async () => {
    assert.equal(await loadIdentity(directory), undefined);
    const { root, keyPem, certificatePem } = await signed();
    const identity = { nodeId: "n1", role: "MANAGER" as const, clusterId: "c1", certificatePem, keyPem, rootCertificatePem: root.certificatePem };
    await saveIdentity(directory, identity);
    assert.deepEqual(await loadIdentity(directory), identity);
    assert.equal(statSync(join(directory, "certificates/node.pem")).mode & 0o777, 0o600);
    writeFileSync(join(directory, "certificates/node.pem"), certificatePem);
    await assert.rejects(loadIdentity(directory), { code: "DATA_LOSS" });
  });
  it("renews between half and four fifths of a certificate's life", () => {
    const validity = { notBeforeMs: 1000, notAfterMs: 2000 };
    assert.equal(renewalTimeMs(validity, 0), 1500);
    assert.equal(renewalTimeMs(validity, 0.999999), 1800);
  });
});
