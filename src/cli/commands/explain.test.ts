import assert from "node:assert/strict";
import type { ExplainResponse } from "../../gen/swarm/v1/ExplainResponse.js";
import { newService, newServiceSpec, newTaskSpec } from "../../model/index.js";
import { RecordingTerminal, runCommand, startFakeHost } from "../testing.js";

const waiting: ExplainResponse = {
  headline: "web.1 waits: no node fits: constraint node.labels.disk==ssd not met (40 nodes); needs 1.0 GiB memory, most free is 700.0 MiB on n1 (2 nodes).", fits: false,
  serviceName: "web", taskName: "web.1", nodeName: "", wanted: 1, placed: 0, nodes: 42, fitting: 0,
  causes: [
    { filter: "constraint", detail: "constraint node.labels.disk==ssd not met", nodes: 40, alone: 38, missing: "", nodeNames: ["n3", "n4", "n5"] },
    { filter: "resources", detail: "needs 1.0 GiB memory, most free is 700.0 MiB on n1", nodes: 2, alone: 2, missing: "324.0 MiB", nodeNames: ["n1", "n2"] },
  ],
  suggestions: [
    { condition: "memory <= 700 MiB", nodes: 2, nodeNames: ["n1", "n2"], command: "swarmctl service update --reserve-memory 700m web", cost: 0.3, kinds: ["amount"], tasks: 0 },
    { condition: "web.3 moved (from n1 to n4)", nodes: 40, nodeNames: ["n3"], command: "", cost: 0.2, kinds: ["move"], tasks: 0 },
    { condition: "CPU <= 1", nodes: 0, nodeNames: [], command: "swarmctl service update --reserve-cpu 1 web", cost: 0.5, kinds: ["amount"], tasks: 4 },
  ],
  candidates: [], nodeRefusals: [],
};
const placed: ExplainResponse = {
  ...waiting, headline: "web.1 is on n2: the best of 7 nodes that fit.", fits: true, placed: 1, nodeName: "n2", fitting: 7, nodes: 7, causes: [], suggestions: [],
  candidates: [
    { nodeId: "n2", nodeName: "n2", rank: 1, total: 12.345678, isChosen: true, terms: [{ name: "spread", value: 12.345678 }, { name: "image", value: 0.5 }] },
    { nodeId: "n1", nodeName: "n1", rank: 2, total: -3, isChosen: false, terms: [{ name: "spread", value: -3 }] },
  ],
};

describe("cli: explain", () => {
  let requests: Record<string, unknown>[];
  let answer: ExplainResponse;
  let host: { runDir: string; stop(): Promise<void> };
  const run = (argv: string[], terminal = new RecordingTerminal()) => runCommand(argv, { places: [host.runDir], terminal });
  beforeEach(async () => {
    requests = [];
    answer = waiting;
    host = await startFakeHost({
      control: {
        unary: {
          Explain: (request) => { requests.push(request); return answer; },
          GetService: () => ({ service: newService({ id: "s1", spec: newServiceSpec({ name: "web", task: newTaskSpec() }) }) }),
        },
      },
    });
  });
  afterEach(() => host.stop());

  it("says why a task waits: causes, what is missing, and what would help", async () => {
    const { code, stdout } = await run(["explain", "web.1"]);
    assert.equal(code, 0);
    assert.equal(stdout, [
      `✘ ${waiting.headline}`, "",
      "42 nodes looked at, none would take one more.",
      "NODES      ALONE   WHAT KEEPS THEM OUT                                  MISSING     ON",
      "█████ 40   38      constraint node.labels.disk==ssd not met                         n3, n4, n5 and 37 others",
      "░░░░░ 2    2       needs 1.0 GiB memory, most free is 700.0 MiB on n1   324.0 MiB   n1, n2", "",
      "What would help, the smallest change first:",
      "  1. fits on n1, n2 if memory <= 700 MiB",
      "     swarmctl service update --reserve-memory 700m web",
      "  2. fits on 40 nodes if web.3 moved (from n1 to n4)",
      "  3. all 4 tasks fit if CPU <= 1",
      "     swarmctl service update --reserve-cpu 1 web", "",
    ].join("\n"));
    assert.deepEqual([requests[0]!["ref"], requests[0]!["perNode"], requests[0]!["spec"]], ["web.1", false, null]);
  });

  it("shows the scores of a task that has a node", async () => {
    answer = placed;
    assert.equal((await run(["explain", "--top", "2", "web.1"])).stdout, [
      "✔ web.1 is on n2: the best of 7 nodes that fit.", "",
      "Nodes that fit, best first:",
      "RANK   NODE   SCORE    MADE OF",
      "1      n2 ←   12.346   spread 12.346, image 0.5",
      "2      n1     -3       spread -3",
      "… and 5 others", "",
    ].join("\n"));
    assert.equal(requests[0]!["candidates"], 2);
  });

  it("a narrow terminal gets the nodes in lines of their own, and no colour where none is wanted", async () => {
    const terminal = Object.assign(new RecordingTerminal(), { columns: 70 });
    const { stdout } = await run(["explain", "web.1"], terminal);
    assert.match(stdout, /\n40 +38 +constraint node\.labels\.disk==ssd not met\n {2}n3, n4, n5 and 37 others\n2 /);
    assert.ok(!stdout.includes("\u001b"));
    const colored = Object.assign(new RecordingTerminal(), { colors: true });
    assert.ok((await run(["explain", "web.1"], colored)).stdout.includes("\u001b[1m"));
  });

  it("lists every node when asked, and prints the whole answer as JSON", async () => {
    answer = { ...waiting, causes: [], suggestions: [], nodeRefusals: [{ nodeId: "n1", nodeName: "n1", details: ["node is down", "no"] }, { nodeId: "n2", nodeName: "n2", details: [] }] };
    const { stdout } = await run(["explain", "--nodes", "web.1"]);
    assert.match(stdout, /NODE +WHY NOT\nn1 +node is down; no\nn2 +it fits\n$/);
    assert.equal(requests[0]!["perNode"], true);
    assert.deepEqual(JSON.parse((await run(["explain", "--format", "json", "web.1"])).stdout), answer);
  });

  it("service create --explain-only submits nothing: exit code 3 where it does not fit, 0 where it does", async () => {
    const no = await run(["service", "create", "--explain-only", "--name", "web", "--replicas", "3", "--reserve-memory", "1g", "app"]);
    assert.equal(no.code, 3);
    assert.match(no.stdout, /^✘ web\.1 waits/);
    assert.deepEqual([(requests[0]!["spec"] as { replicas: number }).replicas, requests[0]!["service"]], [3, ""]);
    answer = placed;
    assert.equal((await run(["service", "create", "--explain-only", "app"])).code, 0);
    assert.deepEqual(JSON.parse((await run(["service", "create", "--explain-only", "--format", "json", "app"])).stdout), placed);
  });

  it("service update --explain-only asks about the changed spec", async () => {
    const { code } = await run(["service", "update", "--explain-only", "--reserve-cpu", "2", "web"]);
    assert.equal(code, 3);
    assert.deepEqual([(requests[0]!["spec"] as { task: { reservations: { cpuMillis: number } } }).task.reservations.cpuMillis, requests[0]!["service"]], [2_000, "s1"]);
  });
});
