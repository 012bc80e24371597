import assert from "node:assert/strict";
import { once } from "node:events";
import { statSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import WebSocket from "ws";
import { pack } from "tar-stream";
import { silentLogger, systemClock } from "../lib/index.js";
import { waitFor } from "../lib/testing.js";
import { busyboxImage, dockerSave } from "../../scripts/base-images.js";
import { startGateway } from "./gateway.js";
import { openGatewayRig, parseFrames, type GatewayRig } from "./testing.js";

describe("gateway", function () {
  this.timeout(60_000);
  let rig: GatewayRig;
  before(async () => {
    rig = await openGatewayRig();
    const parts: Uint8Array[] = [];
    for await (const part of dockerSave(await busyboxImage())) parts.push(part);
    const loaded = await rig.call("POST", "/images/load", Buffer.concat(parts), { "content-type": "application/x-tar" });
    assert.match(loaded.text, /"stream":"Loaded image: busybox:latest\\n"/);
  });
  after(() => rig?.close());

  const none = { HostConfig: { NetworkMode: "none" } };
  const create = async (body: object, name = ""): Promise<string> => {
    const { status, json, text } = await rig.call("POST", `/containers/create${name ? `?name=${name}` : ""}`, { Image: "busybox", ...none, ...body });
    assert.equal(status, 201, text);
    return json.Id as string;
  };
  const run = async (body: object): Promise<string> => {
    const id = await create(body);
    assert.equal((await rig.call("POST", `/containers/${id}/start`)).status, 204);
    return id;
  };
  const remove = (id: string) => rig.call("DELETE", `/containers/${id}?force=1&v=1`);

  describe("speaks HTTP as Docker does", () => {
    it("answers a ping with what clients read first", async () => {
      for (const method of ["GET", "HEAD"]) {
        const { status, headers, text } = await rig.call(method, "/_ping");
        assert.deepEqual([status, headers["api-version"], headers.ostype, headers["docker-experimental"], headers["builder-version"], headers.swarm, text], [200, "1.51", "linux", "false", "1", "inactive", method === "GET" ? "OK" : ""]);
      }
    });
    for (const [path, status, message] of [
      ["/v1.24/version", 200, undefined], ["/v1.51/version", 200, undefined], ["/version", 200, undefined], ["/v1.23/version", 400, /client version 1\.23 is too old\. Minimum supported API version is 1\.24/],
      ["/v1.99/version", 400, /client version 1\.99 is too new\. Maximum supported API version is 1\.51/], ["/v2.0/version", 400, /too new/], ["/nothing", 404, /^page not found$/], ["/containers/%zz/json", 400, /escape/],
      ["/swarm", 503, /not a swarm manager/], ["/services", 503, /not a swarm manager/], ["/images/search?term=x", 501, /search/], ["/containers/none-such/json", 404, /^No such container: none-such$/],
      ["/images/none-such/json", 404, /^No such image: none-such:latest$/], ["/networks/none-such", 404, /network none-such not found/], ["/volumes/none-such", 404, /no such volume/], ["/exec/none-such/json", 404, /No such exec instance/],
      ['/containers/json?filters={"colour":["blue"]}', 400, /invalid filter 'colour'/], ["/containers/json?filters={", 400, /JSON/], ["/events?filters={%22wrong%22:[]}", 400, /invalid filter/], ["/containers/json?limit=many", 400, /limit/],
    ] as const) {
      it(`GET ${path}: ${status}`, async () => {
        const answer = await rig.call("GET", path);
        assert.equal(answer.status, status, answer.text);
        if (message) assert.match(answer.json.message, message);
      });
    }
    it("refuses bodies that are not JSON, of wrong types, and that are too large", async () => {
      for (const [body, status, message] of [
        ["{", 400, /not valid JSON/], ['{"Image":"busybox","HostConfig":{"Memory":"much"}}', 400, /HostConfig\.Memory must be a whole number/], ['{"Image":"busybox","Env":"A=1"}', 400, /Env must be a list of texts/],
        ['{"Image":"busybox","HostConfig":{"PortBindings":{"99999/tcp":[{}]}}}', 400, /99999/], ['{"Image":"busybox","HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"99999"}]}}}', 400, /65535/],
        ['{"Image":"busybox","HostConfig":{"Memory":1048576}}', 400, /Minimum memory limit allowed is 6MB/], ['{"Image":"busybox","HostConfig":{"AutoRemove":true,"RestartPolicy":{"Name":"always"}}}', 400, /AutoRemove/],
        ['{"Image":"none-such"}', 404, /^No such image: none-such:latest$/], ["{}", 400, /image/i], ['{"Image":"busybox","HostConfig":{"Binds":["relative/path:/x"]}}', 400, /invalid characters|absolute/],
        ['{"Image":"busybox","HostConfig":{"Binds":["/a:/x"],"Mounts":[{"Type":"tmpfs","Target":"/x"}]}}', 400, /Duplicate mount point: \/x/], ['{"Image":"busybox","HostConfig":{"NanoCpus":99000000000}}', 400, /Range of CPUs/],
      ] as const) {
        const answer = await rig.call("POST", "/containers/create", body);
        assert.equal(answer.status, status, `${body}: ${answer.text}`);
        assert.match(answer.json.message, message);
      }
      assert.equal((await rig.call("POST", "/containers/create?name=a%20b", { Image: "busybox" })).status, 400);
      const large = await rig.raw(`POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n{`);
      assert.match(large, /^HTTP\/1\.1 413 /);
      assert.deepEqual((await rig.call("GET", "/containers/json?all=1")).json, []);
    });
    it("takes 3 MB of labels", async () => {
      const id = await create({ Labels: { large: "x".repeat(3_000_000) } });
      assert.equal((await rig.call("GET", `/containers/${id}/json`)).json.Config.Labels.large.length, 3_000_000);
      await remove(id);
    });
    it("a refusal reaches a client that is still sending, and the connection is good for the next request", async () => {
      const body = Buffer.alloc(8_000_000, "x");
      const answers = await rig.raw(Buffer.concat([Buffer.from(`POST /nowhere HTTP/1.1\r\nHost: d\r\nContent-Length: ${body.length}\r\n\r\n`), body, Buffer.from("GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n")]));
      assert.match(answers, /^HTTP\/1\.1 404 [\s\S]*page not found[\s\S]*HTTP\/1\.1 200 /);
    });
    it("refuses what is no HTTP, and headers without an end", async () => {
      assert.match(await rig.raw("garbage\r\n\r\n"), /^HTTP\/1\.1 400 /);
      assert.match(await rig.raw(`GET /_ping HTTP/1.1\r\nHost: d\r\nX: ${"x".repeat(200_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
      assert.match(await rig.raw("POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), /^HTTP\/1\.1 400 /);
    });
    it("the socket is its owner's and its group's alone", async () => {
      assert.equal(statSync(rig.socketPath).mode & 0o777, 0o600);
      const path = `${rig.socketPath}2`;
      const second = await startGateway({ engine: rig.engine.engine(), log: silentLogger, clock: systemClock, version: "0", socketPath: path, group: "0" });
      assert.equal(statSync(path).mode & 0o777, 0o660);
      await second.close();
    });
    it("plain TCP only where it is asked for, and on loopback only", async () => {
      const base = { engine: rig.engine.engine(), log: silentLogger, clock: systemClock, version: "0" };
      await assert.rejects(startGateway({ ...base, tcp: { host: "127.0.0.1", port: 0 } }), { code: "INVALID_ARGUMENT", message: /without TLS/ });
      await assert.rejects(startGateway({ ...base, tcp: { host: "0.0.0.0", port: 0, isInsecureAllowed: true } }), { code: "INVALID_ARGUMENT", message: /without TLS/ });
      const open = await startGateway({ ...base, tcp: { host: "127.0.0.1", port: 0, isInsecureAllowed: true } });
      try { assert.equal((await fetch(`${open.addresses[0]!.replace("tcp:", "http:")}/_ping`)).status, 200); } finally { await open.close(); }
    });
  });

  describe("containers", () => {
    it("inspect gives back what was asked, with the truth over it", async () => {
      const asked = {
        Cmd: ["sleep", "100"], Env: ["A=1"], Labels: { a: "b" }, WorkingDir: "/tmp", Hostname: "h", StopTimeout: 1, Unknown: true,
        HostConfig: { NetworkMode: "none", Memory: 32 * 1024 * 1024, NanoCpus: 500_000_000, Tmpfs: { "/t": "size=1m" }, CapAdd: ["NET_ADMIN"], Ulimits: [{ Name: "nofile", Soft: 100, Hard: 200 }], RestartPolicy: { Name: "on-failure", MaximumRetryCount: 2 } },
      };
      const id = await run(asked);
      const { json } = await rig.call("GET", `/containers/${id}/json?size=1`);
      assert.deepEqual([json.Id, json.Path, json.Args, json.State.Status, json.State.Running, json.Config.Cmd, json.Config.Hostname, json.Config.WorkingDir, json.Config.Labels, json.Config.StopTimeout], [id, "sleep", ["100"], "running", true, ["sleep", "100"], "h", "/tmp", { a: "b" }, 1]);
      assert.ok(json.State.Pid > 1 && json.Config.Env.includes("A=1") && json.Config.Env.some((e: string) => e.startsWith("PATH=")) && json.SizeRootFs > 0);
      assert.deepEqual({ ...json.HostConfig, ...asked.HostConfig, MemorySwap: 64 * 1024 * 1024, ShmSize: 67_108_864, PidMode: "" }, json.HostConfig);
      const updated = await rig.call("POST", `/containers/${id}/update`, { Memory: 48 * 1024 * 1024, RestartPolicy: { Name: "no" } });
      assert.equal(updated.status, 200, updated.text);
      const after = (await rig.call("GET", `/containers/${id}/json`)).json.HostConfig;
      assert.deepEqual([after.Memory, after.RestartPolicy.Name, after.CapAdd], [48 * 1024 * 1024, "no", ["NET_ADMIN"]]);
      await remove(id);
    });
    it("starting what runs and stopping what does not is 304; removing what runs is 409", async () => {
      const id = await run({ Cmd: ["sleep", "100"] });
      assert.equal((await rig.call("POST", `/containers/${id}/start`)).status, 304);
      assert.equal((await rig.call("DELETE", `/containers/${id}`)).status, 409);
      assert.equal((await rig.call("POST", `/containers/${id}/stop?t=0`)).status, 204);
      assert.equal((await rig.call("POST", `/containers/${id}/stop`)).status, 304);
      assert.equal((await rig.call("POST", `/containers/${id}/kill`)).status, 409);
      assert.equal((await rig.call("DELETE", `/containers/${id}`)).status, 204);
      assert.equal((await rig.call("DELETE", `/containers/${id}`)).status, 404);
    });
    it("a name in use is 409, and one is chosen where none is given", async () => {
      const id = await create({}, "taken");
      const again = await rig.call("POST", "/containers/create?name=taken", { Image: "busybox" });
      assert.equal(again.status, 409, again.text);
      const other = await create({});
      assert.match((await rig.call("GET", `/containers/${other}/json`)).json.Name, /^\/[a-z]+_[a-z]+$/);
      await remove(id);
      await remove(other);
    });
    it("lists by filters in both of their forms", async () => {
      const id = await run({ Cmd: ["sleep", "100"], Labels: { team: "blue" } });
      const names = async (query: string) => ((await rig.call("GET", `/containers/json?${query}`)).json as { Id: string }[]).map((c) => c.Id);
      const encode = (filters: object) => `filters=${encodeURIComponent(JSON.stringify(filters))}`;
      for (const filters of [{ label: ["team=blue"] }, { label: { "team=blue": true } }, { status: ["running"] }, { id: [id.slice(0, 6)] }, { ancestor: ["busybox"] }, { name: ["."] }]) assert.deepEqual(await names(encode(filters)), [id], JSON.stringify(filters));
      for (const filters of [{ label: ["team=red"] }, { status: ["exited"] }, { ancestor: ["none-such"] }, { "label!": ["team"] }]) assert.deepEqual(await names(encode(filters)), [], JSON.stringify(filters));
      const slow = await rig.call("GET", `/containers/json?${encode({ name: ["(a+)+b".repeat(20), "([a-z_]+)+$x"] })}`);
      assert.ok([200, 400].includes(slow.status));
      await remove(id);
    });
    it("whom a creation names and who is not there is 400, not 404: that is the image's; ports of a container with the host's network warn", async () => {
      for (const HostConfig of [{ NetworkMode: "container:none-such" }, { VolumesFrom: ["none-such"] }, { Links: ["none-such:x"] }, { PidMode: "container:none-such" }]) {
        const { status, json } = await rig.call("POST", "/containers/create", { Image: "busybox", HostConfig });
        assert.deepEqual([status, json.message], [400, "No such container: none-such"], JSON.stringify(HostConfig));
      }
      const volumes = await rig.call("POST", "/containers/create", { Image: "busybox", HostConfig: { VolumeDriver: "none-such", Binds: ["data:/data"] } });
      assert.equal(volumes.status, 400, volumes.text);
      assert.equal((await rig.call("POST", "/containers/create", { Image: "none-such" })).status, 404);
      assert.equal((await rig.call("POST", "/containers/create", { Image: "busybox", User: "none-such" })).status, 400);
      const { json } = await rig.call("POST", "/containers/create", { Image: "busybox", HostConfig: { NetworkMode: "host", PortBindings: { "80/tcp": [{}] } } });
      assert.deepEqual(json.Warnings, ["Published ports are discarded when using host network mode"]);
      await remove(json.Id);
    });
    it("wait sends its head before the container starts", async () => {
      const id = await create({ Cmd: ["sh", "-c", "exit 5"] });
      const response = await rig.open("POST", `/containers/${id}/wait?condition=next-exit`);
      assert.equal(response.statusCode, 200);
      await rig.call("POST", `/containers/${id}/start`);
      assert.deepEqual(JSON.parse(await textOf(response)), { StatusCode: 5 });
      assert.equal((await rig.call("POST", `/containers/${id}/wait?condition=sometime`)).status, 400);
      await remove(id);
    });
    it("stats: one with a sample before it, and a stream that ends with its client", async () => {
      const id = await run({ Cmd: ["sleep", "100"] });
      const { json } = await rig.call("GET", `/containers/${id}/stats?stream=0`);
      assert.ok(json.memory_stats.usage > 0 && json.precpu_stats.system_cpu_usage > 0 && json.cpu_stats.online_cpus > 0, JSON.stringify(json));
      assert.equal((await rig.call("GET", `/containers/${id}/stats?stream=0&one-shot=1`)).json.precpu_stats.system_cpu_usage, undefined);
      const stream = await rig.open("GET", `/containers/${id}/stats`);
      const [first] = await once(stream, "data") as [Buffer];
      assert.equal(JSON.parse(first.toString()).id, id);
      stream.destroy();
      await remove(id);
    });
  });

  describe("streams", () => {
    it("logs are framed, and follow to the end", async () => {
      const id = await run({ Cmd: ["sh", "-c", "echo out; echo err >&2; sleep 0.2; echo late"] });
      const response = await rig.open("GET", `/containers/${id}/logs?stdout=1&stderr=1&follow=1`);
      assert.equal(response.headers["content-type"], "application/vnd.docker.multiplexed-stream");
      const frames = parseFrames(await bytesOf(response));
      assert.deepEqual(frames.map(({ stream, text }) => `${stream} ${text}`).sort(), ["1 late\n", "1 out\n", "2 err\n"]);
      const old = await rig.open("GET", `/v1.41/containers/${id}/logs?stdout=1&tail=1&timestamps=1`);
      assert.equal(old.headers["content-type"], "application/vnd.docker.raw-stream");
      assert.match(parseFrames(await bytesOf(old))[0]!.text, /^\d{4}-\d\d-\d\dT[\d:.]+Z late\n$/);
      assert.equal((await rig.call("GET", `/containers/${id}/logs`)).status, 400);
      await remove(id);
    });
    it("attach before start: input, half-close, output to the end", async () => {
      const id = await create({ Cmd: ["sh", "-c", "cat; echo done >&2"], OpenStdin: true, StdinOnce: true });
      const { socket, head } = await upgrade(rig, `/containers/${id}/attach?stream=1&stdin=1&stdout=1&stderr=1`);
      assert.match(head, /^HTTP\/1\.1 101 UPGRADED\r\n[\s\S]*Content-Type: application\/vnd\.docker\.multiplexed-stream/);
      await rig.call("POST", `/containers/${id}/start`);
      socket.end("typed");
      const frames = parseFrames(await bytesOf(socket));
      assert.deepEqual(frames.map(({ stream, text }) => `${stream} ${text}`), ["1 typed", "2 done\n"]);
      await remove(id);
    });
    it("detach keys leave the container alone, also when they come in pieces", async () => {
      const id = await run({ Cmd: ["cat"], Tty: true, OpenStdin: true });
      const { socket, head } = await upgrade(rig, `/containers/${id}/attach?stream=1&stdin=1&stdout=1&detachKeys=ctrl-x,q`);
      assert.match(head, /vnd\.docker\.raw-stream/);
      socket.write("ab\n");
      socket.write(Buffer.from([24]));
      await waitForText(socket, /ab/);
      socket.write("q");
      await bytesOf(socket);
      assert.equal((await rig.call("GET", `/containers/${id}/json`)).json.State.Running, true);
      assert.equal((await rig.call("POST", `/containers/${id}/attach?stream=1&detachKeys=hyper-q`)).status, 400);
      await remove(id);
    });
    it("exec: a body that comes in two pieces, input, exit code; a command that is not there says so in the stream", async () => {
      const id = await run({ Cmd: ["sleep", "100"] });
      const exec = async (Cmd: string[], more: object = {}) => (await rig.call("POST", `/containers/${id}/exec`, { Cmd, AttachStdin: true, AttachStdout: true, AttachStderr: true, ...more })).json.Id as string;
      const one = await exec(["sh", "-c", "read line; echo got $line; exit 3"]);
      const body = '{"Detach":false,"Tty":false}';
      const socket = rig.connect();
      socket.write(`POST /exec/${one}/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 10)}`);
      await new Promise((resolve) => setImmediate(resolve));
      socket.write(`${body.slice(10)}word\n`);
      const answer = await bytesOf(socket);
      assert.deepEqual(parseFrames(answer.subarray(answer.indexOf("\r\n\r\n") + 4)), [{ stream: 1, text: "got word\n" }]);
      assert.equal((await rig.call("GET", `/exec/${one}/json`)).json.ExitCode, 3);
      const absent = await exec(["/nothing"]);
      const { socket: other } = await upgrade(rig, `/exec/${absent}/start`, "{}");
      assert.match((await bytesOf(other)).toString(), /nothing/);
      assert.equal((await rig.call("GET", `/exec/${absent}/json`)).json.ExitCode, 127);
      const plain = await rig.call("POST", `/exec/${await exec(["echo", "plain"])}/start`, {});
      assert.deepEqual([plain.status, parseFrames(Buffer.from(plain.text))], [200, [{ stream: 1, text: "plain\n" }]]);
      assert.equal((await rig.call("POST", `/containers/${id}/exec`, { Cmd: [] })).status, 400);
      await remove(id);
    });
    it("exec: the head is there before the command begins, for clients that lose what comes with it; what can never start has a status", async () => {
      const id = await run({ Cmd: ["sleep", "100"] });
      const exec = (await rig.call("POST", `/containers/${id}/exec`, { Cmd: ["echo", "quick"], AttachStdout: true })).json.Id as string;
      for (let i = 0; i < 10; i++) {
        const again = (await rig.call("POST", `/containers/${id}/exec`, { Cmd: ["echo", "quick"], AttachStdout: true })).json.Id as string;
        const socket = rig.connect();
        socket.write(`POST /exec/${again}/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}`);
        const [first] = (await once(socket, "data")) as [Buffer];
        assert.ok(first.toString().endsWith("\r\n\r\n"), JSON.stringify(first.toString()));
        assert.match((await bytesOf(socket)).toString(), /quick/);
      }
      assert.equal((await rig.call("POST", `/exec/${exec}/start`, {})).status, 200);
      assert.equal((await rig.call("POST", `/exec/${exec}/start`, {})).status, 409);
      await remove(id);
    });
    it("no output is lost when input ends while the command does", async () => {
      const id = await run({ Cmd: ["sleep", "100"] });
      const one = async (): Promise<string> => {
        const exec = (await rig.call("POST", `/containers/${id}/exec`, { Cmd: ["echo", "yes"], AttachStdin: true, AttachStdout: true })).json.Id as string;
        const socket = rig.connect();
        socket.end(`POST /exec/${exec}/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}`);
        const answer = await bytesOf(socket);
        return parseFrames(answer.subarray(answer.indexOf("\r\n\r\n") + 4)).map(({ text }) => text).join("");
      };
      for (let i = 0; i < 20; i++) assert.deepEqual(await Promise.all(Array.from({ length: 8 }, one)), Array.from({ length: 8 }, () => "yes\n"));
      await remove(id);
    });
    it("a refusal of an upgrade has its status and does not close in words", async () => {
      const { head } = await upgrade(rig, "/containers/none-such/attach?stream=1");
      assert.match(head, /^HTTP\/1\.1 404 /);
      assert.doesNotMatch(head, /Connection: close/i);
      assert.match((await upgrade(rig, "/grpc", "", "h2c")).head, /^HTTP\/1\.1 501 /);
      assert.match((await upgrade(rig, "/containers/json")).head, /^HTTP\/1\.1 40[04] /);
    });
    it("clients that vanish in the middle harm nobody", async () => {
      const id = await run({ Cmd: ["sh", "-c", "while true; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done"] });
      for (let i = 0; i < 20; i++) {
        const { socket } = await upgrade(rig, `/containers/${id}/attach?stream=1&stdout=1`);
        socket.destroy();
        const logs = await rig.open("GET", `/containers/${id}/logs?stdout=1&follow=1`);
        logs.destroy();
      }
      assert.equal((await rig.call("GET", "/_ping")).status, 200);
      await remove(id);
    });
    it("a client that does not read makes nothing grow", async () => {
      const id = await run({ Cmd: ["sh", "-c", "while true; do head -c 1000000 /dev/zero | tr '\\0' x; echo; done"], HostConfig: { NetworkMode: "none", LogConfig: { Type: "json-file", Config: { "max-size": "5m", "max-file": "2" } } } });
      const stuck = await Promise.all([upgrade(rig, `/containers/${id}/attach?stream=1&stdout=1`).then(({ socket }) => socket), ...Array.from({ length: 3 }, () => rig.open("GET", `/containers/${id}/logs?stdout=1&follow=1`))]);
      globalThis.gc?.();
      const before = process.memoryUsage();
      const end = performance.now() + 2_000;
      await waitFor("two seconds of a flood", () => performance.now() > end);
      const after = process.memoryUsage();
      assert.ok(after.arrayBuffers + after.external - before.arrayBuffers - before.external < 96 * 1024 * 1024, `${before.arrayBuffers} → ${after.arrayBuffers}`);
      for (const each of stuck) each.destroy();
      await remove(id);
    });
    it("attach over WebSocket", async () => {
      const id = await run({ Cmd: ["cat"], OpenStdin: true });
      const socket = new WebSocket(`ws+unix:${rig.socketPath}:/containers/${id}/attach/ws?stream=1&stdin=1&stdout=1`);
      await once(socket, "open");
      socket.send("through ws\n");
      const [message] = await once(socket, "message") as [Buffer];
      assert.equal(message.toString(), "through ws\n");
      socket.close();
      await once(socket, "close");
      await remove(id);
    });
    it("events as they happen, with nanoseconds, and until", async () => {
      const stream = await rig.open("GET", `/events?filters=${encodeURIComponent(JSON.stringify({ type: ["container"], event: ["create", "destroy"] }))}`);
      const id = await create({ Labels: { seen: "yes" } });
      await remove(id);
      let text = "";
      stream.on("data", (part: Buffer) => { text += part.toString(); });
      await waitFor("both events", () => text.split("\n").length === 3);
      stream.destroy();
      const [created, destroyed] = text.trim().split("\n").map((line) => JSON.parse(line));
      assert.deepEqual([created.Action, created.Actor.ID, created.Actor.Attributes.seen, created.status, destroyed.Action, created.scope], ["create", id, "yes", "create", "destroy", "local"]);
      assert.match(text, /"timeNano":\d{19}\b/);
      const past = await rig.call("GET", `/events?since=0&until=${Date.now() / 1000}`);
      assert.ok(past.text.includes(id));
    });
  });

  describe("files, images, builds", () => {
    it("archives: head, get, put", async () => {
      const id = await run({ Cmd: ["sleep", "100"] });
      const tar = pack();
      tar.entry({ name: "file" }, "content");
      tar.finalize();
      const put = await rig.call("PUT", `/containers/${id}/archive?path=/tmp`, await bytesOf(tar), { "content-type": "application/x-tar" });
      assert.equal(put.status, 200, put.text);
      const head = await rig.call("HEAD", `/containers/${id}/archive?path=/tmp/file`);
      assert.deepEqual([JSON.parse(Buffer.from(head.headers["x-docker-container-path-stat"] as string, "base64").toString()).size], [7]);
      assert.match((await rig.call("GET", `/containers/${id}/archive?path=/tmp/file`)).text, /content/);
      assert.equal((await rig.call("GET", `/containers/${id}/archive?path=/none-such`)).status, 404);
      assert.equal((await rig.call("GET", `/containers/${id}/archive`)).status, 400);
      assert.deepEqual((await rig.call("GET", `/containers/${id}/changes`)).json, [{ Path: "/tmp", Kind: 0 }, { Path: "/tmp/file", Kind: 1 }]);
      await remove(id);
    });
    it("a failure after the head has gone out is an errorDetail, one before it a status", async () => {
      const build = async (dockerfile: string) => {
        const tar = pack();
        tar.entry({ name: "Dockerfile" }, dockerfile);
        tar.finalize();
        return rig.call("POST", "/build?t=made&rm=1", await bytesOf(tar), { "content-type": "application/x-tar" });
      };
      const failed = await build("FROM busybox\nRUN exit 4\n");
      assert.equal(failed.status, 200);
      const last = JSON.parse(failed.text.trim().split("\r\n").at(-1)!);
      assert.deepEqual([last.errorDetail.code, /non-zero code: 4/.test(last.error)], [4, true]);
      const built = await build("FROM busybox\nLABEL a=b\n");
      assert.match(built.text, /Successfully tagged made:latest/);
      assert.match(built.text, /"aux":\{"ID":"sha256:/);
      assert.equal((await rig.call("POST", "/images/create?fromImage=UPPER")).status, 400);
      assert.equal((await rig.call("DELETE", "/images/made")).status, 200);
    });
    it("a build's connection is good for the next request, also when its context ends before the request does", async () => {
      const tar = pack();
      tar.entry({ name: "Dockerfile" }, "FROM busybox\nLABEL c=d\n");
      tar.finalize();
      const context = await bytesOf(tar);
      const socket = rig.connect();
      let text = "";
      socket.on("data", (part) => { text += String(part); }).on("error", () => {});
      socket.write(Buffer.concat([Buffer.from(`POST /build HTTP/1.1\r\nHost: d\r\nContent-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n${context.length.toString(16)}\r\n`), context, Buffer.from("\r\n")]));
      try {
        await waitFor("the whole answer", () => text.endsWith("\r\n0\r\n\r\n"));
        socket.write("0\r\n\r\nGET /_ping HTTP/1.1\r\nHost: d\r\n\r\n");
        await waitFor("the next answer", () => text.endsWith("OK"));
      } finally { socket.destroy(); }
    });
    it("a build that asks for BuildKit is built, its session held until the client ends it; a context from the session is refused", async () => {
      const { socket, head } = await upgrade(rig, "/session", "", "h2c");
      assert.match(head, /^HTTP\/1\.1 101 [\s\S]*Upgrade: h2c/);
      const tar = pack();
      tar.entry({ name: "other.Dockerfile" }, "FROM busybox\nRUN --mount=type=cache,target=/c echo made > /made\n");
      tar.finalize();
      const built = await rig.call("POST", "/build?version=2&session=one&t=kit&dockerfile=other.Dockerfile", await bytesOf(tar), { "content-type": "application/x-tar" });
      assert.match(built.text, /Successfully tagged kit:latest/);
      assert.equal((await rig.call("DELETE", "/images/kit")).status, 200);
      assert.ok(!socket.readableEnded && !socket.destroyed);
      socket.end();
      await bytesOf(socket);
      const refused = await rig.call("POST", "/build?version=2&remote=client-session&session=one");
      assert.equal(refused.status, 501);
      assert.match(refused.json.message, /send the context as the request's body/);
      assert.equal((await rig.call("POST", "/session")).status, 400);
    });
    it("images of another platform than is asked for are not here; what was imported says so", async () => {
      const tar = pack();
      tar.entry({ name: "file" }, "x");
      tar.finalize();
      assert.equal((await rig.call("POST", "/images/create?fromSrc=-&repo=flat&platform=linux/arm64", await bytesOf(tar))).status, 200);
      const platform = (architecture: string) => encodeURIComponent(JSON.stringify({ os: "linux", architecture }));
      assert.equal((await rig.call("GET", `/images/flat/json?platform=${platform("aarch64")}`)).json.Comment, "Imported from -");
      for (const path of ["/images/flat/json", "/images/flat/history", "/images/flat/get"]) {
        const { status, json } = await rig.call("GET", `${path}?platform=${platform("amd64")}`);
        assert.deepEqual([status, json.message], [404, 'No such image: image "flat" was found but its platform (linux/arm64) does not match the specified platform (linux/amd64)'], path);
      }
      assert.equal((await rig.call("DELETE", "/images/flat")).status, 200);
    });
    it("labels as a filter of the build cache fit nothing, negated everything", async () => {
      for (const [filters, status] of [[{ label: ["a=b"] }, 200], [{ "label!": ["a=b"] }, 200], [{ colour: ["blue"] }, 400]] as const) {
        assert.equal((await rig.call("POST", `/build/prune?filters=${encodeURIComponent(JSON.stringify(filters))}`)).status, status);
      }
    });
    it("secrets of a build come with its head", async () => {
      const tar = pack();
      tar.entry({ name: "Dockerfile" }, "FROM busybox\nRUN --mount=type=secret,id=key wc -c < /run/secrets/key\n");
      tar.finalize();
      const secrets = Buffer.from(JSON.stringify({ key: Buffer.from("twelve bytes").toString("base64") })).toString("base64");
      const built = await rig.call("POST", "/build?t=secret", await bytesOf(tar), { "content-type": "application/x-tar", "x-build-secrets": secrets });
      assert.match(built.text, /"stream":"12\\n"/);
      assert.equal((await rig.call("DELETE", "/images/secret")).status, 200);
    });
    it("volumes, disk usage, prune", async () => {
      const made = await rig.call("POST", "/volumes/create", { Name: "kept", Labels: { a: "b" } });
      assert.deepEqual([made.status, made.json.Name, made.json.Labels], [201, "kept", { a: "b" }]);
      assert.equal((await rig.call("POST", "/volumes/create", { Name: "../up" })).status, 400);
      const id = await create({ HostConfig: { NetworkMode: "none", Binds: ["kept:/v"] } });
      assert.equal((await rig.call("DELETE", "/volumes/kept")).status, 409);
      const usage = (await rig.call("GET", "/system/df")).json;
      assert.ok(usage.LayersSize > 0 && usage.Volumes[0].UsageData.RefCount === 1 && usage.Containers.length === 1, JSON.stringify(usage));
      assert.deepEqual((await rig.call("POST", "/containers/prune")).json.ContainersDeleted, [id]);
      assert.equal((await rig.call("DELETE", "/volumes/kept")).status, 204);
      assert.equal((await rig.call("GET", "/info")).json.Swarm.LocalNodeState, "inactive");
    });
  });
});

async function upgrade(rig: GatewayRig, path: string, body = "", protocol = "tcp"): Promise<{ socket: Socket; head: string }> {
  const socket = rig.connect();
  socket.write(`POST ${path} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  let bytes = Buffer.alloc(0);
  while (!bytes.includes("\r\n\r\n")) bytes = Buffer.concat([bytes, ((await once(socket, "data")) as [Buffer])[0]]);
  socket.pause();
  const end = bytes.indexOf("\r\n\r\n") + 4;
  if (bytes.length > end) socket.unshift(bytes.subarray(end));
  return { socket, head: bytes.subarray(0, end).toString() };
}

async function bytesOf(source: AsyncIterable<unknown>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of source) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
const textOf = async (response: IncomingMessage): Promise<string> => (await bytesOf(response)).toString();

async function waitForText(socket: Socket, pattern: RegExp): Promise<void> {
  let text = "";
  const read = (part: Buffer) => { text += part.toString(); };
  socket.on("data", read);
  socket.resume();
  await waitFor(String(pattern), () => pattern.test(text));
  socket.off("data", read);
  socket.pause();
}
