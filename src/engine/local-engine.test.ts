import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { credentials, Metadata, Server, ServerCredentials, type Client } from "@grpc/grpc-js";
import { busyboxImage, dockerSave } from "../../scripts/base-images.js";
import { codeOf } from "../lib/index.js";
import { call, clientConstructor, fromServiceError, serviceDefinition, stream, type Caller } from "../rpc/index.js";
import type { ImageProgress } from "../gen/swarm/v1/ImageProgress.js";
import type { ListContainersResponse } from "../gen/swarm/v1/ListContainersResponse.js";
import type { ListImagesResponse } from "../gen/swarm/v1/ListImagesResponse.js";
import type { LoadImageResponse } from "../gen/swarm/v1/LoadImageResponse.js";
import { localEngineHandlers } from "./local-engine.js";
import { pushImage, startRegistry } from "./registry/testing.js";
import { openEngineRig, type EngineRig } from "./testing.js";

describe("engine: its service on the local socket", function () {
  this.timeout(30_000);
  let rig: EngineRig;
  let directory: string;
  let server: Server;
  let client: Client;
  let caller: Caller = { kind: "local" };
  before(async () => {
    rig = await openEngineRig();
    directory = mkdtempSync(join(tmpdir(), "skein-socket-"));
    server = new Server();
    server.addService(serviceDefinition("LocalEngine"), localEngineHandlers(rig.engine(), () => caller));
    const address = `unix:${join(directory, "s")}`;
    await new Promise<void>((resolve, reject) => server.bindAsync(address, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve())));
    client = new (clientConstructor("LocalEngine"))(address, credentials.createInsecure());
  });
  after(async () => {
    client?.close();
    server?.forceShutdown();
    await rig?.close();
    if (directory) rmSync(directory, { recursive: true, force: true });
  });

  const upload = (method: "loadImage" | "importImage", messages: AsyncIterable<object>) => new Promise<LoadImageResponse>((resolve, reject) => {
    const requests = (client as unknown as Record<string, (m: Metadata, callback: (e: unknown, r: LoadImageResponse) => void) => NodeJS.WritableStream & { write(m: object): boolean }>)[method]!(new Metadata(), (error, response) => (error ? reject(fromServiceError(error)) : resolve(response)));
    void (async () => { for await (const message of messages) requests.write(message); requests.end(); })();
  });

  it("loads, imports, lists, pulls and removes images, and lists containers", async () => {
    const busybox = await busyboxImage();
    const loaded = await upload("loadImage", (async function* () { for await (const chunk of dockerSave(busybox)) yield { chunk }; })());
    assert.deepEqual(loaded.images.map((i) => i.references), [["docker.io/library/busybox:latest"]]);
    const imported = await upload("importImage", (async function* () { yield { reference: "mine:1", changes: ["CMD [\"sh\"]"] }; yield { chunk: busybox.layers[0]! }; })());
    assert.deepEqual(imported.images.map((i) => i.references), [["docker.io/library/mine:1"]]);
    assert.equal((await call<ListImagesResponse>(client, "listImages", {})).images.length, 2);
    assert.equal((await call<ListImagesResponse>(client, "listImages", { reference: "busybox" })).images.length, 1);

    const registry = await startRegistry();
    try {
      await pushImage(registry.host, "x", "1", busybox);
      const progress: ImageProgress[] = [];
      for await (const message of stream<ImageProgress>(client, "pullImage", { reference: `${registry.host}/x:1` })) progress.push(message);
      assert.deepEqual(progress.at(-1)!.image!.references, [`${registry.host}/x:1`]);
    } finally { await registry.close(); }

    const id = await rig.run("busybox", ["sleep", "1000"], { name: "web.1" });
    const { containers } = await call<ListContainersResponse>(client, "listContainers", {});
    assert.deepEqual(containers.map((c) => [c.id, c.name, c.state, c.health]), [[id, "web.1", "running", ""]]);
    await assert.rejects(call(client, "removeImage", { reference: "busybox" }), (e: Error) => codeOf(e) === "FAILED_PRECONDITION");
    assert.deepEqual((await call<{ untagged: string[] }>(client, "removeImage", { reference: "mine:1" })).untagged, ["docker.io/library/mine:1"]);
  });

  it("refuses everyone but root on this host", async () => {
    caller = { kind: "node", nodeId: "n", role: "MANAGER", clusterId: "c" };
    await assert.rejects(call(client, "listImages", {}), (e: Error) => codeOf(e) === "PERMISSION_DENIED");
    caller = { kind: "local" };
  });

  it("answers a broken upload with one sentence", async () => {
    await assert.rejects(upload("loadImage", (async function* () { yield { chunk: Buffer.from("not a tar") }; })()), (e: Error) => codeOf(e) === "INVALID_ARGUMENT" && /^Cannot load the image archive: /.test(e.message));
    await assert.rejects(upload("importImage", (async function* () { yield { chunk: Buffer.from("x") }; })()), /Cannot import an image without a name/);
  });
});
