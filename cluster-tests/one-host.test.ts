import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { story, waitFor } from "./harness.js";

story("the engine of one host, by swarmctl", { managers: 1, workers: 1 }, (cluster) => {
  let directory: string;
  before(() => { directory = mkdtempSync(join(tmpdir(), "skein-one-host-")); });
  after(() => rmSync(directory, { recursive: true, force: true }));
  const text = async (...args: string[]) => (await cluster().ok(args)).trim();

  it("run shows a command's output and ends with its exit code", async () => {
    const { code, stdout, stderr } = await cluster().ctl(["run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2; exit 5"]);
    assert.deepEqual([code, stdout, stderr], [5, "out\n", "err\n"]);
    for (const [command, ended] of [["/nothing", 127], ["/etc", 126]] as const) {
      const refused = await cluster().ctl(["run", "--rm", "busybox", command]);
      assert.deepEqual([refused.code, refused.stderr.split("\n").length], [ended, 2], refused.stderr);
    }
    assert.equal((await cluster().ctl(["run", "--rm", "-i", "busybox", "wc", "-c"], { input: "twelve bytes" })).stdout.trim(), "12");
  });
  it("a container lives: ps, logs, exec, top, stats, port, pause, restart, rename, stop, rm", async () => {
    await text("run", "-d", "--name", "box", "-p", "8090:8080", "skein/demo");
    assert.equal((await cluster().json<any[]>(["ps", "--filter", "name=box"])).length, 1);
    await waitFor("an answer at the published port", () => cluster().http(cluster().managers[0]!, 8090, "/health"));
    assert.match(await text("port", "box"), /8080\/tcp → 0\.0\.0\.0:8090/);
    assert.equal(await text("exec", "box", "sh", "-c", "echo inside"), "inside");
    assert.equal((await cluster().ctl(["exec", "box", "sh", "-c", "exit 9"])).code, 9);
    assert.match(await text("top", "box"), /httpd/);
    assert.ok((await cluster().json<any[]>(["stats", "--no-stream", "box"]))[0].memoryBytes > 0);
    await text("pause", "box");
    assert.equal((await cluster().json<any[]>(["inspect", "box"]))[0].State.Status, "paused");
    await text("unpause", "box");
    await text("rename", "box", "crate");
    await text("restart", "-t", "0", "crate");
    await text("stop", "crate");
    await text("start", "crate");
    const { code, stderr } = await cluster().ctl(["rm", "crate"]);
    assert.equal(code, 1);
    assert.match(stderr, /crate/);
    await text("rm", "-f", "crate");
    assert.equal((await cluster().ctl(["logs", "crate"])).code, 4);
  });
  it("cp in and out, diff, commit", async () => {
    writeFileSync(join(directory, "in.txt"), "carried");
    await text("run", "--name", "files", "busybox", "true");
    await text("cp", join(directory, "in.txt"), "files:/root/");
    await text("cp", "files:/root/in.txt", join(directory, "out.txt"));
    assert.equal(readFileSync(join(directory, "out.txt"), "utf8"), "carried");
    assert.match(await text("diff", "files"), /A \/root\/in\.txt/);
    await text("commit", "files", "carried:1");
    assert.equal(await text("run", "--rm", "carried:1", "cat", "/root/in.txt"), "carried");
    await text("rm", "files");
    await text("image", "rm", "carried:1");
  });
  it("build, tag, history, save and load", async () => {
    writeFileSync(join(directory, "Dockerfile"), "FROM busybox\nARG WHO=nobody\nRUN echo for $WHO > /made\nCMD [\"cat\", \"/made\"]\n");
    await text("build", "-t", "built:1", "--build-arg", "WHO=you", directory);
    assert.equal(await text("run", "--rm", "built:1"), "for you");
    await text("image", "tag", "built:1", "built:again");
    assert.match(await text("image", "history", "built:1"), /echo for/);
    await text("image", "save", "-o", join(directory, "built.tar"), "built:1");
    await text("image", "rm", "built:1", "built:again");
    assert.equal(await text("image", "load", "-q", "-i", join(directory, "built.tar")), "built:1");
  });
  it("volumes and a host's own networks", async () => {
    await text("volume", "create", "kept");
    await text("run", "--rm", "-v", "kept:/data", "busybox", "sh", "-c", "echo still here > /data/file");
    assert.equal(await text("run", "--rm", "-v", "kept:/data", "busybox", "cat", "/data/file"), "still here");
    await text("network", "create", "--local", "inner");
    await text("run", "-d", "--name", "peer", "--network", "inner", "skein/demo");
    assert.equal(await text("run", "--rm", "--network", "inner", "busybox", "wget", "-q", "-O", "-", "http://peer:8080/health"), "ok");
    await text("rm", "-f", "peer");
    await text("network", "rm", "--local", "inner");
    await text("volume", "rm", "kept");
  });
  it("--node: the same on another node, through a manager", async () => {
    const worker = cluster().workers[0]!;
    await waitFor("the worker's engine to be known", async () => (await cluster().ctl(["ps", "--node", worker])).code === 0);
    assert.equal((await cluster().json<any[]>(["system", "info", "--node", worker]))[0].Name, worker);
    assert.equal(await text("run", "--rm", "--node", worker, "busybox", "echo", "from there"), "from there");
  });
  it("--node: streams, input and files", async () => {
    const worker = cluster().workers[0]!;
    assert.equal((await cluster().ctl(["run", "--rm", "-i", "--node", worker, "busybox", "md5sum"], { input: "abc" })).stdout.slice(0, 32), "900150983cd24fb0d6963f7d28e17f72");
    await text("run", "-d", "--node", worker, "--name", "there", "busybox", "sleep", "1000");
    assert.equal((await cluster().ctl(["ps", "-q", "--filter", "name=there"])).stdout, "", "it is not on the manager");
    assert.equal(await text("exec", "--node", worker, "there", "echo", "over", "there"), "over there");
    await text("cp", "--node", worker, join(directory, "in.txt"), "there:/in.txt");
    assert.equal(await text("exec", "--node", worker, "there", "cat", "/in.txt"), "carried");
    await text("rm", "-f", "--node", worker, "there");
  });
  it("--node: a node that is not there, and one asked on a worker, are told in words", async () => {
    const unknown = await cluster().ctl(["ps", "--node", "nobody"]);
    assert.equal(unknown.code, 4);
    assert.match(unknown.stderr, /no node "nobody"/);
    const asked = await cluster().ctl(["ps", "--node", cluster().managers[0]!], { host: cluster().workers[0]! });
    assert.match(asked.stderr, /call this on a manager/);
  });
  it("docker contexts reach every node", async () => {
    const socket = join(cluster().hosts.runDirectory(cluster().managers[0]!)!, "nodes", `${cluster().workers[0]!}.sock`);
    const { code, stdout, stderr } = await cluster().hosts.exec(cluster().managers[0]!, ["env", `HOME=${directory}`, "sh", "-c", `docker context create there --docker host=unix://${socket} >/dev/null && docker --context there run --rm busybox echo by context`]);
    assert.equal(code, 0, stderr);
    assert.equal(stdout.trim(), "by context");
  });
});
