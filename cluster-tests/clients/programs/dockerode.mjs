// dockerode against the socket of DOCKER_HOST: what its own suite does, and what programs that use it do. One line for each thing that works.
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import Docker from "dockerode";

const docker = new Docker();
const text = async (stream) => { let all = ""; for await (const part of stream) all += part; return all; };
const ended = (stream) => new Promise((resolve, reject) => { stream.on("end", resolve).on("close", resolve).on("error", reject); });
const steps = {
  async "ping, version, info"() {
    assert.equal((await docker.ping()).toString(), "OK");
    assert.equal((await docker.version()).Os, "linux");
    assert.ok((await docker.info()).Images > 0);
  },
  async "run collects output and the exit code"() {
    const out = new PassThrough(), err = new PassThrough();
    const texts = [text(out), text(err)];
    const [result, container] = await docker.run("busybox", ["sh", "-c", "echo out; echo err >&2; exit 4"], [out, err], { Tty: false });
    out.end(); err.end();
    assert.deepEqual([result.StatusCode, ...await Promise.all(texts)], [4, "out\n", "err\n"]);
    await container.remove();
  },
  async "attach with hijack, stdin and half-close"() {
    const container = await docker.createContainer({ Image: "busybox", Cmd: ["wc", "-c"], OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true });
    const stream = await container.attach({ stream: true, hijack: true, stdin: true, stdout: true, stderr: true });
    const out = new PassThrough();
    const all = text(out);
    container.modem.demuxStream(stream, out, out);
    await container.start();
    stream.write(Buffer.alloc(100_000, "x"));
    stream.end();
    await ended(stream);
    out.end();
    assert.equal((await all).trim(), "100000");
    await container.remove({ force: true });
  },
  async "attach without hijack"() {
    const container = await docker.createContainer({ Image: "busybox", Cmd: ["echo", "plain"], Tty: true });
    const stream = await container.attach({ stream: true, stdout: true, stderr: true });
    const all = text(stream);
    await container.start();
    assert.match(await all, /plain/);
    await container.remove({ force: true });
  },
  async "a terminal: input, resize"() {
    const container = await docker.createContainer({ Image: "busybox", Cmd: ["sh"], Tty: true, OpenStdin: true });
    const stream = await container.attach({ stream: true, hijack: true, stdin: true, stdout: true });
    const all = text(stream);
    await container.start();
    await container.resize({ h: 33, w: 99 });
    stream.write("stty size\nexit\n");
    await container.wait();
    assert.match(await all, /33 99/);
    await container.remove();
  },
  async "exec: streams, exit code, stdin"() {
    const container = await docker.createContainer({ Image: "busybox", Cmd: ["sleep", "1000"], StopSignal: "SIGKILL" });
    await container.start();
    const exec = await container.exec({ Cmd: ["sh", "-c", "cat; exit 3"], AttachStdin: true, AttachStdout: true, AttachStderr: true });
    const stream = await exec.start({ hijack: true, stdin: true });
    const out = new PassThrough();
    const all = text(out);
    container.modem.demuxStream(stream, out, out);
    stream.write("through");
    stream.end();
    await ended(stream);
    out.end();
    assert.equal(await all, "through");
    assert.equal((await exec.inspect()).ExitCode, 3);
    await container.remove({ force: true });
  },
  async "logs: follow, tail, timestamps"() {
    const container = await docker.createContainer({ Image: "busybox", Cmd: ["sh", "-c", "for i in 1 2 3 4 5; do echo line $i; done"], Tty: true });
    await container.start();
    await container.wait();
    assert.match((await container.logs({ stdout: true, tail: 2 })).toString(), /^line 4\r\nline 5\r\n$/);
    assert.match((await container.logs({ stdout: true, tail: 1, timestamps: true })).toString(), /^\d{4}-\d\d-\d\dT[\d:.]+Z line 5/);
    assert.equal((await text(await container.logs({ stdout: true, follow: true }))).split("\n").length, 6);
    await container.remove();
  },
  async "archives go in and out"() {
    const container = await docker.createContainer({ Image: "busybox", Cmd: ["true"] });
    const archive = await container.getArchive({ path: "/etc/passwd" });
    await container.putArchive(archive, { path: "/tmp" });
    assert.match(await text(await container.getArchive({ path: "/tmp/passwd" })), /root:x:0:0/);
    await container.remove();
  },
  async "stats, top, changes, inspect, rename, pause"() {
    const container = await docker.createContainer({ Image: "busybox", Cmd: ["sleep", "1000"], StopSignal: "SIGKILL", name: "first-name" });
    await container.start();
    assert.ok((await container.stats({ stream: false })).memory_stats.usage > 0);
    assert.equal((await container.top()).Processes.length, 1);
    await container.rename({ name: "second-name" });
    await container.pause();
    assert.equal((await container.inspect()).State.Status, "paused");
    await container.unpause();
    assert.equal((await docker.getContainer("second-name").inspect()).Name, "/second-name");
    await container.stop({ t: 1 });
    await container.remove();
  },
  async "images: build from memory, tag, history, save, remove"() {
    const { pack } = await import("tar-stream");
    const context = pack();
    context.entry({ name: "Dockerfile" }, "FROM busybox\nRUN echo built > /made\nCMD [\"cat\", \"/made\"]\n");
    context.finalize();
    const progress = await docker.buildImage(context, { t: "dockerode-built" });
    const messages = await new Promise((resolve, reject) => docker.modem.followProgress(progress, (error, all) => (error ? reject(error) : resolve(all))));
    assert.ok(messages.some(({ aux }) => aux?.ID));
    const image = docker.getImage("dockerode-built");
    await image.tag({ repo: "dockerode-built", tag: "again" });
    assert.ok((await image.history()).length >= 2);
    let bytes = 0;
    for await (const part of await image.get()) bytes += part.length;
    assert.ok(bytes > 1_000_000);
    await docker.getImage("dockerode-built:again").remove();
    await image.remove();
  },
  async "volumes and networks"() {
    const volume = await docker.createVolume({ Name: "dockerode-volume" });
    assert.equal((await docker.getVolume("dockerode-volume").inspect()).Driver, "local");
    const network = await docker.createNetwork({ Name: "dockerode-network" });
    const container = await docker.createContainer({ Image: "busybox", Cmd: ["sleep", "1000"], StopSignal: "SIGKILL", HostConfig: { Binds: ["dockerode-volume:/data"] } });
    await container.start();
    await network.connect({ Container: container.id });
    assert.ok((await network.inspect()).Containers[container.id]);
    await network.disconnect({ Container: container.id });
    await assert.rejects(docker.getVolume("dockerode-volume").remove(), { statusCode: 409 });
    await container.remove({ force: true });
    await network.remove();
    await docker.getVolume("dockerode-volume").remove();
    assert.ok(volume);
  },
  async "events come as they happen"() {
    const events = await docker.getEvents({ filters: { type: ["container"], event: ["create", "destroy"] } });
    const seen = [];
    const done = (async () => { for await (const part of events) { for (const line of part.toString().split("\n").filter(Boolean)) seen.push(JSON.parse(line).Action); if (seen.length >= 2) break; } })();
    const container = await docker.createContainer({ Image: "busybox", Cmd: ["true"] });
    await container.remove();
    await done;
    assert.deepEqual(seen, ["create", "destroy"]);
  },
  async "refusals have their status"() {
    await assert.rejects(docker.createContainer({ Image: "nothing-of-that-name" }), { statusCode: 404 });
    await assert.rejects(docker.getContainer("nobody").inspect(), { statusCode: 404 });
    const container = await docker.createContainer({ Image: "busybox", Cmd: ["true"], name: "taken" });
    await assert.rejects(docker.createContainer({ Image: "busybox", name: "taken" }), { statusCode: 409 });
    await container.remove();
  },
};
for (const [name, step] of Object.entries(steps)) {
  const bound = new Promise((_, reject) => setTimeout(reject, 60_000, new Error("no end within 60 s")).unref());
  try { await Promise.race([step(), bound]); console.log(`ok ${name}`); } catch (error) { console.log(`not ok ${name}: ${error.stack}`); process.exitCode = 1; }
}
process.exit();
