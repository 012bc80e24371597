import { spawnSync } from "node:child_process";
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SwarmError } from "../lib/index.js";
import { newContainerSpec, newNode, newService, newServiceSpec, newTask, newTaskSpec, newTaskStatus, type Service, type ServiceSpec, type Task } from "../model/index.js";
import { waitFor } from "../lib/testing.js";
import { RecordingTerminal, runCommand, startFakeHost, type FakeApi } from "./testing.js";

const fresh = { isStale: false, reason: "", index: 7 };
const meta = { version: 7, createdAtMs: 1_700_000_000_000, updatedAtMs: 1_700_000_000_000 };
const viewOf = (task: Task, nodeName = "h1") => ({ task, name: `web.${task.slot}`, serviceName: "web", nodeName, image: "skein/demo" });

/** A control API with one service, whose tasks the test sets. */
class FakeCluster {
  service: Service = newService({ id: "s1", meta, spec: newServiceSpec({ name: "web", replicas: 2, task: newTaskSpec({ container: newContainerSpec({ image: "skein/demo" }) }) }) });
  exists = true;
  tasks: Task[] = [];
  created: ServiceSpec | undefined;
  calls: string[] = [];
  private changed: (() => void)[] = [];
  change(action: () => void) { action(); for (const wake of this.changed.splice(0)) wake(); }
  #find(ref: string): Service {
    if (this.exists && (ref === "s1" || ref === "web")) return this.service;
    throw new SwarmError("NOT_FOUND", `Cannot find service "${ref}": there is none of that name or id`);
  }
  readonly api: FakeApi = {
    unary: {
      CreateService: ({ spec }: { spec: ServiceSpec }) => {
        if (spec.name === "taken") throw new SwarmError("ALREADY_EXISTS", 'Cannot create service "taken": a service of that name exists; choose another name');
        this.created = spec;
        this.service = { ...this.service, spec };
        return { service: this.service, warnings: ["something small"] };
      },
      GetService: ({ ref }: { ref: string }) => ({ service: this.#find(ref), status: { serviceId: "s1", running: 0, desired: this.service.spec!.replicas }, read: fresh }),
      UpdateService: ({ spec, version }: { spec: ServiceSpec; version: number }) => {
        this.calls.push(`update ${version}`);
        if (this.calls.length === 1 && spec.labels["race"]) throw new SwarmError("ABORTED", "the service was changed meanwhile");
        this.service = { ...this.service, spec };
        return { service: this.service, warnings: [] };
      },
      RemoveService: ({ ref }: { ref: string }) => { this.#find(ref); this.exists = false; this.tasks = []; return { id: "s1" }; },
      ListRevisions: () => ({ revisions: [], read: fresh }),
      ListServices: () => ({ services: [this.service], statuses: [{ serviceId: "s1", running: 1, desired: 2 }], read: { isStale: true, reason: "no leader for 12 s: this copy may be out of date", index: 7 } }),
      ListTasks: ({ filters }: { filters: { key: string; value: string }[] }) => { this.calls.push(filters.map(({ key, value }) => `${key}=${value}`).join(" ")); return { tasks: this.tasks.map((task) => viewOf(task)), read: fresh }; },
      ListNodes: () => ({ nodes: [newNode({ id: "n1".padEnd(25, "0"), role: "MANAGER", manager: { raftId: 1, addr: "10.0.0.1:2377", isLeader: true, isReachable: true, lagEntries: 0, lastHeardMs: 0, replication: "" } })], read: fresh }),
      GetCluster: () => ({ cluster: { id: "c1", meta, joinTokens: { worker: "W", manager: "M" } }, read: fresh, leaderId: "n1" }),
      RotateJoinToken: ({ role }: { role: string }) => ({ token: `new-${role}` }),
    },
    streams: {
      Watch: async function* (this: void, _request: object, context: { signal: AbortSignal }) {
        yield { index: 1 };
        await new Promise<void>((resolve) => context.signal.addEventListener("abort", () => resolve(), { once: true }));
      },
      Logs: async function* () {
        const line = { taskId: "t1", taskName: "web.1", nodeName: "h1", timestamp: "2026-11-21T08:00:00.000000001Z" };
        yield { ...line, stream: "STDOUT", line: Buffer.from("to out") };
        yield { ...line, stream: "STDERR", line: Buffer.from("to err") };
        yield { ...line, stream: "SYSTEM", line: Buffer.from('node "h2" cannot be reached') };
      },
    },
  };
}

const running = (slot: number, fields: Partial<Task> = {}) =>
  newTask({ id: `t${slot}`, meta, serviceId: "s1", slot, revision: 1, nodeId: "n1", status: newTaskStatus({ state: "RUNNING", timestampMs: 1_700_000_000_000 }), ...fields });

describe("cli: commands against the API", () => {
  let cluster: FakeCluster;
  let host: { runDir: string; stop(): Promise<void> };
  const run = (argv: string[], options: Parameters<typeof runCommand>[1] = {}) => runCommand(argv, { places: [host.runDir], ...options });
  beforeEach(async () => {
    cluster = new FakeCluster();
    host = await startFakeHost({ control: cluster.api, node: { unary: { Info: () => ({ version: "0.1.0", hostname: "h1", state: "inactive" }) } } });
  });
  afterEach(() => host.stop());

  it("create with --detach prints the id, says the warnings and does not wait", async () => {
    const { code, stdout, stderr } = await run(["service", "create", "-d", "--name", "web", "--replicas", "3", "skein/demo", "serve"]);
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: "s1\n", stderr: "swarmctl: warning: something small\n" });
    assert.equal(cluster.created?.replicas, 3);
    assert.deepEqual(cluster.created?.task?.container?.args, ["serve"]);
  });

  it("create waits until every task runs, and says so in lines without a terminal", async () => {
    cluster.tasks = [running(1), running(2, { status: newTaskStatus({ state: "PREPARING", message: "pulling image" }) })];
    const terminal = new RecordingTerminal();
    const command = run(["service", "create", "--name", "web", "--replicas", "2", "skein/demo"], { terminal });
    await waitFor("the first line", () => terminal.stderr.includes("web.1: running"));
    cluster.tasks = [running(1), running(2)];
    const { code, stderr } = await command;
    assert.equal(code, 0);
    assert.match(stderr, /web\.1: running on h1\nweb\.2: running on h1\nService "web" is as asked: 2 running\.\n$/);
  });

  it("create redraws one line a task on a terminal", async () => {
    cluster.tasks = [running(1, { status: newTaskStatus({ state: "PREPARING", message: "pulling image" }) })];
    const terminal = Object.assign(new RecordingTerminal(), { errIsTty: true });
    const command = run(["service", "create", "--name", "web", "skein/demo"], { terminal });
    await waitFor("the first picture", () => terminal.stderr.includes("preparing  h1  pulling image"));
    cluster.tasks = [running(1)];
    const { code, stderr } = await command;
    assert.equal(code, 0);
    assert.match(stderr, /web: █+ 1\/1 running\n {2}web\.1 {2}running {2}h1\n/);
    assert.match(stderr, /\u001b\[2A\u001b\[J/);
  });

  it("create ends with 3 and the reason when a slot's tasks are rejected again and again", async () => {
    const rejected = (id: string) => running(1, { id, desiredState: "SHUTDOWN", status: newTaskStatus({ state: "REJECTED", err: 'image "nope" is not in the registry' }) });
    cluster.tasks = [rejected("a"), rejected("b"), running(1, { id: "c", status: newTaskStatus({ state: "PREPARING" }) })];
    const { code, stderr } = await run(["service", "create", "--name", "web", "nope"]);
    assert.equal(code, 3);
    assert.match(stderr, /swarmctl: Service "web" is not as asked: web\.1: image "nope" is not in the registry; "swarmctl service ps web" shows every task\.\n$/);
  });

  it("create ends with 3 after --timeout", async () => {
    cluster.tasks = [running(1, { nodeId: "", status: newTaskStatus({ state: "PENDING", pending: [{ filter: "resources", nodes: 3, detail: "needs 2.0 GiB memory, 1.2 GiB free" }] }) })];
    const { code, stderr } = await run(["service", "create", "--name", "web", "--timeout", "300ms", "skein/demo"]);
    assert.equal(code, 3);
    assert.match(stderr, /needs 2\.0 GiB memory, 1\.2 GiB free/);
  });

  it("a taken name is told in the API's words, with code 1 and nothing on standard output", async () => {
    const { code, stdout, stderr } = await run(["service", "create", "--name", "taken", "busybox"]);
    assert.deepEqual({ code, stdout, stderr }, { code: 1, stdout: "", stderr: 'swarmctl: Cannot create service "taken": a service of that name exists; choose another name\n' });
  });

  it("a service that is not there is code 4", async () => {
    for (const argv of [["service", "inspect", "nope"], ["service", "ps", "nope"], ["service", "rm", "nope"], ["service", "scale", "nope=1"], ["service", "update", "--force", "nope"]]) {
      const { code, stderr } = await run(argv);
      assert.equal(code, 4, argv.join(" "));
      assert.match(stderr, /^swarmctl: Cannot find service "nope"/);
    }
  });

  it("no socket, or one without a listener, is code 5 with the next step", async () => {
    const empty = mkdtempSync(join(tmpdir(), "skein-empty-"));
    try {
      const { code, stderr } = await run(["service", "ls"], { places: [empty] });
      assert.equal(code, 5);
      assert.match(stderr, /No manager answers at .*start swarmd here/);
    } finally { rmSync(empty, { recursive: true }); }
    await host.stop();
    assert.equal((await run(["info"])).code, 5);
  });

  it("bad usage is code 2 before anything is called", async () => {
    for (const argv of [["service", "create", "--replicas", "-1", "x"], ["service", "create"], ["service", "ls", "extra"], ["service", "ls", "--format", "xml"], ["nope"], ["node", "update", "n1"], ["service", "scale", "web=lots"], ["events", "--filter", "kind=x"]]) {
      const { code, stderr, stdout } = await run(argv);
      assert.equal(code, 2, argv.join(" ") + stderr);
      assert.match(stderr, /^swarmctl: [^\n]+\n$/);
      assert.equal(stdout, "");
    }
    assert.equal(cluster.created, undefined);
  });

  it("lists print tables, JSON, lines of JSON or ids, and warn of a stale copy on standard error", async () => {
    const inTable = await run(["service", "ls"]);
    assert.equal(inTable.stdout, "ID   NAME   MODE         REPLICAS   IMAGE        PORTS\ns1   web    replicated   1/2        skein/demo\n");
    assert.equal(inTable.stderr, "swarmctl: warning: no leader for 12 s: this copy may be out of date\n");
    const objects = JSON.parse((await run(["service", "ls", "--format", "json"])).stdout) as { id: string; spec: ServiceSpec; status: object }[];
    assert.equal(objects[0]!.spec.task!.container!.stopGraceMs, 10_000);
    assert.deepEqual(objects[0]!.status, { serviceId: "s1", running: 1, desired: 2 });
    const lines = (await run(["service", "ls", "--format", "jsonl"])).stdout.trimEnd().split("\n");
    assert.equal((JSON.parse(lines[0]!) as { id: string }).id, "s1");
    assert.equal((await run(["service", "ls", "-q"])).stdout, "s1\n");
  });

  it("ps shows whole reasons and sends the filters", async () => {
    const why = "no node fits: resources (3 nodes): needs 2.0 GiB memory, the best has 1.2 GiB free";
    cluster.tasks = [running(1), running(2, { id: "t2", nodeId: "", status: newTaskStatus({ state: "PENDING", err: why }) })];
    const { stdout } = await run(["service", "ps", "--filter", "desired-state=running", "web"]);
    assert.ok(stdout.includes(why));
    assert.match(stdout, /t1 +web\.1 +skein\/demo +h1 +running +running 100 seconds ago/);
    assert.ok(cluster.calls.includes("desired-state=running service=s1"));
  });

  it("scale and update read, change and write; a lost race is tried again", async () => {
    cluster.tasks = [running(1)];
    assert.deepEqual(await run(["service", "scale", "-d", "web=5"]).then(({ code, stderr }) => ({ code, stderr })), { code: 0, stderr: "" });
    assert.equal(cluster.service.spec!.replicas, 5);
    cluster.calls = [];
    assert.equal((await run(["service", "update", "-d", "--label-add", "race=1", "web"])).code, 0);
    assert.deepEqual(cluster.calls, ["update 7", "update 7"]);
    const nothing = await run(["service", "update", "-d", "web"]);
    assert.equal(nothing.code, 2);
    assert.match(nothing.stderr, /Nothing to change/);
  });

  it("rm asks on a terminal, and only there", async () => {
    const terminal = Object.assign(new RecordingTerminal(), { canAsk: true, answers: ["n"] });
    const refused = await run(["service", "rm", "web"], { terminal });
    assert.equal(refused.code, 1);
    assert.deepEqual(terminal.questions, ['Remove the service "web" and stop its tasks? [y/N] ']);
    assert.ok(cluster.exists);
    assert.deepEqual(await run(["service", "rm", "web"]).then(({ code, stdout, stderr }) => ({ code, stdout, stderr })), { code: 0, stdout: "web\n", stderr: "" });
    assert.ok(!cluster.exists);
  });

  it("cluster recover wants a yes, also where nobody can be asked", async () => {
    const alone = await run(["cluster", "recover"]);
    assert.equal(alone.code, 2);
    assert.match(alone.stderr, /nobody can be asked here.*is lost.*Add --yes/s);
    const terminal = Object.assign(new RecordingTerminal(), { canAsk: true, answers: ["n"] });
    assert.equal((await run(["cluster", "recover"], { terminal })).code, 1);
    assert.match(terminal.questions[0]!, /Go on with this manager alone\?/);
  });

  it("logs keep the two streams apart and name task and node", async () => {
    const { stdout, stderr } = await run(["service", "logs", "--timestamps", "web"]);
    assert.equal(stdout, "web.1@h1 | 2026-11-21T08:00:00.000000001Z to out\n");
    assert.equal(stderr, "web.1@h1 | 2026-11-21T08:00:00.000000001Z to err\nswarmctl: node \"h2\" cannot be reached\n");
    assert.equal((await run(["service", "logs", "--raw", "web"])).stdout, "to out\n");
  });

  it("join-token prints the command, rotates, or prints the token alone", async () => {
    assert.match((await run(["join-token", "worker"])).stdout, /swarmctl join --token W 10\.0\.0\.1:2377/);
    assert.equal((await run(["join-token", "manager", "-q"])).stdout, "M\n");
    assert.equal((await run(["join-token", "worker", "--rotate", "-q"])).stdout, "new-WORKER\n");
  });

  it("the tokens are not part of cluster inspect", async () => {
    assert.ok(!(await run(["cluster", "inspect"])).stdout.includes("joinTokens"));
  });

  it("a global --host before the command leaves create's own --host alone", async () => {
    const { code } = await runCommand(["--host", host.runDir, "service", "create", "-d", "--host", "db:10.0.0.5", "busybox"]);
    assert.equal(code, 0);
    assert.deepEqual(cluster.created?.task?.container?.hosts, ["db:10.0.0.5"]);
  });

  it("every command's help names its usage, and no two flags share a name or a letter", async () => {
    const { registry } = await import("./registry.js");
    for (const [path, entry] of Object.entries(registry)) {
      const { code, stdout } = await run([...path.split(" "), "--help"]);
      assert.equal(code, 0, path);
      assert.ok(stdout.startsWith(`Usage: swarmctl ${path}`), path);
      const command = (await entry.load()).default;
      const names = command.flags.flatMap((flag) => [flag.name, ...(flag.short ? [flag.short] : [])]);
      assert.equal(new Set(names).size, names.length, path);
    }
  });

  it("bash completes groups, commands, flags and the words of a choice", async () => {
    const { stdout: script } = await run(["completion", "bash"]);
    const complete = (...words: string[]) => spawnSync("bash", ["-c", `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _swarmctl; echo "\${COMPREPLY[*]}"`, "bash", "swarmctl", ...words], { encoding: "utf8" }).stdout.trim();
    assert.equal(complete("ser"), "service");
    assert.equal(complete("service", "s"), "scale");
    assert.equal(complete("--host", "m1", "service", "create", "--repl"), "--replicas --replicas-max-per-node");
    assert.equal(complete("join-token", "m"), "manager");
    assert.equal(complete("run", "--no"), "--no-healthcheck --node --no-color");
    assert.equal(complete("volume", "create", "--no"), "--node --no-color");
  });

  it("bash completes names of nodes and services where commands and flags want one", async () => {
    const { stdout: script } = await run(["completion", "bash"]);
    const asked = `swarmctl() { case "$*" in "node ls --format jsonl") printf '{"description":{"hostname":"%s","os":"linux"}}\\n' m1 w1 w2 ;; "service ls") printf '%s   %s   replicated   1/1\\n' ID NAME abc web def worker ;; esac; }`;
    const complete = (...words: string[]) => spawnSync("bash", ["-c", `${asked}\n${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _swarmctl; echo "\${COMPREPLY[*]}"`, "bash", "swarmctl", ...words], { encoding: "utf8" }).stdout.trim();
    for (const line of [["whatif", "--lose"], ["rebalance"], ["rebalance", "--strategy", "free"], ["node", "update"], ["node", "inspect"]]) assert.equal(complete(...line, "w"), "w1 w2", line.join(" "));
    for (const line of [["explain"], ["service", "update"], ["service", "hints"], ["whatif", "--headroom"], ["service", "create", "--affinity"]]) assert.equal(complete(...line, "w"), "web worker", line.join(" "));
    assert.equal(complete("rebalance", "--str"), "--strategy");
  });

  it("bash completes names of nodes, of the cluster that the line names", async () => {
    const { stdout: script } = await run(["completion", "bash"]);
    const asked = 'swarmctl() { [ "$*" = "--host m1 node ls --format jsonl" ] && printf \'{"description":{"hostname":"%s","os":"linux"}}\\n\' m1 w1 w2; }';
    const complete = (...words: string[]) => spawnSync("bash", ["-c", `${asked}\n${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _swarmctl; echo "\${COMPREPLY[*]}"`, "bash", "swarmctl", ...words], { encoding: "utf8" }).stdout.trim();
    assert.equal(complete("--host", "m1", "run", "--node", "w"), "w1 w2");
    assert.equal(complete("run", "--node", "w"), "");
  });

  it("the main help names every group and every command without one, once", async () => {
    const { nouns, registry, sections } = await import("./registry.js");
    const words = [...Object.keys(nouns), ...Object.keys(registry).filter((path) => !path.includes(" "))].filter((word, i, all) => all.indexOf(word) === i);
    assert.deepEqual(sections.flatMap((section) => section.words).sort(), words.sort());
    const { stdout } = await run(["--help"]);
    for (const word of words) assert.match(stdout, new RegExp(`^  ${word}( …)?  +\\S`, "m"));
  });
});

describe("cli: contexts", () => {
  it("try their hosts in order until a manager that knows the leader answers", async () => {
    const stale = new FakeCluster();
    const dead = mkdtempSync(join(tmpdir(), "skein-dead-"));
    const minority = await startFakeHost({ control: { ...stale.api, unary: { ...stale.api.unary, GetCluster: () => ({ cluster: null, read: { isStale: true, reason: "no leader", index: 1 }, leaderId: "" }), JoinTokens: () => ({}) } } });
    const majority = await startFakeHost({ control: new FakeCluster().api });
    const home = mkdtempSync(join(tmpdir(), "skein-home-"));
    const environment = { HOME: home };
    try {
      assert.equal((await runCommand(["context", "create", "--use", "two", dead, minority.runDir, majority.runDir], { environment })).code, 0);
      assert.equal((await runCommand(["join-token", "-q", "worker"], { environment })).stdout, "W\n");
      assert.match((await runCommand(["context", "ls"], { environment })).stdout, /\* +two/);
      assert.equal((await runCommand(["context", "rm", "two"], { environment })).code, 0);
      assert.match((await runCommand(["context", "ls"], { environment })).stdout, /\* +default/);
      assert.equal((await runCommand(["--context", "two", "service", "ls"], { environment })).code, 4);
      assert.equal(JSON.parse(readFileSync(join(home, ".config/skein/contexts.json"), "utf8")).current, "default");
    } finally {
      await minority.stop(); await majority.stop();
      for (const directory of [dead, home]) rmSync(directory, { recursive: true, force: true });
    }
  });
});
