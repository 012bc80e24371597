/**
 * npm run up: a cluster of 3 managers and 2 workers on this machine, with a web service of 6 replicas on an overlay network and a published
 * port. Does only what is missing, so running it again mends a demo that lost something, and says that it is up.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { get } from "node:http";
import { labList, labStart, labResume, labUp, labDown, type LabRow } from "../src/lab/index.js";
import { SwarmError, codeOf, isRetryable, messageOf, sleep, systemClock } from "../src/lib/index.js";
import { ContextStore, ServiceWatch, connect, loadImages, processTerminal, slotsOf, verdictOf, type Connection } from "../src/cli/index.js";
import { newContainerSpec, newEndpointSpec, newNetworkSpec, newPlacement, newPort, newServiceSpec, newTaskSpec } from "../src/model/index.js";
import type { CreateServiceResponse } from "../src/gen/swarm/v1/CreateServiceResponse.js";
import type { GetServiceResponse } from "../src/gen/swarm/v1/GetServiceResponse.js";
import type { InfoResponse } from "../src/gen/swarm/v1/InfoResponse.js";
import type { ListNodesResponse } from "../src/gen/swarm/v1/ListNodesResponse.js";
import type { ListTasksResponse } from "../src/gen/swarm/v1/ListTasksResponse.js";
import { demo, imagePath, root } from "./demo.js";
import { Steps } from "./steps.js";

const run = promisify(execFile);
const steps = new Steps();
const setupSeconds = Number(process.env["SKEIN_SETUP_SECONDS"] ?? 0);

async function main(): Promise<void> {
  const before = demoHosts();
  const missing = before.filter((row) => row.state !== "running").length;
  const rows = await steps.step(before.length ? "the lab's hosts" : `a lab of ${demo.managers} managers and ${demo.workers} workers`, (note) => ensureLab(before, note));
  const contexts = ContextStore.inHome(process.env);
  contexts.set(demo.lab, { sockets: rows.map((row) => row.runDir) });
  contexts.use(demo.lab);
  const cluster = connect({ places: rows.map((row) => row.runDir), onStale: () => {} });
  try {
    const isNew = await deploy(cluster, rows);
    const took = `after ${(steps.seconds + setupSeconds).toFixed(0)} s`;
    await report(cluster, rows, isNew ? `The demo cluster is up, ${took}.` : missing > 0 ? `The demo cluster is up again, ${took}: ${missing} ${missing === 1 ? "host was" : "hosts were"} down.` : "The demo cluster is up already.");
  } finally { cluster.close(); }
}

const demoHosts = (): LabRow[] => labList().filter((row) => row.lab === demo.lab);

async function ensureLab(before: readonly LabRow[], note: (text: string) => void): Promise<LabRow[]> {
  if (before.length > 0 && before.length !== demo.managers + demo.workers) {
    note("what an earlier start left is cleared");
    await labDown(demo.lab);
    before = [];
  }
  if (before.length === 0) {
    await labUp({ name: demo.lab, managers: demo.managers, workers: demo.workers, onProgress: ({ step, done, total, host }) => note(`${step} ${done} of ${total}${host ? `, ${host}` : ""}`) });
    return demoHosts();
  }
  const healed = before.filter((row) => row.state !== "running");
  for (const row of healed) {
    note(`${row.host} was ${row.state}`);
    if (row.state === "paused") await labResume(demo.lab, row.host);
    await labStart(demo.lab, row.host);
  }
  note(healed.length ? `${healed.length} started again` : "all running");
  // The cluster may not have noticed yet that a host was away: each daemon itself must say that it is back.
  await Promise.all(before.map((row) => eventually(`the daemon of ${row.host} has a session with a manager`, 60_000, () => hasSession(row))));
  const connection = connect({ places: before.map((row) => row.runDir), onStale: () => {} });
  try {
    await eventually("every node is ready", 60_000, async () => {
      const { nodes } = await connection.control<ListNodesResponse>("listNodes", { filters: [] }, { timeoutMs: 5_000 });
      const ready = nodes.filter((node) => node.status?.state === "READY").length;
      if (ready < before.length) throw new SwarmError("UNAVAILABLE", `${ready} of ${before.length} are`);
    });
  } finally { connection.close(); }
  return demoHosts();
}

async function hasSession(row: LabRow): Promise<void> {
  const connection = connect({ places: [row.runDir], onStale: () => {} });
  try {
    const info = await connection.node<InfoResponse>("info", {}, { timeoutMs: 5_000 });
    if (!info.isConnected) throw new SwarmError("UNAVAILABLE", info.error || `its state is ${info.state}`);
  } finally { connection.close(); }
}

/** Whether anything had to be made. */
async function deploy(cluster: Connection, rows: readonly LabRow[]): Promise<boolean> {
  await steps.step(`images on ${rows.length} hosts`, async (note) => {
    if (demo.images.some((name) => !existsSync(imagePath(name)))) { note("being made"); await run("sh", [`${root}/scripts/base-images`]); }
    let done = 0;
    await Promise.all(rows.map(async (row) => { await ensureImages(row); note(`${++done} of ${rows.length}`); }));
  });
  const isNew = await steps.step(`network "${demo.network}" and service "${demo.service}"`, async (note) => {
    const madeNetwork = await create(() => cluster.control("createNetwork", { spec: newNetworkSpec({ name: demo.network }) }));
    const madeService = await create(() => cluster.control<CreateServiceResponse>("createService", { spec: demoSpec() }));
    if (!madeNetwork && !madeService) note("there already");
    return madeService;
  });
  await steps.step(`${demo.replicas} replicas run`, async (note) => {
    const { service } = await cluster.control<GetServiceResponse>("getService", { ref: demo.service });
    let last = "";
    for await (const observation of new ServiceWatch(cluster, service!.id).observations(AbortSignal.timeout(120_000))) {
      if (!observation) throw new SwarmError("NOT_FOUND", `The service "${demo.service}" was removed meanwhile.`);
      const slots = slotsOf(observation);
      const verdict = verdictOf(observation, slots);
      last = slots.find((slot) => slot.why)?.why ?? last;
      note(`${slots.filter((slot) => slot.isRunning).length} of ${observation.desired}${last && verdict.kind !== "converged" ? `: ${last}` : ""}`);
      if (verdict.kind === "converged") return;
      if (verdict.kind === "failing") throw new SwarmError("FAILED_PRECONDITION", `The service "${demo.service}" does not come up: ${verdict.why}`);
    }
    throw new SwarmError("DEADLINE_EXCEEDED", `The service "${demo.service}" did not come up in two minutes${last ? `: ${last}` : ""}; see "bin/swarmctl service ps ${demo.service}".`);
  });
  await steps.step(`port ${demo.port} answers on every host`, async (note) => {
    let done = 0;
    await Promise.all(rows.map(async (row) => {
      await eventually(`http://${row.address}:${demo.port} answers`, 60_000, () => answers(row.address));
      note(`${++done} of ${rows.length}`);
    }));
  });
  return isNew;
}

