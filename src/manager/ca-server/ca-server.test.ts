import assert from "node:assert/strict";
import { codeOf, createLogger, systemClock } from "../../lib/index.js";
import { createCsr, createRootCa, generateJoinToken, identityOf } from "../../ca/index.js";
import { newCluster, newNode, newNodeSpec } from "../../model/index.js";
import { createTestStore } from "../../store/testing.js";
import { createCaServer } from "./index.js";

async function cluster() {
  const root = await createRootCa({ clusterId: "c1", now: Date.now() });
  const joinTokens = { worker: generateJoinToken(root.digest), manager: generateJoinToken(root.digest) };
  const store = createTestStore();
  await store.update((tx) => {
    tx.create("cluster", newCluster({ id: "c1", rootCa: root, joinTokens }));
    tx.create("node", newNode({ id: "m1", role: "MANAGER", spec: newNodeSpec({ desiredRole: "MANAGER" }), manager: { raftId: 1, addr: "198.18.0.1:2377", isLeader: false, isReachable: false, lagEntries: 0, lastHeardMs: 0, replication: "" } }));
  });
  const lines: string[] = [];
  let next = 0;
  const ca = createCaServer({ store, clock: systemClock, log: createLogger({ write: (line) => lines.push(line) }), newId: () => `new${++next}` });
  const request = async (token: string, fields = {}) => ({ csrPem: (await createCsr()).csrPem, token, hostname: "host-4", availability: "ACTIVE" as const, ...fields });
  return { root, joinTokens, store, lines, ca, request };
}

describe("CA server", () => {
  for (const role of ["worker", "manager"] as const) {
    it(`a ${role}'s token gives a ${role}'s certificate and a node object`, async () => {
      const { joinTokens, store, ca, request, root } = await cluster();
      const answer = await ca.issue(await request(joinTokens[role], { availability: "DRAIN" }), "198.18.0.9:5");
      assert.deepEqual(identityOf(answer.certificatePem), { nodeId: "new1", role: role.toUpperCase(), clusterId: "c1" });
      assert.deepEqual([answer.rootCertificatePem, answer.managers, answer.clusterId], [root.certificatePem, ["198.18.0.1:2377"], "c1"]);
      const node = store.view((tx) => tx.get("node", "new1")!);
      assert.deepEqual([node.role, node.spec!.desiredRole, node.spec!.availability, node.description!.hostname, node.manager], [role.toUpperCase(), role.toUpperCase(), "DRAIN", "host-4", null]);
    });
  }

  it("refuses absent, malformed, foreign and rotated tokens with the reason, logs the peer and never the token", async () => {
    const { root, lines, ca, request, store } = await cluster();
    const foreign = generateJoinToken("0".repeat(64));
    const rotated = generateJoinToken(root.digest);
    for (const [token, why] of [["", /no join token is given/], ["hello", /malformed/], [foreign, /of another cluster/], [rotated, /wrong or was rotated/], [`${rotated}x`, /malformed/]] as const) {
      await assert.rejects(ca.issue(await request(token), "198.18.0.9:5"), (error: Error) => { assert.equal(codeOf(error), "PERMISSION_DENIED"); assert.match(error.message, why); return true; });
    }
    assert.equal(lines.length, 5);
    assert.ok(lines.every((line) => line.includes("198.18.0.9:5") && line.includes("host-4")));
    assert.ok(![foreign, rotated, "hello"].some((token) => lines.join("").includes(token)));
    assert.equal(store.view((tx) => tx.list("node").length), 1);
  });

  it("logs a guesser that goes on and on once a minute", async () => {
    const { root, lines, ca, request } = await cluster();
    for (let i = 0; i < 20; i++) await assert.rejects(ca.issue(await request(generateJoinToken(root.digest)), `198.18.0.9:${i}`));
    await assert.rejects(ca.issue(await request(generateJoinToken(root.digest)), "198.18.0.8:5"));
    assert.equal(lines.length, 2);
  });

  it("refuses a malformed request, host name or availability and creates no node", async () => {
    const { joinTokens, ca, request, store } = await cluster();
    await assert.rejects(ca.issue(await request(joinTokens.worker, { csrPem: "junk" }), "p"), { code: "INVALID_ARGUMENT" });
    await assert.rejects(ca.issue(await request(joinTokens.worker, { hostname: "a b" }), "p"), { code: "INVALID_ARGUMENT" });
    await assert.rejects(ca.issue(await request(joinTokens.worker, { availability: 7 as never }), "p"), { code: "INVALID_ARGUMENT" });
    assert.equal(store.view((tx) => tx.list("node").length), 1);
  });

  it("renews in the role that the store says, and not for a removed node", async () => {
    const { ca, request, store } = await cluster();
    const { csrPem } = await request("");
    assert.equal(identityOf((await ca.renew({ csrPem }, "m1")).certificatePem).role, "MANAGER");
    await store.update((tx) => tx.update("node", { ...tx.get("node", "m1")!, role: "WORKER" }));
    assert.equal(identityOf((await ca.renew({ csrPem }, "m1")).certificatePem).role, "WORKER");
    await store.update((tx) => tx.update("cluster", { ...tx.cluster(), removedNodes: { m1: Date.now() + 1000 } }));
    await assert.rejects(ca.renew({ csrPem }, "m1"), { code: "PERMISSION_DENIED", message: /was removed/ });
    await assert.rejects(ca.renew({ csrPem }, "nobody"), { code: "PERMISSION_DENIED" });
  });
});
