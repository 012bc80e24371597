// testcontainers for Node against the socket of DOCKER_HOST, as a test suite uses it: containers with ports and wait strategies, networks, volumes,
// copied files, exec, images built on the way. One line for each thing that works.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GenericContainer, Network, Wait } from "testcontainers";

const steps = {
  async "a container whose mapped port answers"() {
    const container = await new GenericContainer("skein/demo").withExposedPorts(8080).withWaitStrategy(Wait.forHttp("/health", 8080)).start();
    const response = await fetch(`http://${container.getHost()}:${container.getMappedPort(8080)}/cgi-bin/whoami`);
    assert.match(await response.text(), /hostname:/);
    await container.stop();
  },
  async "waiting for a log line, reading logs"() {
    const container = await new GenericContainer("busybox").withCommand(["sh", "-c", "echo getting ready; sleep 0.2; echo ready now; exec sleep 1000"]).withWaitStrategy(Wait.forLogMessage(/ready now/)).start();
    let all = "";
    const logs = await container.logs();
    await new Promise((resolve) => { logs.on("data", (part) => { all += part; if (/ready now/.test(all)) resolve(); }); });
    await container.stop({ timeout: 0 });
  },
  async "waiting for health"() {
    const container = await new GenericContainer("busybox").withCommand(["sh", "-c", "sleep 0.3; touch /ok; exec sleep 1000"])
      .withHealthCheck({ test: ["CMD-SHELL", "test -e /ok"], interval: 200, timeout: 1000, retries: 50 }).withWaitStrategy(Wait.forHealthCheck()).start();
    await container.stop({ timeout: 0 });
  },
  async "exec and copied files"() {
    const container = await new GenericContainer("busybox").withCommand(["sleep", "1000"]).withCopyContentToContainer([{ content: "from the test", target: "/srv/file.txt" }]).start();
    const { output, exitCode } = await container.exec(["cat", "/srv/file.txt"]);
    assert.deepEqual([output, exitCode], ["from the test", 0]);
    assert.equal((await container.exec(["false"])).exitCode, 1);
    await container.stop({ timeout: 0 });
  },
  async "two containers on a network, by alias"() {
    const network = await new Network().start();
    const server = await new GenericContainer("skein/demo").withNetwork(network).withNetworkAliases("server").withExposedPorts(8080).withWaitStrategy(Wait.forHttp("/health", 8080)).start();
    const client = await new GenericContainer("busybox").withNetwork(network).withCommand(["sleep", "1000"]).start();
    assert.equal((await client.exec(["wget", "-q", "-O", "-", "http://server:8080/health"])).output.trim(), "ok");
    await client.stop({ timeout: 0 });
    await server.stop();
    await network.stop();
  },
  async "an image built from a Dockerfile"() {
    const directory = await mkdtemp(join(tmpdir(), "testcontainers-"));
    try {
      await writeFile(join(directory, "Dockerfile"), "FROM busybox\nARG WHAT=nothing\nRUN echo \"$WHAT\" > /made\nCMD [\"sleep\", \"1000\"]\n");
      const image = await GenericContainer.fromDockerfile(directory).withBuildArgs({ WHAT: "something" }).build();
      const container = await image.start();
      assert.equal((await container.exec(["cat", "/made"])).output.trim(), "something");
      await container.stop({ timeout: 0 });
    } finally { await rm(directory, { recursive: true, force: true }); }
  },
  async "restart, and a container that does not start in time"() {
    const container = await new GenericContainer("busybox").withCommand(["sleep", "1000"]).start();
    await container.restart({ timeout: 0 });
    await container.stop({ timeout: 0 });
    await assert.rejects(new GenericContainer("busybox").withCommand(["sleep", "1000"]).withWaitStrategy(Wait.forLogMessage(/never/)).withStartupTimeout(500).start());
  },
};
// The library's log connections keep no process alive.
setInterval(() => {}, 1_000);
for (const [name, step] of Object.entries(steps)) {
  const bound = new Promise((_, reject) => setTimeout(reject, 60_000, new Error("no end within 60 s")).unref());
  try { await Promise.race([step(), bound]); console.log(`ok ${name}`); } catch (error) { console.log(`not ok ${name}: ${error.stack}`); process.exitCode = 1; }
}
process.exit();
