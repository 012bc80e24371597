import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { busyboxImage, dockerSave } from "../../../scripts/base-images.js";
import { codeOf, silentLogger } from "../../lib/index.js";
import { waitFor } from "../../lib/testing.js";
import type { ContainerConfig, EngineEvent } from "../api/index.js";
import { openMetadata } from "../metadata.js";
import { containerConfig, linesOf, openEngineRig, type EngineRig } from "../testing.js";

const forever = ["sleep", "1000"];
const none = { cpuMillis: 0, memoryBytes: 0, pids: 0 };

describe("engine: what becomes of containers", function () {
  this.timeout(60_000);
  let rig: EngineRig;
  let events: EngineEvent[] = [];
  const ending = new AbortController();
  before(async () => {
    rig = await openEngineRig();
    await rig.engine().images.load(dockerSave(await busyboxImage()));
    void collect();
  });
  after(async () => { ending.abort(); await rig?.close(); });
  async function collect() { for await (const event of rig.engine().events.stream({ signal: ending.signal })) events.push(event); }

  const create = async (more: Partial<ContainerConfig> = {}) => { const spec = containerConfig({ args: forever, ...more }); await rig.engine().create(spec); return spec; };
  const details = (id: string) => rig.engine().find(id);
  const actions = (id: string) => events.filter((e) => e.actorId === id && !e.action.startsWith("exec_")).map((e) => (e.action === "kill" ? `kill ${e.attributes["signal"]}` : e.action));

  it("have a name of their own, and are found by name, id and an id's beginning", async () => {
    const a = await create({ id: "ab11".padEnd(24, "0"), name: "web" });
    const b = await create({ id: "ab22".padEnd(24, "0"), name: "ab" });
    await assert.rejects(create({ name: "web" }), (e: Error) => codeOf(e) === "ALREADY_EXISTS" && e.message === `Conflict. The container name "/web" is already in use by container "${a.id}". You have to remove (or rename) that container to be able to reuse that name.`);
    assert.deepEqual([(await details("web")).id, (await details("/web")).id, (await details("ab1")).id, (await details("ab")).id, (await details(b.id)).name], [a.id, a.id, a.id, b.id, "ab"]);
    await rig.engine().rename(b.id, "other");
    await assert.rejects(details("ab"), (e: Error) => codeOf(e) === "INVALID_ARGUMENT" && /the ids of 2 containers begin with it/.test(e.message));
    await assert.rejects(details("zz"), (e: Error) => codeOf(e) === "NOT_FOUND" && /No such container/.test(e.message));
    await assert.rejects(details(""), (e: Error) => codeOf(e) === "NOT_FOUND");
    for (const bad of ["", "a", "a b", "-x", "x/y", "x".repeat(300)]) await assert.rejects(create({ name: bad }), /Invalid container name/);
    await rig.engine().remove(a.id);
    await create({ id: "ab33".padEnd(24, "0"), name: "web" });
    for (const name of ["web", "other"]) await rig.engine().remove((await details(name)).id);
  });

  it("are renamed, unless the name is taken, and keep the new name", async () => {
    const a = await create({ name: "first" });
    const b = await create({ name: "second" });
    await assert.rejects(rig.engine().rename(a.id, "second"), (e: Error) => codeOf(e) === "ALREADY_EXISTS");
    await assert.rejects(rig.engine().rename(a.id, "a b"), (e: Error) => codeOf(e) === "INVALID_ARGUMENT");
    await rig.engine().rename(a.id, "third");
    await rig.engine().rename(b.id, "first");
    await rig.reopen();
    void collect();
    assert.deepEqual([(await details("third")).id, (await details("first")).id], [a.id, b.id]);
    assert.equal(events.find((e) => e.actorId === a.id && e.action === "rename")!.attributes["oldName"], "/first");
    for (const { id } of [a, b]) await rig.engine().remove(id);
  });

  it("two creations of one name at once: one of them gets it", async () => {
    const both = await Promise.allSettled([create({ name: "twin" }), create({ name: "twin" })]);
    assert.deepEqual(both.map((r) => r.status).sort(), ["fulfilled", "rejected"]);
    await rig.engine().remove((await details("twin")).id);
  });

  it("tell everything about themselves", async () => {
    const spec = await create({ args: ["sleep", "77"], hostname: "", labels: { a: "b" }, mounts: [{ type: "volume", name: "", target: "/v/", readOnly: false }, { type: "tmpfs", target: "/t" }] });
    const before = await details(spec.id);
    assert.deepEqual([before.phase, before.isPaused, before.restartCount, before.argv, before.config.hostname, before.pid], ["created", false, 0, ["sleep", "77"], spec.id.slice(0, 12), 0]);
    assert.deepEqual(before.mounts.map((m) => [m.type, m.target, existsSync(m.source) || m.type === "tmpfs"]), [["tmpfs", "/t", true], ["volume", "/v", true]]);
    await rig.engine().start(spec.id);
    const running = await details(spec.id);
    assert.ok(running.pid > 0 && existsSync(running.paths.hosts));
    assert.equal((await rig.engine().details()).filter((d) => d.id === spec.id).length, 1);
    await rig.engine().remove(spec.id, { force: true });
  });

  it("waits: not-running at once or at the next end, next-exit only at the next, removed at the removal", async () => {
    const { id } = await create({ args: ["sh", "-c", "exit 4"] });
    assert.equal((await rig.engine().waitFor(id, "not-running")).exitCode, 0);
    const next = rig.engine().waitFor(id, "next-exit");
    const removed = rig.engine().waitFor(id, "removed");
    await rig.engine().start(id);
    assert.equal((await next).exitCode, 4);
    assert.equal((await rig.engine().waitFor(id, "not-running")).exitCode, 4);
    const again = rig.engine().waitFor(id, "next-exit");
    const cut = new AbortController();
    const given = rig.engine().waitFor(id, "next-exit", cut.signal);
    cut.abort(new Error("gone"));
    await assert.rejects(given, /gone/);
    await rig.engine().start(id);
    assert.equal((await again).exitCode, 4);
    await rig.engine().remove(id);
    assert.equal((await removed).exitCode, 4);
    await assert.rejects(rig.engine().waitFor(id, "removed"), (e: Error) => codeOf(e) === "NOT_FOUND");
  });

  it("pause and go on; what is paused runs no command, and a stop ends it", async () => {
    const id = await rig.run("busybox", ["sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.05; done"]);
    await rig.engine().pause(id);
    assert.equal((await details(id)).isPaused, true);
    await assert.rejects(rig.engine().pause(id), /it is paused already/);
    await assert.rejects(rig.engine().exec(id, { command: ["true"], timeoutMs: 5_000 }), /it is paused; unpause it first/);
    await assert.rejects(rig.engine().start(id), /it is paused; unpause it instead/);
    await assert.rejects(rig.engine().remove(id), /it is paused/);
    await rig.engine().unpause(id);
    await assert.rejects(rig.engine().unpause(id), /it is not paused/);
    assert.equal((await rig.engine().exec(id, { command: ["true"], timeoutMs: 5_000 })).exitCode, 0);
    await rig.engine().pause(id);
    await rig.engine().stop(id, { graceMs: 10_000 });
    const after = await details(id);
    assert.deepEqual([after.isPaused, after.exit!.exitCode], [false, 3]);
    await rig.engine().start(id);
    await rig.engine().pause(id);
    await rig.engine().kill(id, "KILL");
    assert.equal((await rig.engine().wait(id)).exitCode, 137);
    await rig.engine().start(id);
    await rig.engine().pause(id);
    await rig.engine().remove(id, { force: true });
  });

  it("stay paused under another daemon", async () => {
    const id = await rig.run("busybox", forever);
    await rig.engine().pause(id);
    await rig.reopen();
    void collect();
    assert.equal((await details(id)).isPaused, true);
    await rig.engine().unpause(id);
    await rig.engine().remove(id, { force: true });
  });

  it("restart: stopped, if they run, and started, with Docker's events in Docker's order", async () => {
    events = [];
    const { id } = await create({ args: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"], labels: { team: "red" }, name: "restarted" });
    await rig.engine().restart(id, { graceMs: 10_000 });
    const { pid } = await details(id);
    await waitFor("the trap", async () => (await rig.engine().exec(id, { command: ["grep", "-c", "SigCgt:.*[4567c-f]...$", "/proc/1/status"], timeoutMs: 5_000 })).exitCode === 0);
    await rig.engine().restart(id, { graceMs: 10_000 });
    assert.notEqual((await details(id)).pid, pid);
    await rig.engine().stop(id, { graceMs: 0 });
    await rig.engine().remove(id);
    await waitFor("the last event", () => actions(id).includes("destroy"));
    assert.deepEqual(actions(id), ["create", "start", "restart", "kill 15", "die", "stop", "start", "restart", "kill 15", "kill 9", "die", "stop", "destroy"]);
    const die = events.find((e) => e.actorId === id && e.action === "die")!;
    assert.deepEqual(die.attributes, { team: "red", image: "busybox", name: "restarted", exitCode: "0", execDuration: die.attributes["execDuration"] });
    assert.match(die.attributes["execDuration"]!, /^\d+$/);
  });

  it("a policy starts them again with a growing delay, counts, and gives up at its maximum", async () => {
    const { id } = await create({ args: ["sh", "-c", "echo life; exit 5"], restart: { name: "on-failure", maximumRetries: 2 } });
    await rig.engine().start(id);
    await waitFor("the last life", async () => { const d = await details(id); return d.restartCount === 2 && d.phase === "exited" && !d.isRestarting; });
    assert.equal((await rig.engine().waitFor(id, "not-running")).exitCode, 5);
    assert.deepEqual(await rig.output(id), ["life", "life", "life"]);
    await rig.engine().remove(id);
  });

  it("on-failure lets a success be; always does not, until someone stops it", async () => {
    const { id: fine } = await create({ args: ["true"], restart: { name: "on-failure", maximumRetries: 0 } });
    await rig.engine().start(fine);
    await rig.engine().wait(fine);
    assert.equal((await details(fine)).isRestarting, false);
    const { id } = await create({ args: ["true"], restart: { name: "always", maximumRetries: 0 } });
    await rig.engine().start(id);
    await waitFor("a long wait between two lives", async () => { const d = await details(id); return d.restartCount >= 3 && d.isRestarting; });
    await assert.rejects(rig.engine().exec(id, { command: ["true"], timeoutMs: 1_000 }), /it is restarting; wait until it runs/);
    await assert.rejects(rig.engine().pause(id), /it is restarting/);
    await assert.rejects(rig.engine().remove(id), /it is restarting; stop it first/);
    const waiting = rig.engine().waitFor(id, "not-running");
    await rig.engine().stop(id, { graceMs: 1_000 });
    assert.equal((await waiting).exitCode, 0);
    const stopped = await details(id);
    assert.deepEqual([stopped.isRestarting, stopped.phase], [false, "exited"]);
    await rig.engine().start(id);
    assert.equal((await details(id)).restartCount <= 1, true);
    await rig.engine().remove(id, { force: true });
    await rig.engine().remove(fine);
  });

  it("are killed when a kill with SIGKILL resolves: they can be removed at once; other signals are only sent", async () => {
    const { id } = await create({ restart: { name: "always", maximumRetries: 0 } });
    await rig.engine().start(id);
    await rig.engine().kill(id, "USR1");
    assert.equal((await details(id)).phase, "running");
    await rig.engine().kill(id, "9");
    assert.equal((await details(id)).phase, "exited");
    await assert.rejects(rig.engine().kill(id, "KILL"), /it is not running/);
    await rig.engine().remove(id);
    const both = await create({ autoRemove: true });
    await rig.engine().start(both.id);
    await Promise.allSettled([rig.engine().kill(both.id, "KILL"), rig.engine().kill(both.id, "KILL"), rig.engine().remove(both.id, { force: true })]);
    await waitFor("the removal", async () => (await details(both.id).catch(codeOf)) === "NOT_FOUND");
  });

  it("what someone stops or kills stays so: a policy does not start it", async () => {
    const { id } = await create({ restart: { name: "unless-stopped", maximumRetries: 0 } });
    await rig.engine().start(id);
    await rig.engine().kill(id, "SIGKILL");
    await rig.engine().wait(id);
    assert.equal((await details(id)).isRestarting, false);
    await rig.reopen();
    void collect();
    assert.equal((await details(id)).phase, "exited");
    await rig.engine().start(id);
    process.kill((await details(id)).pid, "SIGKILL");
    await waitFor("another life", async () => { const d = await details(id); return d.restartCount === 1 && d.phase === "running"; });
    await rig.engine().remove(id, { force: true });
  });

  it("policies go on with another daemon: what ended meanwhile is started, and always even what was stopped", async () => {
    const { id: always } = await create({ restart: { name: "always", maximumRetries: 0 } });
    const { id: unlessStopped } = await create({ restart: { name: "unless-stopped", maximumRetries: 0 } });
    const { id: never } = await create({ restart: { name: "always", maximumRetries: 0 } });
    for (const id of [always, unlessStopped]) await rig.engine().start(id);
    await rig.engine().stop(always, { graceMs: 0 });
    const { pid } = await details(unlessStopped);
    await rig.engine().close();
    process.kill(pid, "SIGKILL");
    await waitFor("the exit file", () => existsSync(join(rig.config.stateDir, "exits", `${unlessStopped}.json`)));
    await rig.reopen();
    void collect();
    for (const id of [always, unlessStopped]) await waitFor("it to run again", async () => (await details(id)).phase === "running");
    assert.equal((await details(never)).phase, "created");
    for (const id of [always, unlessStopped, never]) await rig.engine().remove(id, { force: true });
  });

  it("a start or a commit that a daemon's death cut off: the next one starts what was being restarted, and thaws what it had frozen", async () => {
    const { id: restarted } = await create({});
    const { id: committed } = await create({});
    const { id: startedAgain } = await create({ restart: { name: "always", maximumRetries: 0 } });
    for (const id of [restarted, committed, startedAgain]) await rig.engine().start(id);
    for (const id of [restarted, startedAgain]) await rig.engine().stop(id, { graceMs: 0 });
    await rig.engine().pause(committed);
    await rig.engine().close();
    const metadata = await openMetadata(join(rig.config.stateDir, "engine", "db"), silentLogger);
    for (const record of await metadata.containers()) {
      const { id } = record.config;
      if (id === committed) await metadata.putContainer({ ...record, isPausedBriefly: true });
      else if (id === restarted || id === startedAgain) {
        await metadata.putContainer({ ...record, phase: "starting", exit: undefined, process: undefined, isStoppedByUser: false, ...(id === restarted ? { restartsAtMs: 1 } : {}) });
        for (const name of ["state.json", "monitor.json"]) rmSync(join(rig.config.runDir, "containers", id, name), { force: true });
      }
    }
    await metadata.close();
    await rig.reopen();
    void collect();
    for (const id of [restarted, startedAgain]) await waitFor("it to run again", async () => (await details(id)).phase === "running");
    assert.equal((await details(committed)).isPaused, false);
    for (const id of [restarted, committed, startedAgain]) {
      assert.equal((await rig.engine().exec(id, { command: ["true"], timeoutMs: 10_000 })).exitCode, 0);
      await rig.engine().remove(id, { force: true });
    }
  });

  it("remove themselves at their end with their anonymous volumes, also when the daemon was away, but not for a restart", async () => {
    const mounts = [{ type: "volume" as const, name: "", target: "/v", readOnly: false }];
    const before = readdirSync(join(rig.config.stateDir, "volumes"));
    const { id } = await create({ args: ["true"], autoRemove: true, mounts });
    const removed = rig.engine().waitFor(id, "removed");
    await rig.engine().start(id);
    assert.equal((await removed).exitCode, 0);
    assert.deepEqual(readdirSync(join(rig.config.stateDir, "volumes")), before);
    const { id: restarted } = await create({ autoRemove: true });
    await rig.engine().start(restarted);
    await rig.engine().restart(restarted, { graceMs: 0 });
    assert.equal((await details(restarted)).phase, "running");
    const { pid } = await details(restarted);
    await rig.engine().close();
    process.kill(pid, "SIGKILL");
    await waitFor("the exit file", () => existsSync(join(rig.config.stateDir, "exits", `${restarted}.json`)));
    await rig.reopen();
    void collect();
    await waitFor("it to be gone", async () => (await rig.engine().inspect(restarted)) === undefined);
    const { id: broken } = await create({ args: ["nope"], autoRemove: true });
    await assert.rejects(rig.engine().start(broken), /executable file not found/);
    await waitFor("it to be gone", async () => (await rig.engine().inspect(broken)) === undefined);
    await assert.rejects(create({ autoRemove: true, restart: { name: "always", maximumRetries: 0 } }), /leave one of the two out/);
  });

  it("leave their anonymous volumes when asked to", async () => {
    const { id } = await create({ mounts: [{ type: "volume", name: "", target: "/v", readOnly: false }] });
    const { name, source } = (await details(id)).mounts[0]!;
    await rig.engine().remove(id, { removeVolumes: false });
    assert.ok(name.length === 64 && existsSync(source));
  });

  it("are pruned when nothing runs in them, by label and by age", async () => {
    const old = await create({ labels: { keep: "no" } });
    const kept = await create({ labels: { keep: "yes" } });
    const running = await create({ labels: { keep: "no" } });
    await rig.engine().start(running.id);
    const prune = async (options: object) => (await rig.engine().pruneContainers(options)).deleted;
    assert.deepEqual(await prune({ untilMs: 1, labels: [] }), []);
    assert.deepEqual(await prune({ labels: [{ name: "keep", value: "yes", isNegated: true }, { name: "keep" }] }), [old.id]);
    assert.deepEqual((await prune({})).includes(kept.id), true);
    assert.equal((await details(running.id)).phase, "running");
    await rig.engine().remove(running.id, { force: true });
  });

  it("get other limits while they run, and keep them", async () => {
    const { id } = await create({ limits: { ...none, memoryBytes: 64 * 1024 * 1024, pids: 50 }, resources: {} });
    await rig.engine().start(id);
    const file = (controller: string, name: string) => readFileSync(join("/sys/fs/cgroup", controller, rig.config.cgroupParent, id, name), "utf8").trim();
    const isV2 = (await rig.engine().info()).cgroups === "v2";
    const limit = () => (isV2 ? file("", "memory.max") : file("memory", "memory.limit_in_bytes"));
    assert.deepEqual(await rig.engine().update(id, { limits: { memoryBytes: 32 * 1024 * 1024, pids: 0, cpuMillis: 500 }, resources: { cpuShares: 256 } }), { warnings: [] });
    assert.equal(limit(), String(32 * 1024 * 1024));
    assert.equal(isV2 ? file("", "pids.max") : file("pids", "pids.max"), "max");
    if (!isV2) assert.deepEqual([file("cpu", "cpu.shares"), file("cpu", "cpu.cfs_quota_us")], ["256", "50000"]);
    await rig.engine().update(id, { limits: { cpuMillis: 0 }, resources: { cpuQuotaUs: 20_000, cpuPeriodUs: 50_000 } });
    if (!isV2) assert.deepEqual([file("cpu", "cpu.cfs_period_us"), file("cpu", "cpu.cfs_quota_us")], ["50000", "20000"]);
    await assert.rejects(rig.engine().update(id, { limits: { memoryBytes: 1024 } }), (e: Error) => codeOf(e) === "INVALID_ARGUMENT" && /^SwarmError: Cannot update container ".*": the memory limit is 1024 bytes; the least is 6291456/.test(String(e)));
    await assert.rejects(rig.engine().update(id, { limits: { cpuMillis: 100 } }), /give one of the two/);
    await assert.rejects(rig.engine().update(id, { resources: { memorySwapBytes: 16 * 1024 * 1024 } }), /is below the memory limit/);
    assert.equal(limit(), String(32 * 1024 * 1024));
    await rig.engine().restart(id, { graceMs: 0 });
    assert.equal(limit(), String(32 * 1024 * 1024));
    assert.equal((await details(id)).config.limits.memoryBytes, 32 * 1024 * 1024);
    await rig.engine().remove(id, { force: true });
  });

  it("a policy given later counts at the next end", async () => {
    const { id } = await create();
    await rig.engine().start(id);
    await rig.engine().update(id, { restart: { name: "on-failure", maximumRetries: 1 } });
    process.kill((await details(id)).pid, "SIGKILL");
    await waitFor("another life", async () => { const d = await details(id); return d.restartCount === 1 && d.phase === "running"; });
    await rig.engine().remove(id, { force: true });
    const auto = await create({ autoRemove: true });
    await assert.rejects(rig.engine().update(auto.id, { restart: { name: "always", maximumRetries: 0 } }), /leave one of the two out/);
    await rig.engine().remove(auto.id);
  });

  it("keep the last five probes, do not probe while paused, and go on under another daemon", async () => {
    const health = { test: ["CMD-SHELL", "echo probe; test ! -e /bad"], intervalMs: 20, timeoutMs: 5_000, retries: 2, startPeriodMs: 0, startIntervalMs: 0 };
    const { id } = await create({ health });
    await rig.engine().start(id);
    await waitFor("five probes", async () => (await details(id)).healthProbes.length === 5);
    const { healthProbes } = await details(id);
    assert.ok(healthProbes.every((p) => p.exitCode === 0 && p.output === "probe\n" && p.endedAtMs >= p.startedAtMs && p.startedAtMs > 0));
    await rig.engine().pause(id);
    const last = (await details(id)).healthProbes.at(-1)!;
    await rig.reopen();
    void collect();
    assert.deepEqual((await details(id)).healthProbes.at(-1), last);
    await rig.engine().unpause(id);
    await rig.engine().exec(id, { command: ["touch", "/bad"], timeoutMs: 5_000 });
    await waitFor("unhealthy", async () => { const d = await details(id); return d.health === "unhealthy" && d.failingStreak >= 2; });
    assert.ok(actions(id).includes("health_status: unhealthy"));
    await rig.engine().remove(id, { force: true });
    const { id: off } = await create({ health: { ...health, test: ["NONE"] } });
    await rig.engine().start(off);
    assert.equal((await details(off)).health, "none");
    await rig.engine().remove(off, { force: true });
  });

  it("two callers at once: both starts are content, one removal removes, a stop and a kill end it once", async () => {
    const { id } = await create();
    await Promise.all([rig.engine().start(id), rig.engine().start(id), rig.engine().start(id)]);
    await Promise.allSettled([rig.engine().stop(id, { graceMs: 5_000 }), rig.engine().kill(id, "KILL"), rig.engine().restart(id, { graceMs: 0 })]);
    await waitFor("calm", async () => ["running", "exited"].includes((await details(id)).phase));
    await Promise.all([rig.engine().remove(id, { force: true }), rig.engine().remove(id, { force: true }), rig.engine().stop(id, { graceMs: 0 }).catch(() => {})]);
    assert.equal(await rig.engine().inspect(id), undefined);
  });

  it("in networks: a port is free again when its container's end is told, and a container that shares another's network has its name", async () => {
    const network = { mode: "bridge", endpoints: {}, ports: [{ containerPort: 80, protocol: "tcp" as const, hostIp: "127.0.0.1", hostPort: "28471" }] };
    for (let i = 0; i < 3; i++) {
      const { id } = await create({ args: ["sh", "-c", "sleep 0.1"], network, autoRemove: i === 1 });
      const ended = rig.engine().waitFor(id, "next-exit");
      await rig.engine().start(id);
      assert.equal((await details(id)).ports[0]?.hostPort, "28471");
      await ended;
    }
    const { id: owner } = await create({ network: { ...network, ports: [] }, hostname: "", restart: { name: "always", maximumRetries: 0 } });
    await rig.engine().start(owner);
    const { id: guest } = await create({ args: ["hostname"], hostname: "", network: { mode: `container:${owner}`, endpoints: {}, ports: [] } });
    await rig.engine().start(guest);
    assert.deepEqual(await rig.output(guest), [owner.slice(0, 12)]);
    const address = async () => (await details(owner)).networks[0]?.ipAddress;
    assert.match((await address())!, /^\d+\.\d+\.\d+\.\d+$/);
    process.kill((await details(owner)).pid, "SIGKILL");
    await waitFor("another life with an address", async () => { const d = await details(owner); return d.restartCount === 1 && d.phase === "running" && Boolean(d.networks[0]?.ipAddress); });
    for (const { id } of (await rig.engine().list())) await rig.engine().remove(id, { force: true });
  });

  it("a grace of a month is one, and -1 is for ever", async () => {
    const id = await rig.run("busybox", ["sh", "-c", "trap 'sleep 0.3; exit 6' TERM; echo ready; while :; do sleep 0.05; done"]);
    for (const graceMs of [31 * 86_400_000, -1]) {
      await waitFor("the trap", async () => (await linesOf(rig.engine().logs(id, {}))).length > 0);
      await rig.engine().stop(id, { graceMs });
      assert.equal((await rig.engine().wait(id)).exitCode, 6);
      if (graceMs > 0) await rig.engine().start(id);
    }
    await rig.engine().remove(id);
  });

  it("records of earlier versions are read", async () => {
    const { id } = await create();
    await rig.engine().start(id);
    await rig.engine().close();
    const { Level } = await import("level");
    const db = new Level<string, unknown>(join(rig.config.stateDir, "engine", "db"), { valueEncoding: "json" });
    const containers = db.sublevel<string, Record<string, unknown>>("containers", { valueEncoding: "json" });
    const record = (await containers.get(id))!;
    for (const name of ["isPaused", "restartCount", "restartDelayMs", "restartsAtMs", "isStoppedByUser", "failingStreak", "healthProbes"]) delete record[name];
    await containers.put(id, record);
    await db.close();
    await rig.reopen();
    void collect();
    const read = await details(id);
    assert.deepEqual([read.phase, read.isPaused, read.restartCount, read.healthProbes], ["running", false, 0, []]);
    await rig.engine().remove(id, { force: true });
  });
});
