import assert from "node:assert/strict";
import { story, type Cluster } from "./harness.js";

async function refused(cluster: Cluster, args: readonly string[], expected: RegExp, options: { input?: string } = {}): Promise<void> {
  const result = await cluster.ctl(args, { timeoutMs: 20_000, ...options });
  assert.notEqual(result.code, 0, `swarmctl ${args.join(" ").slice(0, 200)} was accepted`);
  assert.match(result.stderr, expected);
  assert.doesNotMatch(result.stderr, /\n\s+at /, "no stack trace");
}

story("bad input", { managers: 1, workers: 0 }, (cluster) => {
  const create = (...args: string[]) => ["service", "create", "--detach", ...args];

  it("is refused in one sentence and changes nothing", async () => {
    await cluster().ok(["network", "create", "used"]);
    await cluster().ok(create("--name", "taken", "--network", "used", "--publish", "8080:80", "--replicas", "0", "busybox"));
    const before = await cluster().json(["service", "ls"]);

    await refused(cluster(), create("--name", "x", "--nonsense", "busybox"), /nonsense/);
    await refused(cluster(), create("--name", "taken", "busybox"), /"taken".*(exists|taken)|already/);
    await refused(cluster(), create("--name", "x", "--constraint", "node.labels.disk=ssd", "busybox"), /constraint/i);
    await refused(cluster(), create("--name", "x", "--publish", "8080:80", "busybox"), /8080.*taken|8080.*"taken"/s);
    await refused(cluster(), create("--name", "x", "--publish", "99999:80", "busybox"), /99999/);
    await refused(cluster(), create("--name", "x", "--reserve-memory", "lots", "busybox"), /"?lots"?/);
    await refused(cluster(), create("--name", "x", "--replicas", "-1", "busybox"), /-1/);
    await refused(cluster(), create("--name", "x", "--replicas", "2000000", "busybox"), /2,?000,?000/);
    await refused(cluster(), create("--name", "Not a name!", "busybox"), /name/);
    await refused(cluster(), create("--name", "x", "--network", "absent", "busybox"), /"absent"/);
    await refused(cluster(), create("--name", "x", "--mount", "type=magic,target=/x", "busybox"), /magic/);
    await refused(cluster(), create("--name", "x", "UPPER CASE"), /image/i);
    await refused(cluster(), ["network", "rm", "--yes", "used"], /"used".*"?taken"?/s);
    await refused(cluster(), ["service", "rm", "--yes", "absent"], /"absent"/);
    await refused(cluster(), ["service", "scale", "taken=many"], /many/);
    await refused(cluster(), ["node", "update", "--availability", "asleep", cluster().managers[0]!], /asleep/);

    assert.deepEqual(await cluster().json(["service", "ls"]), before);
  });

  it("a spec of 10 MB is refused in words", async () => {
    const big = Array.from({ length: 100 }, (_, i) => `K${i}=${"x".repeat(100_000)}`).join("\n");
    await cluster().hosts.exec(cluster().managers[0]!, ["true"]);
    const { writeFileSync, rmSync } = await import("node:fs");
    const file = `/tmp/skein-big-${process.pid}.env`;
    writeFileSync(file, big);
    try { await refused(cluster(), create("--name", "x", "--env-file", file, "busybox"), /MiB|MB|large|big/); } finally { rmSync(file); }
    await cluster().ok(["node", "ls"]);
  });

  it("an image that does not exist is said on the task", async () => {
    const result = await cluster().ctl(["service", "create", "--name", "ghost", "--restart-condition", "none", "127.0.0.1:9/absent:1"], { timeoutMs: 60_000 });
    assert.notEqual(result.code, 0);
    assert.match(result.stdout + result.stderr, /absent/);
    const [task] = await cluster().tasks("ghost");
    assert.match(task!.err, /absent/);
  });
});
