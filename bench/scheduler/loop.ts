import { setImmediate as breathe } from "node:timers/promises";
import { silentLogger, systemClock } from "../../src/lib/index.js";
import { newCluster, newRevision, newService, newServiceSpec, newTask, newTaskSpec, newTaskStatus } from "../../src/model/index.js";
import { startScheduler, type Scheduler } from "../../src/scheduler/index.js";
import { createTestStore, type TestStore } from "../../src/store/testing.js";
import { median, report } from "../report.js";
import { reportCase, type Case, type Peer } from "./case.js";
import { readyNode } from "./clusters.js";
import { watchTurns, type Turns } from "./turns.js";

/** S1: one-off tasks, each of a service of its own that asks for a ready node only; through store, events and loop, until the last assignment is committed. */
function oneOffs(name: string, nodes: number, tasks: number, peer: Peer | undefined, isRunning = false): Case {
  return {
    name,
    async run() {
      for (let i = 0; i < 3; i++) await round(1_000, 10_000, isRunning);      // compiles
      const rounds: Round[] = [];
      for (let i = 0; i < (tasks > 10_000 ? 1 : 3); i++) rounds.push(await round(nodes, tasks, isRunning));
      const middle = (of: (each: Round) => number) => median(rounds.map(of));
      reportCase(name, `one-off tasks ${isRunning ? "created and placed while it runs" : "through store and loop"}, ${tasks} on ${nodes} nodes`, (tasks * 1_000) / middle(({ ms }) => ms), "per s", peer);
      report({ bench: "scheduler", case: name, metric: "CPU time of all of it, for each task", value: (1_000 * middle(({ cpuMs }) => cpuMs)) / tasks, unit: "µs" });
      report({ bench: "scheduler", case: name, metric: "longest delay of the event loop meanwhile", value: middle(({ turns }) => turns.longestMs), unit: "ms" });
      if (rounds.every(({ turns }) => turns.longestOwnMs !== undefined)) report({ bench: "scheduler", case: name, metric: "longest delay of the event loop, without waiting for a processor", value: middle(({ turns }) => turns.longestOwnMs!), unit: "ms" });
    },
  };
}

interface Round { readonly ms: number; readonly cpuMs: number; readonly turns: Turns }

/** Objects are made before, a thousand at a time; while the scheduler runs, they come as users make them, so that this does not hold the event loop itself. */
const perTransaction = 1_000, perTransactionRunning = 100;

/** `isRunning`: the scheduler knows the cluster when the tasks are created, and their creation counts; otherwise it starts with nodes and tasks there, and reads them. */
async function round(nodes: number, tasks: number, isRunning: boolean): Promise<Round> {
  const store = createTestStore();
  await fill(store, nodes, perTransaction, (tx, i) => tx.create("node", readyNode(i, { cpuMillis: 32_000, memoryBytes: 2 ** 36 })));
  await store.update((tx) => tx.create("cluster", newCluster({ id: "c" })));
  const spec = newServiceSpec({ task: newTaskSpec() });
  const createTasks = () => fill(store, tasks, isRunning ? perTransactionRunning : perTransaction, (tx, i) => {
    const id = `s${String(i).padStart(24, "0")}`;
    tx.create("service", newService({ id, spec: { ...spec, name: id } }));
    tx.create("revision", newRevision(id, 1, spec));
    tx.create("task", newTask({ id: `t${String(i).padStart(24, "0")}`, serviceId: id, revision: 1, slot: 1, status: newTaskStatus({ state: "PENDING" }) }));
  });
  const start = () => startScheduler({ store, clock: systemClock, log: silentLogger, random: Math.random });
  let scheduler: Scheduler | undefined;
  if (isRunning) {
    scheduler = start();
    while (!isUp(scheduler)) await breathe();
  } else await createTasks();
  // No collection is forced: V8 throws compiled code away with it, and 50 ms of compiling would be measured.
  await breathe();
  const endWatch = watchTurns();
  const startMs = performance.now(), startCpu = process.cpuUsage();
  let left = tasks;
  const allAssigned = new Promise<void>((resolve) => {
    store.watch(({ changes }) => {
      for (const change of changes) if (change.table === "task" && change.object.nodeId !== "") left--;
      if (left === 0) resolve();
    });
  });
  scheduler ??= start();
  if (isRunning) await createTasks();
  await allAssigned;
  const ms = performance.now() - startMs;
  const { user, system } = process.cpuUsage(startCpu);
  await breathe();
  const turns = endWatch();
  await scheduler.stop();
  return { ms, cpuMs: (user + system) / 1_000, turns };
}

/** Whether it has read all that there is. */
function isUp(scheduler: Scheduler): boolean {
  try {
    return scheduler.inspect(() => true);
  } catch { return false; }
}

async function fill(store: TestStore, count: number, each: number, create: (tx: Parameters<Parameters<TestStore["update"]>[0]>[0], i: number) => void): Promise<void> {
  for (let from = 0; from < count; from += each) {
    await store.update((tx) => { for (let i = from; i < Math.min(count, from + each); i++) create(tx, i); });
    await breathe();
  }
}

const swarmKit = (peerValue: number): Peer => ({ peer: "SwarmKit, its own benchmark", peerValue });

export const loopCases: readonly Case[] = [
  oneOffs("S1-1k/1k", 1_000, 1_000, swarmKit(9_000)), oneOffs("S1-1k/10k", 1_000, 10_000, swarmKit(10_000)), oneOffs("S1-1k/100k", 1_000, 100_000, swarmKit(8_000)),
  oneOffs("S1-100k/1k", 100_000, 1_000, swarmKit(120)), oneOffs("S1-100k/1k running", 100_000, 1_000, undefined, true), oneOffs("S1-100k/100k", 100_000, 100_000, swarmKit(119)),
];