function demoSpec() {
  return newServiceSpec({
    name: demo.service,
    replicas: demo.replicas,
    endpoint: newEndpointSpec({ ports: [newPort({ targetPort: demo.port, publishedPort: demo.port })] }),
    task: newTaskSpec({
      container: newContainerSpec({
        env: ["SKEIN_TASK={{.Task.Name}}", "SKEIN_NODE={{.Node.Hostname}}"],
        image: "skein/demo",
        health: { test: ["CMD-SHELL", `wget -q -O /dev/null http://127.0.0.1:${demo.port}/health`], intervalMs: 5_000, timeoutMs: 3_000, retries: 3, startPeriodMs: 10_000, startIntervalMs: 500 },
      }),
      networks: [{ target: demo.network, aliases: [] }],
      // Six replicas on five hosts: one of each, so that the demo shows the whole cluster at work.
      placement: newPlacement({ strategy: "SPREAD" }),
    }),
  });
}

async function ensureImages(row: LabRow): Promise<void> {
  const client = connect({ places: [row.runDir], onStale: () => {} }).docker();
  const images = await client.json<{ RepoTags: string[] | null }[]>("GET", "/images/json");
  const present = new Set(images.flatMap(({ RepoTags }) => RepoTags ?? []).map((name) => name.replace(/^skein\//, "").replace(/:latest$/, "")));
  for (const name of demo.images) if (!present.has(name)) await loadImages(client, imagePath(name), { terminal: processTerminal(process.env), isQuiet: true, signal: new AbortController().signal });
}

/** False where it was there. */
async function create(make: () => Promise<unknown>): Promise<boolean> {
  try { await make(); return true; } catch (error) {
    if (codeOf(error) === "ALREADY_EXISTS") return false;
    throw error;
  }
}

function answers(address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = get({ host: address, port: demo.port, path: "/", timeout: 2_000, agent: false }, (response) => {
      response.resume();
      if (response.statusCode === 200) resolve(); else reject(new SwarmError("UNAVAILABLE", `it answers ${response.statusCode}`));
    });
    request.on("timeout", () => request.destroy(new Error("no answer within 2 s")));
    request.on("error", (error) => reject(new SwarmError("UNAVAILABLE", error.message, { cause: error })));
  });
}

async function eventually(what: string, boundMs: number, attempt: () => Promise<void>): Promise<void> {
  const end = systemClock.monotonic() + boundMs;
  for (;;) {
    try { return await attempt(); } catch (error) {
      if (!isRetryable(error) || systemClock.monotonic() > end) throw new SwarmError("DEADLINE_EXCEEDED", `Waited ${boundMs / 1_000} s in vain until ${what}: ${messageOf(error)}`, { cause: error });
    }
    await sleep(systemClock, 200);
  }
}

async function report(cluster: Connection, rows: readonly LabRow[], headline: string): Promise<void> {
  const { tasks } = await cluster.control<ListTasksResponse>("listTasks", { filters: [{ key: "service", value: demo.service }, { key: "state", value: "running" }] });
  const onNode = new Map<string, number>();
  for (const task of tasks) onNode.set(task.nodeName, (onNode.get(task.nodeName) ?? 0) + 1);
  const where = [...onNode].sort(([a], [b]) => (a < b ? -1 : 1)).map(([host, count]) => (count > 1 ? `${host} (${count})` : host)).join(", ");
  const first = rows[0]!;
  const worker = rows.find((row) => row.role === "worker") ?? first;
  console.log([
    "", headline,
    "", `  The web service answers at ${rows.map((row) => `http://${row.address}:${demo.port}`).join("\n                             ")}`,
    `  and runs on                ${where}`, "",
    "Worth typing next:",
    `  curl http://${first.address}:${demo.port}/cgi-bin/whoami      # again and again: another replica each time`,
    "  bin/swarmctl node ls",
    `  bin/swarmctl service ps ${demo.service}`,
    `  bin/swarmctl service scale ${demo.service}=12`,
    `  bin/swarmctl lab kill ${worker.host}                     # a power cut; then: bin/swarmctl service ps ${demo.service}`,
    "", "npm run down takes everything away again.",
  ].join("\n"));
}

main().catch((error: unknown) => {
  process.stderr.write(`\nThe demo is not up: ${messageOf(error)}\n`);
  if (process.env["SKEIN_DEBUG"]) process.stderr.write(`${error instanceof Error ? error.stack : ""}\n`);
  process.exitCode = 1;
});
