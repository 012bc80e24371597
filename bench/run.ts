/**
 * run: containers through the Docker API on a bridge network: create, start, wait and delete one after the other and 8 at once, exec of true, 100 started, memory of each.
 *
 *   npm run bench -- run
 *   npm run bench -- run --peer docker        # and Debian's dockerd, in the same run
 *   RUNTIME=runc npm run bench -- run         # another OCI runtime than swarmd would choose
 */
import { readFileSync, readdirSync } from "node:fs";
import { Readable } from "node:stream";
import { busyboxImage, dockerSave } from "../scripts/base-images.js";
import { apiCall } from "./docker-client.js";
import { openDockerEngine } from "./docker-engine.js";
import { median, note, report } from "./report.js";
import { openSkeinEngine } from "./skein-engine.js";

/** One engine under measure. */
interface Measured {
  readonly socket: string;
  /** Processes that are there once, and those that are there for each container beside its own. */
  daemons(): number[];
  supervisors(): number[];
  readonly rounds: { readonly sequential: number; readonly concurrent: number; readonly execs: number };
}

const started = 100;

async function create(socket: string, command: readonly string[]): Promise<string> {
  return (await apiCall<{ Id: string }>(socket, "POST", "/containers/create", { Image: "busybox:latest", Cmd: command, HostConfig: { NetworkMode: "bridge" } })).Id;
}

async function life(socket: string): Promise<void> {
  const id = await create(socket, ["true"]);
  await apiCall(socket, "POST", `/containers/${id}/start`);
  const { StatusCode } = await apiCall<{ StatusCode: number }>(socket, "POST", `/containers/${id}/wait`);
  if (StatusCode !== 0) throw new Error(`"true" ended with ${StatusCode}`);
  await apiCall(socket, "DELETE", `/containers/${id}`);
}

/** `work` so often, so many at a time. */
async function times(count: number, atOnce: number, work: () => Promise<void>): Promise<void> {
  let left = count;
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, async () => { while (left-- > 0) await work(); }));
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function execTrue(socket: string, id: string): Promise<void> {
  const { Id } = await apiCall<{ Id: string }>(socket, "POST", `/containers/${id}/exec`, { Cmd: ["true"], AttachStdout: true, AttachStderr: true });
  await apiCall(socket, "POST", `/exec/${Id}/start`, { Detach: false, Tty: false });
  const { ExitCode } = await apiCall<{ ExitCode: number }>(socket, "GET", `/exec/${Id}/json`);
  if (ExitCode !== 0) throw new Error(`exec of "true" ended with ${ExitCode}`);
}

const pssBytes = (pids: readonly number[]): number => pids.reduce((sum, pid) => {
  try { return sum + 1024 * Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0); } catch { return sum; }
}, 0);
const everyPid = (): number[] => readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number);
function commandOf(pid: number): string { try { return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " "); } catch { return ""; } }

async function measure({ socket, daemons, supervisors, rounds }: Measured): Promise<Map<string, number>> {
  const results = new Map<string, number>();
  await apiCall(socket, "POST", "/images/load?quiet=1", Readable.from(dockerSave(await busyboxImage())));
  await times(3, 1, () => life(socket));

  // First: what a burst of containers leaves to the kernel (namespaces, control groups) goes on for seconds after it.
  const id = await create(socket, ["sleep", "3600"]);
  await apiCall(socket, "POST", `/containers/${id}/start`);
  for (let i = 0; i < 10; i++) await execTrue(socket, id);
  const execs: number[] = [];
  for (let i = 0; i < rounds.execs; i++) execs.push(await timed(() => execTrue(socket, id)));
  results.set("exec true", median(execs));
  await apiCall(socket, "DELETE", `/containers/${id}?force=1`);

  const each: number[] = [];
  for (let i = 0; i < rounds.sequential; i++) each.push(await timed(() => life(socket)));
  results.set("sequential", median(each));
  results.set("8 at once", (1000 * rounds.concurrent) / await timed(() => times(rounds.concurrent, 8, () => life(socket))));
  note(`  ${results.get("sequential")!.toFixed(1)} ms each, ${results.get("8 at once")!.toFixed(1)} per s with 8 at once`);

  const before = pssBytes(daemons());
  const ids: string[] = [];
  results.set("100 started", await timed(() => times(started, 16, async () => {
    const one = await create(socket, ["sleep", "3600"]);
    ids.push(one);
    await apiCall(socket, "POST", `/containers/${one}/start`);
  })));
  // What the burst left for the garbage collector is not the containers'.
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  results.set("memory", (Math.max(0, pssBytes(daemons()) - before) + pssBytes(supervisors())) / started / 2 ** 20);
  await times(started, 8, async () => { await apiCall(socket, "DELETE", `/containers/${ids.pop()!}?force=1`); });
  note(`  exec ${results.get("exec true")!.toFixed(1)} ms, 100 started in ${results.get("100 started")!.toFixed(0)} ms, ${results.get("memory")!.toFixed(2)} MiB each`);
  return results;
}

note("skein");
const skein = await openSkeinEngine(process.env["RUNTIME"] ? ["--runtime", process.env["RUNTIME"]] : []);
let ours: Map<string, number>;
try {
  const isOurs = (pid: number, word: string) => { const command = commandOf(pid); return command.includes(word) && command.includes(skein.directory); };
  ours = await measure({
    socket: skein.socket, rounds: { sequential: 50, concurrent: 120, execs: 50 },
    daemons: () => [skein.pid], supervisors: () => everyPid().filter((pid) => isOurs(pid, "skein-monitor run")),
  });
} finally { await skein.down(); }

let peer: Map<string, number> | undefined;
if (process.argv.includes("--peer") && process.argv[process.argv.indexOf("--peer") + 1] === "docker") {
  note("docker");
  const docker = await openDockerEngine([]);
  try {
    const directory = docker.socket.slice(0, docker.socket.lastIndexOf("/"));
    const found = (pid: number, words: RegExp) => { const command = commandOf(pid); return words.test(command) && command.includes(directory); };
    peer = await measure({
      socket: docker.socket, rounds: { sequential: 20, concurrent: 40, execs: 20 },
      daemons: () => everyPid().filter((pid) => found(pid, /^(\S*\/)?(dockerd|containerd) /)), supervisors: () => everyPid().filter((pid) => found(pid, /^\S*containerd-shim/)),
    });
  } finally { await docker.down(); }
}

const tell = (name: string, metric: string, unit: string) => report({ bench: "run", case: name, metric, value: ours.get(name)!, unit, ...(peer ? { peer: "dockerd 20.10", peerValue: peer.get(name)! } : {}) });
tell("sequential", "create, start, wait and delete on bridge, median", "ms");
tell("8 at once", "create, start, wait and delete on bridge", "per s");
tell("exec true", "create, start and inspect of an exec, median", "ms");
tell("100 started", "create and start, 16 at a time", "ms");
tell("memory", "PSS of its supervisor and growth of the daemon, per running container of 100", "MiB");
