import { strict as assert } from "node:assert";
import { codeOf } from "../lib/index.js";
import { matchesConstraint, newNode, newNodeDescription, newNodeSpec, parseConstraint } from "./index.js";

describe("placement constraints", () => {
  const node = newNode({
    id: "n1", role: "MANAGER", spec: newNodeSpec({ labels: { disk: "SSD", "a.b": "c" } }),
    description: newNodeDescription({ hostname: "m1", arch: "x86_64", engineLabels: { zone: "west" } }),
    status: { state: "READY", message: "", addr: "10.1.2.3", sinceMs: 0 },
  });

  for (const [text, expected] of [
    ["node.id==n1", true], ["node.id == N1", true], ["node.id!=n1", false], ["node.hostname==m2", false], ["node.role==manager", true],
    ["node.role!=worker", true], ["node.platform.os==linux", true], ["node.platform.arch==amd64", true], ["node.platform.arch==aarch64", false],
    ["node.labels.disk==ssd", true], ["node.labels.disk!=hdd", true], ["node.labels.absent==x", false], ["node.labels.absent!=x", true],
    ["node.labels.a.b==c", true], ["node.labels.constructor!=x", true], ["engine.labels.zone==WEST", true],
    ["node.ip==10.1.2.3", true], ["node.ip==10.1.0.0/16", true], ["node.ip!=10.1.0.0/16", false], ["node.ip==10.2.0.0/16", false],
  ] as const) it(`${text} ${expected ? "holds" : "does not hold"} on the node`, () => assert.equal(matchesConstraint(parseConstraint(text), node), expected));

  it("a node that is not described yet satisfies nothing about its host", () => {
    const blank = newNode({ id: "n2" });
    for (const text of ["node.hostname==x", "node.hostname!=x", "node.platform.os!=x", "node.ip!=10.0.0.1"]) {
      assert.equal(matchesConstraint(parseConstraint(text), blank), false, text);
    }
  });

  for (const [text, why] of [
    ["node.labels.disk", /KEY==VALUE/], ["node.labels.disk=ssd", /KEY==VALUE/], ["node.labels.disk===ssd", /one operator/], ["disk==ssd", /"disk" is not a key; use node\.id, node\.hostname/],
    ["node.labels.==x", /is not a key/], ["node.labels.disk==", /is empty/], ["node.ip==nowhere", /neither an IPv4 address/], ["node.role==boss", /manager or worker/],
    ["", /KEY==VALUE/],
  ] as const) it(`"${text}" is refused with the reason`, () => {
    assert.throws(() => parseConstraint(text), (error: Error) => codeOf(error) === "INVALID_ARGUMENT" && why.test(error.message));
  });
});
