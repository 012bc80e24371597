import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../lib/index.js";
import { AgentDatabase } from "./database.js";

describe("agent: the database", () => {
  let directory: string;
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "skein-agent-db-"));
    for (const index of [1, 2]) {
      const database = await AgentDatabase.open(directory, silentLogger);
      for (let i = 0; i < 20; i++) database.put("task", `t${index}-${i}`, { padding: "x".repeat(200) });
      database.put("meta", "meta", { nodeId: "n1", index, dataPort: 4789, managers: [] });
      await database.close();
    }
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  for (const [what, pattern] of Object.entries({ "the manifest": /^MANIFEST/, "CURRENT": /^CURRENT$/, "a table": /\.ldb$/ })) {
    it(`starts empty rather than with a part when ${what} is truncated`, async () => {
      for (const name of readdirSync(directory)) if (pattern.test(name)) truncateSync(join(directory, name), 5);
      const database = await AgentDatabase.open(directory, silentLogger);
      try {
        const contents = await database.read();
        assert.equal(contents.tasks.size, 0);
        assert.equal(contents.meta, undefined);
        database.put("task", "t9", {});
        await database.flushed();
        assert.deepEqual([...(await database.read()).tasks.keys()], ["t9"]);
      } finally { await database.close(); }
    });
  }

  it("says that another process uses it", async () => {
    const first = await AgentDatabase.open(directory, silentLogger);
    try {
      await assert.rejects(AgentDatabase.open(directory, silentLogger), { code: "FAILED_PRECONDITION", message: /another process uses it/ });
      assert.equal((await first.read()).tasks.size, 40);
    } finally { await first.close(); }
  });
});
