import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DockerClient } from "./client.js";

describe("cli: uploads", () => {
  it("that are refused before they were read end with the refusal, and their source too", async () => {
    const directory = mkdtempSync(join(tmpdir(), "skein-upload-"));
    const server = createServer((_request, response) => { response.writeHead(503, { "content-type": "application/json" }); response.end(JSON.stringify({ message: "not now" })); });
    try {
      await new Promise<void>((resolve) => server.listen(join(directory, "s"), resolve));
      let hasEnded = (): void => {};
      const ended = new Promise<void>((resolve) => { hasEnded = resolve; });
      const source = (async function* endless() { try { for (;;) yield Buffer.alloc(65_536); } finally { hasEnded(); } })();
      await assert.rejects(new DockerClient(join(directory, "s")).upload("POST", "/images/load", source), { code: "UNAVAILABLE", message: "not now" });
      await ended;
    } finally { server.close(); server.closeAllConnections(); rmSync(directory, { recursive: true }); }
  });
});
