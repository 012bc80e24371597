import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { busyboxImage, dockerSave } from "../../../scripts/base-images.js";
import { codeOf, silentLogger, systemClock } from "../../lib/index.js";
import { waitFor } from "../../lib/testing.js";
import { keptLabel, type EngineEvent, type EngineMount } from "../api/index.js";
import { EventLog } from "../events/event-log.js";
import { openEngineRig, type EngineRig } from "../testing.js";
import type { VolumeDriver } from "./driver.js";
import { localDriver } from "./local-driver.js";
import { VolumeStore } from "./volume-store.js";

describe("engine: volumes", function () {
  this.timeout(60_000);
  let rig: EngineRig;
  beforeEach(async () => { rig = await openEngineRig(); });
  afterEach(() => rig?.close());
  const volumes = () => rig.engine().volumes;
  const load = async () => { await rig.engine().images.load(dockerSave(await busyboxImage())); };
  const mount = (name: string, more: Partial<Extract<EngineMount, { type: "volume" }>> = {}): EngineMount => ({ type: "volume", name, target: "/data", readOnly: false, ...more });
  const isMounted = (name: string) => readFileSync("/proc/self/mountinfo", "utf8").includes(` ${join(rig.config.stateDir, "volumes", name, "_data")} `);
  const invalid = (pattern: RegExp) => (e: Error) => { assert.equal(codeOf(e), "INVALID_ARGUMENT"); assert.match(e.message, pattern); return true; };

  it("are made, found, listed and removed, and stay over restarts", async () => {
    const made = await volumes().create({ name: "data", labels: { a: "b" } });
    assert.deepEqual([made.driver, made.labels, made.isAnonymous, made.users], ["local", { a: "b" }, false, []]);
    assert.deepEqual(await volumes().create({ name: "data" }), made, "once more is the same one");
    const anonymous = await volumes().create({ name: "" });
    assert.match(anonymous.name, /^[0-9a-f]{64}$/);
    await rig.reopen();
    assert.deepEqual(await volumes().get("data"), made);
    assert.deepEqual((await volumes().list()).map((v) => v.isAnonymous).sort(), [false, true]);
    await volumes().remove("data");
    assert.equal(await volumes().get("data"), undefined);
    await assert.rejects(volumes().remove("data"), (e: Error) => codeOf(e) === "NOT_FOUND");
    await volumes().remove("data", { force: true });
    for (const name of ["../x", "a/b", ".hidden", "-x", "", " "]) if (name) await assert.rejects(volumes().create({ name }), invalid(/is not valid/));
  });

  it("of earlier versions have no record and are read all the same", async () => {
    mkdirSync(join(rig.config.stateDir, "volumes", "old", "_data"), { recursive: true });
    mkdirSync(join(rig.config.stateDir, "volumes", "damaged", "_data"), { recursive: true });
    writeFileSync(join(rig.config.stateDir, "volumes", "damaged", "volume.json"), "{");
    mkdirSync(join(rig.config.stateDir, "volumes", ".new-half-made", "_data"), { recursive: true });
    await rig.reopen();
    const old = (await volumes().get("old"))!;
    assert.deepEqual([old.driver, old.options, old.isAnonymous, old.createdAtMs > 0], ["local", {}, false, true]);
    assert.deepEqual((await volumes().list()).map((v) => v.name), ["damaged", "old"]);
    assert.ok(!readdirSync(join(rig.config.stateDir, "volumes")).includes(".new-half-made"));
  });

  it("are refused with options that cannot work, other options, or a driver that is not there", async () => {
    await assert.rejects(volumes().create({ name: "x", driver: "rexray" }), (e: Error) => codeOf(e) === "NOT_FOUND" && /Cannot create volume "x": volume driver "rexray" is not known; known are local/.test(e.message));
    await assert.rejects(volumes().create({ name: "x", options: { colour: "red" } }), invalid(/option "colour" is not known to driver local/));
    await assert.rejects(volumes().create({ name: "x", options: { type: "tmpfs" } }), invalid(/a device is missing/));
    await assert.rejects(volumes().create({ name: "x", options: { type: "none", o: "bind", device: "relative" } }), invalid(/must be an absolute path/));
    assert.deepEqual(readdirSync(join(rig.config.stateDir, "volumes")), []);
    await volumes().create({ name: "x" });
    await assert.rejects(volumes().create({ name: "x", options: { type: "tmpfs", device: "tmpfs" } }), (e: Error) => codeOf(e) === "ALREADY_EXISTS" && /with other options/.test(e.message));
  });

  it("with options are mounted while a container runs with them, also over a restart of the daemon", async () => {
    await load();
    await volumes().create({ name: "memory", options: { type: "tmpfs", device: "tmpfs", o: "size=1m,mode=700" } });
    const run = () => rig.run("busybox", ["sh", "-c", "df -k /data | tail -1; sleep 1000"], { mounts: [mount("memory")] });
    const first = await run();
    assert.ok(isMounted("memory"));
    await waitFor("its line", async () => { for await (const line of rig.engine().logs(first, {})) return line.line.toString().includes("1024"); return false; });
    const second = await run();
    await rig.engine().remove(first, { force: true });
    assert.ok(isMounted("memory"), "the second one has it");
    await rig.reopen();
    assert.ok(isMounted("memory"));
    await assert.rejects(volumes().remove("memory"), (e: Error) => codeOf(e) === "FAILED_PRECONDITION" && /volume is in use by container/.test(e.message));
    await rig.engine().stop(second, { graceMs: 0 });
    await waitFor("the unmount", () => !isMounted("memory"));
    await rig.engine().start(second);
    assert.ok(isMounted("memory"));
    await rig.engine().remove(second, { force: true });
    await waitFor("the unmount", () => !isMounted("memory"));
    await volumes().remove("memory");
  });

  it("bind directories, and say why they cannot", async () => {
    await load();
    const outside = join(rig.directory, "outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "file"), "from outside\n");
    await volumes().create({ name: "bound", options: { type: "none", o: "bind", device: outside } });
    assert.deepEqual(await rig.output(await rig.run("busybox", ["cat", "/data/file"], { mounts: [mount("bound")] })), ["from outside"]);
    await waitFor("the unmount", () => !isMounted("bound"));
    await volumes().create({ name: "lost", options: { type: "none", o: "bind", device: "/nowhere/at/all" } });
    await assert.rejects(rig.run("busybox", ["true"], { mounts: [mount("lost")] }), /volume "lost" cannot be mounted \(type none, device \/nowhere\/at\/all\): .*(does not exist|No such file)/);
    assert.equal((await rig.engine().list()).filter((c) => c.phase === "created").length, 0);
    await Promise.allSettled((await rig.engine().list()).map((c) => rig.engine().remove(c.id, { force: true })));
    await volumes().remove("lost");
    await volumes().remove("bound");
    assert.equal(readFileSync(join(outside, "file"), "utf8"), "from outside\n", "what is bound stays");
  });

  it("that are empty are filled from the image when a container is made with them, and not after that", async () => {
    await load();
    await volumes().create({ name: "etc" });
    const id = await rig.run("busybox", ["sh", "-c", "ls /etc; rm -r /etc/*"], { mounts: [mount("etc", { target: "/etc" })] });
    assert.ok((await rig.output(id)).includes("passwd"));
    await rig.engine().wait(id);
    await volumes().create({ name: "bare" });
    assert.deepEqual(await rig.output(await rig.run("busybox", ["ls", "/etc"], { mounts: [mount("bare", { target: "/etc", noCopy: true })] })).then((lines) => lines.filter((l) => l === "passwd")), []);
    assert.deepEqual(await rig.output(await rig.run("busybox", ["sh", "-c", "echo kept > /data/x; cat /data/x"], { mounts: [mount("etc")] })), ["kept"]);
  });

  it("are pruned when nothing has them: anonymous ones, or all", async () => {
    await load();
    await volumes().create({ name: "named", labels: { keep: "no" } });
    await volumes().create({ name: "kept", labels: { [keptLabel]: "" } });
    await volumes().create({ name: "" });
    const id = await rig.run("busybox", ["sh", "-c", "head -c 100000 /dev/zero > /data/x"], { mounts: [mount("used"), mount("", { target: "/anonymous" })] });
    await rig.engine().wait(id);
    assert.equal((await volumes().prune({})).deleted.length, 1);
    await rig.engine().remove(id, { removeVolumes: false });
    assert.equal((await volumes().prune({})).deleted.length, 1, "what the container left behind");
    assert.deepEqual((await volumes().prune({ isAll: true, labels: [{ name: "keep" }] })).deleted, ["named"]);
    const { deleted, freedBytes } = await volumes().prune({ isAll: true });
    assert.deepEqual(deleted, ["used"]);
    assert.ok(freedBytes >= 100_000);
    assert.deepEqual((await volumes().list()).map(({ name }) => name), ["kept"], "whoever needs it is not here now");
    await volumes().remove("kept");
  });

  it("know who has them", async () => {
    await load();
    await rig.run("busybox", ["true"], { name: "one", mounts: [mount("shared")] });
    await rig.run("busybox", ["true"], { name: "two", mounts: [mount("shared")] });
    assert.deepEqual((await volumes().get("shared"))!.users, ["one", "two"]);
    await assert.rejects(volumes().remove("shared"), /in use by 2 containers, such as "one"/);
  });

  it("say what happens to them", async () => {
    await load();
    const seen: EngineEvent[] = [];
    const ending = new AbortController();
    const reading = (async () => { for await (const event of rig.engine().events.stream({ signal: ending.signal })) if (event.type === "volume") seen.push(event); })();
    const id = await rig.run("busybox", ["true"], { mounts: [mount("told")] });
    await rig.engine().wait(id);
    await waitFor("the unmount event", () => seen.some((event) => event.action === "unmount"));
    await rig.engine().remove(id);
    await volumes().remove("told");
    await waitFor("the last event", () => seen.some((event) => event.action === "destroy"));
    ending.abort();
    await reading;
    assert.deepEqual(seen.map((event) => event.action), ["create", "mount", "unmount", "destroy"]);
    assert.deepEqual([seen[1]!.attributes["container"], seen[1]!.attributes["destination"], seen[1]!.actorId], [id, "/data", "told"]);
  });

  it("of other drivers are theirs: a plug", async () => {
    const calls: string[] = [];
    const plug: VolumeDriver = { ...localDriver, name: "plug", check: () => {}, needsMount: () => true, isMounted: async () => false, async mount({ name }) { calls.push(`mount ${name}`); }, async remove({ name }) { calls.push(`remove ${name}`); } };
    const store = await VolumeStore.open({ directory: join(rig.directory, "plugged"), clock: systemClock, log: silentLogger, events: new EventLog(systemClock), usersOf: () => [], volumesOf: () => [], drivers: [plug] });
    await store.create({ name: "p", driver: "plug", options: { any: "thing" } });
    await store.ensure("p", undefined);
    await store.remove("p");
    assert.deepEqual(calls, ["mount p", "remove p"]);
    await assert.rejects(store.create({ name: "q", driver: "other" }), /known are local, plug/);
  });

  it("are made once by many at a time", async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => volumes().create({ name: "crowd" })));
    assert.equal(new Set(all.map((v) => v.createdAtMs)).size, 1);
    await Promise.allSettled([volumes().remove("crowd"), volumes().remove("crowd"), volumes().create({ name: "crowd" })]);
    await volumes().remove("crowd", { force: true });
    assert.deepEqual(readdirSync(join(rig.config.stateDir, "volumes")), []);
  });
});
