import assert from "node:assert/strict";
import type { WhatIfResponse } from "../../gen/swarm/v1/WhatIfResponse.js";
import { parseNewNodes } from "../parse/new-nodes.js";
import { RecordingTerminal, runCommand, startFakeHost } from "../testing.js";

const use = (nodeName: string, tasks: number, cpuPermille: number, memoryPermille = 500) => ({ nodeId: nodeName, nodeName, tasks, cpuPermille, memoryPermille, gpuPermille: 0, hasGpus: false });
const lossy: WhatIfResponse = {
  moves: [{ taskName: "web.2", serviceName: "web", fromNode: "n2", toNode: "n1" }, { taskName: "web.4", serviceName: "web", fromNode: "n2", toNode: "n1" }], moveCount: 5,
  preempted: [{ taskName: "batch.3", serviceName: "batch", node: "n1", toNode: "", byServiceName: "web" }, { taskName: "batch.7", serviceName: "batch", node: "n1", toNode: "n4", byServiceName: "web" }], preemptedCount: 2,
  started: [{ serviceName: "api", count: 2, waited: 1 }], ended: [{ serviceName: "probe", count: 1, waited: 0 }],
  pending: [{ serviceName: "db", count: 3, waited: 1, taskNames: ["db.1", "db.2"], reason: "no node fits: needs 2 CPU, most free is 0.5 on n1 (1 node)" }],
  before: [use("n2", 5, 600), use("n1", 2, 250)], after: [use("n2", 0, 0, 0), use("n1", 7, 1000, 800)], changedNodes: 4, lostNodeIds: ["n2"],
  totalBefore: use("", 7, 425), totalAfter: use("", 7, 1000, 800), headroom: [{ serviceName: "web", before: 1000, after: 3 }, { serviceName: "db", before: 0, after: 0 }],
};

describe("cli: whatif", () => {
  let requests: Record<string, unknown>[];
  let answer: WhatIfResponse;
  let host: { runDir: string; stop(): Promise<void> };
  const run = (argv: string[], terminal = new RecordingTerminal()) => runCommand(["whatif", ...argv], { places: [host.runDir], terminal });
  beforeEach(async () => {
    requests = [];
    answer = lossy;
    host = await startFakeHost({ control: { unary: { WhatIf: (request) => { requests.push(request); return answer; } } } });
  });
  afterEach(() => host.stop());

  it("shows what waits and why, what moves, the nodes before and after, and the room that is left", async () => {
    const { code, stdout } = await run(["--lose", "n2", "--limit", "2"]);
    assert.equal(code, 3);
    assert.equal(stdout, [
      "✘ 2 tasks would wait for a node; 5 tasks would move; 2 tasks would start; 2 tasks would be stopped for others of higher priority; 1 task would end; 1 task that waits already would go on waiting.", "",
      "WAITING   TASKS       WHY",
      "db        3 (1 now)   no node fits: needs 2 CPU, most free is 0.5 on n1 (1 node)", "",
      "MOVING   FROM   TO",
      "web.2    n2     n1",
      "web.4    n2     n1",
      "… and 3 others", "",
      "PREEMPTED   ON   BY    THEN",
      "batch.3     n1   web   waits",
      "batch.7     n1   web   on n4", "",
      "SERVICE   TASKS",
      "api       2 start (1 of them waits now)",
      "probe     1 end", "",
      "  all nodes   7 → 7 tasks   cpu ████░░░░░░  43 % → ██████████ 100 %   memory █████░░░░░  50 % → ████████░░  80 %",
      "  n2 (lost)   5 → 0 tasks   cpu ██████░░░░  60 % → ░░░░░░░░░░   0 %   memory █████░░░░░  50 % → ░░░░░░░░░░   0 %",
      "  n1          2 → 7 tasks   cpu ███░░░░░░░  25 % → ██████████ 100 %   memory █████░░░░░  50 % → ████████░░  80 %",
      "  … and 2 others that change less", "",
      "ROOM FOR MORE OF   NOW             THEN",
      "web                1,000 or more   3",
      "db                 0               0", "",
    ].join("\n"));
  });

  it("all nodes together and each stand under each other, and where none changes there is no line", async () => {
    answer = { ...lossy, pending: [], moves: [], moveCount: 0, preempted: [], preemptedCount: 0, started: [], ended: [], before: [use("n1", 0, 0)], after: [use("n1", 1, 100)], lostNodeIds: [], changedNodes: 1, totalBefore: use("", 10, 425), totalAfter: use("", 11, 430) };
    const { stdout } = await run(["--scale", "web=3"]);
    assert.deepEqual(stdout.split("\n").slice(2, 4), [
      "  all nodes   10 → 11 tasks   cpu ████░░░░░░  43 % → ████░░░░░░  43 %   memory █████░░░░░  50 % → █████░░░░░  50 %",
      "  n1          0 → 1 task      cpu ░░░░░░░░░░   0 % → █░░░░░░░░░  10 %   memory █████░░░░░  50 % → █████░░░░░  50 %",
    ]);
    answer = { ...answer, before: [], after: [], changedNodes: 0, totalAfter: answer.totalBefore };
    assert.deepEqual((await run(["--headroom", "web"])).stdout.split("\n").slice(1, 3), ["", "ROOM FOR MORE OF   NOW             THEN"]);
  });

  it("reads nodes, new nodes and services from its flags", async () => {
    answer = { ...lossy, pending: [] };
    const { code } = await run(["--lose", "n2,n3", "--drain", "n4", "--scale", "web=40", "--headroom", "web,db", "--add", "3x(cpu=8,memory=32g,gpu=2:A100,label.disk=ssd)", "--add", "cpu=1", "--format", "json"]);
    assert.equal(code, 0);
    const [request] = requests;
    assert.deepEqual([request!["lose"], request!["drain"], request!["headroom"], request!["scale"]], [["n2", "n3"], ["n4"], ["web", "db"], [{ service: "web", replicas: 40 }]]);
    const [three, one] = request!["add"] as ReturnType<typeof parseNewNodes>[];
    assert.deepEqual([three!.count, three!.labels, three!.resources.cpuMillis, three!.resources.memoryBytes, three!.resources.gpus.map(({ model }) => model)], [3, { disk: "ssd" }, 8_000, 32 * 2 ** 30, ["A100", "A100"]]);
    assert.deepEqual([one!.count, one!.resources.cpuMillis], [1, 1_000]);
  });

  it("nothing changed, or a kind of node that cannot be read, is bad usage", async () => {
    assert.deepEqual([(await run([])).code, requests.length], [2, 0]);
    for (const text of ["3x()", "", "3x(cpu=8", "x(cpu=8)", "0x(cpu=1)", "2x(color=red)", "(gpu=2:)", "(cpu)"]) assert.throws(() => parseNewNodes(text, "--add"), { code: "INVALID_ARGUMENT" }, text);
    assert.deepEqual(parseNewNodes("label.gpu=no", "--add").labels, { gpu: "no" });
  });

  it("without trouble it says so in green", async () => {
    answer = { ...lossy, pending: [], moves: [], moveCount: 0, preempted: [], preemptedCount: 0, started: [], ended: [], before: [], after: [], changedNodes: 0, headroom: [] };
    const { code, stdout } = await run(["--drain", "n9"], Object.assign(new RecordingTerminal(), { colors: true }));
    assert.equal(code, 0);
    assert.ok(stdout.startsWith("\u001b[32m✔\u001b[0m \u001b[1mno task would lose its node for good.\u001b[0m"));
  });
});
