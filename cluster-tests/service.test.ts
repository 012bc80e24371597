import assert from "node:assert/strict";
import { story, waitFor } from "./harness.js";

story("a replicated service on an overlay network", {}, (cluster) => {
  it("is created, runs on several hosts and answers at its published port on every host", async () => {
    await cluster().ok(["network", "create", "front"]);
    await cluster().ok(["service", "create", "--name", "web", "--replicas", "6", "--network", "front", "--publish", "8080:8080", "--env", "SKEIN_TASK={{.Task.Name}}", "--placement-strategy", "spread", "skein/demo"]);
    const tasks = await cluster().waitRunning("web", 6);
    assert.ok(new Set(tasks.map((task) => task.node)).size >= 5, "six replicas spread over five hosts");
    for (const host of cluster().all) await waitFor(`an answer at ${host}:8080`, () => cluster().http(host, 8080));
  });

  it("is balanced: a published port reaches every replica", async () => {
    const names = new Set<string>();
    await waitFor("answers of six replicas", async () => {
      const body = await cluster().http(cluster().workers[0]!, 8080);
      const name = /web\.\d+/.exec(body ?? "")?.[0];
      if (name) names.add(name);
      return names.size === 6;
    }, 30_000);
  });

  it("resolves names inside containers: the service, its tasks, one task", async () => {
    const [task] = await cluster().running("web");
    const vip = (await cluster().inContainer(task!, ["nslookup", "web", "127.0.0.11"])).stdout;
    const each = (await cluster().inContainer(task!, ["nslookup", "tasks.web", "127.0.0.11"])).stdout;
    const service = (await cluster().json<any[]>(["service", "inspect", "web"]))[0];
    const frontVip = service.endpoint.vips[0]?.addr;
    assert.ok(frontVip && vip.includes(frontVip), `"web" is the VIP ${frontVip}: ${vip}`);
    assert.equal(new Set(each.match(/\d+\.\d+\.\d+\.\d+/g)?.filter((a) => a !== "127.0.0.11")).size, 6, each);
    const one = (await cluster().inContainer(task!, ["nslookup", "web.3", "127.0.0.11"])).stdout;
    assert.match(one, /10\.\d+\.\d+\.\d+/);
  });

  it("is reached by its VIP from another service, on whatever host", async () => {
    await cluster().ok(["service", "create", "--name", "client", "--network", "front", "busybox", "sleep", "3600"]);
    const [client] = await cluster().waitRunning("client", 1);
    for (let i = 0; i < 12; i++) {
      const result = await cluster().inContainer(client!, ["timeout", "5", "wget", "-qO-", "http://web:8080/"]);
      assert.equal(result.code, 0, result.stderr);
    }
  });

  it("is isolated from services of other networks", async () => {
    await cluster().ok(["network", "create", "back"]);
    await cluster().ok(["service", "create", "--name", "stranger", "--network", "back", "busybox", "sleep", "3600"]);
    const [stranger] = await cluster().waitRunning("stranger", 1);
    const onSameHost = (await cluster().running("web")).map((task) => task.addresses).flat();
    for (const address of onSameHost) {
      const result = await cluster().inContainer(stranger!, ["timeout", "1", "wget", "-qO-", `http://${address}:8080/`]);
      assert.notEqual(result.code, 0, `a container of network "back" reached ${address}`);
    }
    assert.notEqual((await cluster().inContainer(stranger!, ["nslookup", "web", "127.0.0.11"])).code, 0, "another network's name resolved");
  });

  it("reaches the outside through NAT", async () => {
    const [client] = await cluster().running("client");
    const outside = cluster().hosts.address(cluster().all.find((host) => host !== client!.node)!);
    const result = await cluster().inContainer(client!, ["ping", "-c", "1", "-W", "3", outside]);
    assert.equal(result.code, 0, result.stdout + result.stderr);
  });

  it("scales up and down", async () => {
    await cluster().ok(["service", "scale", "web=9"]);
    await cluster().waitRunning("web", 9);
    await cluster().ok(["service", "scale", "web=3"]);
    await cluster().waitRunning("web", 3);
  });

  it("is updated one task at a time", async () => {
    let fewest = Infinity;
    let isUpdating = true;
    const watch = (async () => { while (isUpdating) fewest = Math.min(fewest, (await cluster().running("web")).length); })();
    await cluster().ok(["service", "update", "--env-add", "GREETING=changed", "web"], { timeoutMs: 120_000 });
    isUpdating = false;
    await watch;
    const [service] = await cluster().json<any[]>(["service", "inspect", "web"]);
    assert.deepEqual((await cluster().running("web")).map((task) => task.revision), Array(3).fill(service.revision));
    assert.ok(fewest >= 2, `at some time only ${fewest} of 3 ran`);
  });

  it("gives its logs from every host in one stream", async () => {
    await cluster().ok(["service", "create", "--name", "talk", "--replicas", "3", "--placement-strategy", "spread", "busybox", "sh", "-c", "echo hello from $HOSTNAME; sleep 3600"]);
    const tasks = await cluster().waitRunning("talk", 3);
    assert.equal(new Set(tasks.map((task) => task.node)).size, 3);
    await waitFor("three lines", async () => ((await cluster().ok(["service", "logs", "talk"])).match(/hello from/g) ?? []).length === 3);
    assert.equal(((await cluster().ok(["service", "logs", "--tail", "1", "--timestamps", "talk"])).match(/\d{4}-\d\d-\d\dT.*hello from/g) ?? []).length, 3);
  });

  it("keeps what it is given: limits, mounts, environment, hostname, user", async () => {
    await cluster().ok(["service", "create", "--name", "shaped", "--env", "COLOUR=blue", "--hostname", "shape-{{.Task.Slot}}", "--user", "1000:1000", "--workdir", "/tmp",
      "--limit-memory", "64m", "--limit-cpu", "0.5", "--mount", "type=tmpfs,target=/scratch", "--mount", "type=volume,source=data,target=/data", "busybox",
      "sh", "-c", "echo $COLOUR $(hostname) $(id -u) $(pwd); sleep 3600"]);
    await cluster().waitRunning("shaped", 1);
    await waitFor("the line", async () => /blue shape-1 1000 \/tmp/.test(await cluster().ok(["service", "logs", "shaped"])));
  });

  it("is removed with everything on every host", async () => {
    for (const service of ["web", "client", "stranger", "talk", "shaped"]) await cluster().ok(["service", "rm", "--yes", service]);
    await waitFor("no containers anywhere", async () => {
      const left = await Promise.all(cluster().all.map((host) => cluster().hosts.exec(host, ["sh", "-c", "ls /run/netns 2>/dev/null | wc -l"])));
      return left.every((result) => result.stdout.trim() === "0");
    }, 150_000);
    assert.equal(await cluster().http(cluster().managers[0]!, 8080), undefined);
    await cluster().ok(["network", "rm", "--yes", "front"]);
    await cluster().ok(["network", "rm", "--yes", "back"]);
  });
});
