import assert from "node:assert/strict";
import { silentLogger, systemClock } from "../../lib/index.js";
import { packDecision } from "../core/pack/index.js";
import { addService, nodeOf, specOf, stateOfNodes } from "../testing.js";
import { DecisionWorker } from "./decision-worker.js";

function decision(tasks = 3) {
  const state = stateOfNodes([nodeOf("n1", { cpu: 2 }), nodeOf("n2", { cpu: 1 })]);
  const { g } = addService(state, "web", specOf({ cpu: 1, maxPerNode: 2, strategy: "SPREAD", replicas: tasks }));
  return packDecision(state, g, tasks, { defaultStrategy: "PACK", nowMs: 0 });
}

describe("the decision thread", () => {
  let worker: DecisionWorker;
  beforeEach(() => { worker = new DecisionWorker(systemClock, silentLogger); });
  afterEach(() => worker.stop());

  it("answers with a node for each task, as far as there is room", async () => {
    const [first, second] = await Promise.all([worker.decide(decision()), worker.decide(decision(4))]);
    assert.deepEqual([[...first!], [...second!]], [[0, 1, 0], [0, 1, 0, -1]]);
    assert.equal(worker.size, 0);
  });

  it("that dies costs its decisions only, and is started again; one that keeps dying is not", async () => {
    const broken = () => worker.decide({ ...decision(), groups: [] });
    assert.equal(await broken(), undefined);
    assert.deepEqual([...(await worker.decide(decision()))!], [0, 1, 0]);
    for (let i = 0; i < 3; i++) { assert.equal(worker.isUsable, true); await broken(); }
    assert.equal(worker.isUsable, false);
    assert.equal(await worker.decide(decision()), undefined);
  });

  it("that is stopped answers nothing more", async () => {
    const asked = worker.decide(decision());
    await worker.stop();
    assert.equal(await asked, undefined);
    assert.equal(worker.isUsable, false);
  });
});
