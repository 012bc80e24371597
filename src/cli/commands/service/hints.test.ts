import assert from "node:assert/strict";
import type { ServiceHintsResponse } from "../../../gen/swarm/v1/ServiceHintsResponse.js";
import { runCommand, startFakeHost } from "../../testing.js";

const answer: ServiceHintsResponse = {
  reportingNodes: 2, nodes: 3,
  hints: [
    {
      serviceId: "s1", serviceName: "web", tasks: 3, reportingTasks: 2, windowMs: 3_600_000, reservedCpuMillis: 2_000, reservedMemoryBytes: 2 ** 30, usedCpuMillis: 300, usedMemoryBytes: 200 << 20,
      suggestedCpuMillis: 360, suggestedMemoryBytes: 0, advice: "reserves 2 CPU and uses 0.3: 0.36 would do", command: "swarmctl service update --reserve-cpu 0.36 web",
    },
    {
      serviceId: "s2", serviceName: "idle", tasks: 0, reportingTasks: 0, windowMs: 0, reservedCpuMillis: 0, reservedMemoryBytes: 0, usedCpuMillis: 0, usedMemoryBytes: 0,
      suggestedCpuMillis: 0, suggestedMemoryBytes: 0, advice: "no task of it runs", command: "",
    },
  ],
};

describe("cli: service hints", () => {
  let requests: unknown[];
  let host: { runDir: string; stop(): Promise<void> };
  beforeEach(async () => {
    requests = [];
    host = await startFakeHost({ control: { unary: { ServiceHints: (request) => { requests.push(request); return answer; } } } });
  });
  afterEach(() => host.stop());

  it("show what is reserved, what is used, and the command that makes the change", async () => {
    const { code, stdout, stderr } = await runCommand(["service", "hints"], { places: [host.runDir] });
    assert.equal(code, 0);
    assert.equal(stdout, [
      "SERVICE   TASKS    CPU RESERVED   USED   MEMORY RESERVED   USED      HINT",
      "web       2 of 3   2              0.3    1.0 GiB           200 MiB   reserves 2 CPU and uses 0.3: 0.36 would do",
      "idle      0        -                     -                           no task of it runs", "",
      "swarmctl service update --reserve-cpu 0.36 web", "",
    ].join("\n"));
    assert.equal(stderr, "swarmctl: warning: 2 of 3 nodes have reported what they use; the others follow within half a minute\n");
  });

  it("of one service, as JSON", async () => {
    const { stdout } = await runCommand(["service", "hints", "--format", "json", "web"], { places: [host.runDir] });
    assert.deepEqual([JSON.parse(stdout), requests], [answer, [{ service: "web" }]]);
  });
});
