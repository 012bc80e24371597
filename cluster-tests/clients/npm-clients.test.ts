import assert from "node:assert/strict";
import { ClientHost } from "./client-host.js";
import { npmClients } from "./npm-clients.js";

describe("clients from npm", function () {
  this.timeout(300_000);
  let host: ClientHost;
  let directory: string;
  before(async () => { [host, directory] = await Promise.all([ClientHost.open(), npmClients()]); });
  after(() => host?.close());

  for (const [client, environment, least] of [["dockerode", "", 13], ["testcontainers", "TESTCONTAINERS_RYUK_DISABLED=true", 7]] as const) {
    it(`${client} works in all that its program tries`, async () => {
      const { code, stdout, stderr } = await host.sh(`cd ${directory} && ${environment} node programs/${client}.mjs`, { timeoutMs: 240_000 });
      const lines = stdout.trim().split("\n");
      assert.deepEqual(lines.filter((line) => !line.startsWith("ok ")), [], stderr);
      assert.ok(lines.length >= least, stdout);
      assert.equal(code, 0, stderr);
    });
  }
});
