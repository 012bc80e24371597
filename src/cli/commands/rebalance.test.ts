import assert from "node:assert/strict";
import { newTask, newTaskStatus, type Task } from "../../model/index.js";
import { RecordingTerminal, runCommand, startFakeHost } from "../testing.js";

const use = (nodeName: string, tasks: number, cpuPermille: number) => ({ nodeId: nodeName, nodeName, tasks, cpuPermille, memoryPermille: 500, gpuPermille: 0, hasGpus: false });
const move = { taskId: "t1", taskName: "web.1", fromNodeId: "n3", fromNode: "n3", toNodeId: "n1", toNode: "n1", gain: "frees node n3" };
const plan = { moves: [move], before: [use("n1", 2, 500), use("n3", 1, 250)], after: [use("n1", 3, 750), use("n3", 0, 0)], unmovableTasks: 2, isLimited: false, isApplied: false };

describe("cli: rebalance", () => {
  let requests: Record<string, unknown>[];
  let tasks: Task[];
  let answer: typeof plan;
  let wasListed: Promise<void>, listed: () => void;
  let host: { runDir: string; stop(): Promise<void> };
  const run = (argv: string[], terminal = new RecordingTerminal(), signal = new AbortController().signal) => runCommand(["rebalance", ...argv], { places: [host.runDir], terminal, signal });
  beforeEach(async () => {
    requests = [];
    answer = plan;
    wasListed = new Promise((resolve) => { listed = resolve; });
    tasks = [newTask({ id: "t1", desiredState: "SHUTDOWN", status: newTaskStatus({ state: "RUNNING" }), move: { nodeId: "n1", reason: "rebalance", sinceMs: 1 } })];
    host = await startFakeHost({
      control: {
        unary: {
          Rebalance: (request) => { requests.push(request); return { ...answer, isApplied: request.apply }; },
          ListTasks: () => { listed(); return { tasks: tasks.map((task) => ({ task, name: "web.1", serviceName: "web", nodeName: "n3", image: "app" })) }; },
        },
      },
    });
  });
  afterEach(() => host.stop());

  it("shows the moves, what each buys, and the nodes before and after", async () => {
    const { code, stdout, stderr } = await run(["--dry-run"]);
    assert.equal(code, 0);
    assert.equal(stdout, [
      "TASK    FROM   TO   WHAT IT BUYS",
      "web.1   n3     n1   frees node n3",
      "",
      "  n1   2 → 3 tasks   cpu █████░░░░░  50 % → ████████░░  75 %   memory █████░░░░░  50 % → █████░░░░░  50 %",
      "  n3   1 → 0 tasks   cpu ███░░░░░░░  25 % → ░░░░░░░░░░   0 %   memory █████░░░░░  50 % → █████░░░░░  50 %",
      "",
      "1 move; nodes in use: 2 → 1",
      "",
    ].join("\n"));
    assert.equal(stderr, "2 tasks cannot be moved (no-move, global, or moving already).\nNothing was moved; --apply makes these moves.\n");
    assert.deepEqual(requests, [{ strategy: "REBALANCE_DEFAULT", node: "", maxMoves: 0, apply: false }]);
  });

  it("asks on a terminal, applies, and waits for the moves", async () => {
    const terminal = Object.assign(new RecordingTerminal(), { canAsk: true, answers: ["y"] });
    const { code, stderr } = await run(["--strategy", "pack", "--max-moves", "5"], terminal);
    assert.deepEqual(terminal.questions, ["Make 1 move? [y/N] "]);
    assert.deepEqual(requests.map(({ apply, maxMoves }) => [apply, maxMoves]), [[false, 5], [true, 5]]);
    assert.match(stderr, /web\.1: n3 → n1 \(1\/1\)\n$/);
    assert.equal(code, 0);
  });

  it("does nothing when the answer is no", async () => {
    const terminal = Object.assign(new RecordingTerminal(), { canAsk: true, answers: [""] });
    assert.equal((await run([], terminal)).code, 1);
    assert.equal(requests.length, 1);
  });

  it("ends with 3 when a task stays because its successor did not run", async () => {
    tasks = [newTask({ id: "t1", desiredState: "RUNNING", status: newTaskStatus({ state: "RUNNING" }) })];
    const { code, stderr } = await run(["--apply"]);
    assert.equal(code, 3);
    assert.match(stderr, /web\.1: stays on n3, its successor did not run on n1/);
  });

  it("says that the moves go on when it is interrupted", async () => {
    tasks = [newTask({ id: "t1", desiredState: "RUNNING", status: newTaskStatus({ state: "RUNNING" }), move: { nodeId: "n1", reason: "rebalance", sinceMs: 1 } })];
    const interrupt = new AbortController();
    const running = run(["--apply"], undefined, interrupt.signal);
    await wasListed;
    interrupt.abort();
    const { code, stderr } = await running;
    assert.equal(code, 130);
    assert.match(stderr, /The moves go on without this command/);
  });

  it("says what stays on a node that is to be freed", async () => {
    answer = { ...plan, after: [use("n1", 3, 750), use("n3", 2, 0)] };
    assert.match((await run(["n3", "--dry-run"])).stdout, /\n2 tasks stay on node n3\.\n/);
    answer = { ...plan, moves: [] };
    assert.match((await run(["n3", "--dry-run"])).stdout, /^Nothing to move: node n3 has no task that could run elsewhere\.\n$/);
  });

  it("frees a node that is named, and takes a node for nothing else", async () => {
    await run(["--strategy", "free", "n3", "--dry-run"]);
    await run(["n3", "--dry-run"]);
    assert.deepEqual(requests.map(({ strategy, node }) => [strategy, node]), [["REBALANCE_FREE", "n3"], ["REBALANCE_FREE", "n3"]]);
    for (const [argv, message] of [
      [["--strategy", "free"], /none is named/], [["--strategy", "pack", "n3"], /only --strategy free takes a node/],
      [["--dry-run", "--apply"], /leave out/], [["--max-moves", "0"], /--max-moves/], [["--strategy", "best"], /--strategy/],
    ] as const) {
      const { code, stderr } = await run([...argv]);
      assert.equal(code, 2, argv.join(" "));
      assert.match(stderr, message);
    }
  });

  it("prints the whole plan as JSON", async () => {
    assert.deepEqual(JSON.parse((await run(["--format", "json"])).stdout), plan);
  });
});
