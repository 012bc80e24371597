import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { packageRoot } from "../../src/rpc/index.js";
import { waitFor } from "../harness.js";
import { ClientHost } from "./client-host.js";

const directory = join(packageRoot(dirname(fileURLToPath(import.meta.url))), "cluster-tests/clients/compose");

describe("docker-compose 1.29, as Debian has it", function () {
  this.timeout(300_000);
  let host: ClientHost;
  const compose = (words: string) => host.ok(`cd ${directory} && docker-compose --no-ansi -p five ${words}`);
  before(async () => { host = await ClientHost.open(); });
  after(() => host?.close());

  it("up: builds, makes networks and volumes, waits for health, starts five services", async () => {
    await compose("up -d");
    let page = "";
    await waitFor("the published page", async () => (page = (await host.sh("curl -s http://127.0.0.1:8088/cgi-bin/whoami")).stdout) !== "");
    assert.match(page, /task: compose/);
  });
  it("ps: shows which run", async () => {
    const rows = await compose("ps");
    assert.match(rows, /five_web_1 .*Up.*0\.0\.0\.0:8088->8080\/tcp/);
    assert.match(rows, /five_store_1 .*Up \(healthy\)/);
    assert.match(rows, /five_seed_1 .*Exit 0/);
  });
  it("logs: of those that ended too", async () => {
    assert.match(await compose("logs seed worker"), /seeded[\s\S]*hello from|hello from[\s\S]*seeded/);
  });
  it("exec: names resolve on shared networks, and only there", async () => {
    assert.equal((await compose("exec -T web wget -q -O - http://db/ready")).trim(), "yes");
    const apart = await host.sh(`cd ${directory} && docker-compose --no-ansi -p five exec -T front wget -q -O - http://db/ready`);
    assert.notEqual(apart.code, 0);
    assert.equal((await host.sh(`cd ${directory} && docker-compose -p five exec -T web sh -c 'exit 7'`)).code, 7);
  });
  it("scale: more and fewer", async () => {
    const workers = async () => (await host.ok("docker ps -q --filter label=role=worker")).trim().split("\n").filter(Boolean).length;
    await compose("up -d --scale worker=3 --no-recreate");
    assert.equal(await workers(), 3);
    await compose("up -d --scale worker=1 --no-recreate");
    assert.equal(await workers(), 1);
  });
  it("up again changes nothing; stop and start keep the containers", async () => {
    const ids = await compose("ps -q");
    await compose("up -d");
    assert.deepEqual((await compose("ps -q")).split("\n").sort(), ids.split("\n").sort());
    await compose("stop worker");
    await compose("start worker");
  });
  it("down: nothing is left", async () => {
    await compose("down -v --rmi local");
    assert.equal((await host.ok("docker ps -aq")).trim(), "");
    assert.equal((await host.ok("docker volume ls -q")).trim(), "");
    assert.equal((await host.ok("docker network ls -q --filter type=custom")).trim(), "");
  });
});
