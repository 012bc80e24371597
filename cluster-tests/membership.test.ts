import assert from "node:assert/strict";
import { connect } from "node:net";
import { openCluster, story, waitFor, type Cluster } from "./harness.js";

const node = async (cluster: Cluster, name: string, host?: string) =>
  (await cluster.json<any[]>(["node", "ls"], host ? { host } : {})).find((row) => row.description?.hostname === name);

story("who may join", { managers: 1, workers: 1, images: false }, (cluster) => {
  it("wrong, rotated, absent and foreign tokens are refused with the reason", async () => {
    const [m1] = cluster().managers, [w1] = cluster().workers;
    await cluster().ok(["leave", "--yes", "--force"], { host: w1! });
    const join = (token: string) => cluster().ctl(["join", "--token", token, cluster().hosts.address(m1!)], { host: w1! });
    const good = (await cluster().ok(["join-token", "worker", "-q"])).trim();

    const wrongSecret = await join(good.slice(0, -5) + (good.endsWith("aaaaa") ? "bbbbb" : "aaaaa"));
    assert.notEqual(wrongSecret.code, 0);
    assert.match(wrongSecret.stderr, /token/);
    const malformed = await join("SKTKN-lots");
    assert.notEqual(malformed.code, 0);
    assert.match(malformed.stderr, /token/);
    const rotated = (await cluster().ok(["join-token", "worker", "--rotate", "-q"])).trim();
    assert.notEqual(rotated, good);
    const old = await join(good);
    assert.notEqual(old.code, 0);
    assert.match(old.stderr, /token/);

    const other = await openCluster({ managers: 1, workers: 0, images: false });
    try {
      const foreign = await join((await other.ok(["join-token", "worker", "-q"])).trim());
      assert.notEqual(foreign.code, 0);
      assert.match(foreign.stderr, /another cluster|digest|certificate/);
    } finally { await other.hosts.down(); }

    assert.equal((await join(rotated)).code, 0);
    await waitFor("the node is ready", async () => (await cluster().json<any[]>(["node", "ls"])).filter((row) => row.status.state === "READY").length === 2);
  });

  it("garbage on the port brings nobody down", async () => {
    const address = cluster().hosts.address(cluster().managers[0]!);
    for (const bytes of [Buffer.from("GET / HTTP/1.1\r\n\r\n"), Buffer.alloc(4096, 0xff), Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\xff\x99")]) {
      await new Promise<void>((resolve) => {
        const socket = connect(2377, address, () => socket.end(bytes));
        socket.on("error", () => resolve()).on("close", () => resolve());
        socket.setTimeout(3_000, () => socket.destroy());
      });
    }
    await cluster().ok(["node", "ls"]);
  });
});

story("managers come and go", { managers: 3, workers: 1, images: false }, (cluster) => {
  it("a worker is promoted and votes, and is demoted again", async () => {
    const [w1] = cluster().workers;
    await cluster().ok(["node", "promote", w1!]);
    await waitFor("it is a reachable manager", async () => (await node(cluster(), w1!))?.manager?.isReachable === true, 30_000);
    await waitFor("it answers control calls", async () => (await cluster().ctl(["node", "ls"], { host: w1! })).code === 0, 20_000);
    await cluster().ok(["node", "demote", w1!]);
    await waitFor("it is a worker", async () => { const row = await node(cluster(), w1!); return row?.role === "WORKER" && !row.manager; }, 30_000);
  });

  it("demoting the leader hands over first", async () => {
    const leader = (await cluster().leader())!;
    const other = cluster().managers.find((host) => host !== leader)!;
    await cluster().ok(["node", "demote", leader], { host: other });
    await waitFor("another leads and the old leader is a worker", async () => {
      const next = await cluster().leader(other).catch(() => undefined);
      const rows = await cluster().json<any[]>(["node", "ls"], { host: other });
      return next && next !== leader && rows.find((row) => row.description?.hostname === leader)?.role === "WORKER";
    }, 40_000);
    await cluster().ok(["node", "promote", leader], { host: other });
    await waitFor("three reachable managers", async () => (await cluster().json<any[]>(["node", "ls"], { host: other })).filter((row) => row.manager?.isReachable).length === 3, 40_000);
  });

  it("a manager that was away for long catches up", async () => {
    const leader = (await cluster().leader())!;
    const away = cluster().managers.find((host) => host !== leader)!;
    await cluster().hosts.stop(away);
    for (let i = 0; i < 20; i++) await cluster().ok(["service", "create", "--detach", "--replicas", "0", "--name", `s${i}`, "busybox"], { host: leader });
    await cluster().hosts.start(away);
    await waitFor("it has all services", async () => (await cluster().json<any[]>(["service", "ls"], { host: away })).length === 20, 40_000);
  });

  it("a node leaves and is removed", async () => {
    const [w1] = cluster().workers;
    const leader = (await cluster().leader())!;
    const refused = await cluster().ctl(["node", "rm", "--yes", w1!], { host: leader });
    assert.notEqual(refused.code, 0, "a ready node was removed without --force");
    await cluster().ok(["leave", "--yes"], { host: w1! });
    await waitFor("it is down", async () => (await node(cluster(), w1!, leader))?.status.state === "DOWN", 30_000);
    await cluster().ok(["node", "rm", "--yes", w1!], { host: leader });
    assert.equal(await node(cluster(), w1!, leader), undefined);
  });

  it("a manager whose disk is lost joins again as a new member", async () => {
    const leader = (await cluster().leader())!;
    const lost = cluster().managers.find((host) => host !== leader)!;
    await cluster().hosts.killDaemon(lost);
    const wiped = await cluster().hosts.exec(lost, ["sh", "-c", `rm -rf ${cluster().hosts.stateDirectory(lost)}/*`]);
    assert.equal(wiped.code, 0, wiped.stderr);
    await cluster().hosts.start(lost);
    const old = await node(cluster(), lost, leader);
    await cluster().ok(["node", "rm", "--force", "--yes", old.id], { host: leader });
    const token = (await cluster().ok(["join-token", "manager", "-q"], { host: leader })).trim();
    await cluster().ok(["join", "--token", token, cluster().hosts.address(leader)], { host: lost });
    await waitFor("three reachable managers", async () => (await cluster().json<any[]>(["node", "ls"], { host: leader })).filter((row) => row.manager?.isReachable).length === 3, 40_000);
    await waitFor("it has the services", async () => (await cluster().json<any[]>(["service", "ls"], { host: lost })).length === 20, 40_000);
  });
});
