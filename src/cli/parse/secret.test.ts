import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSecret } from "./secret.js";

describe("cli: a secret from a file", () => {
  it("is the file without its last line break; a file that is not there is named", () => {
    const directory = mkdtempSync(join(tmpdir(), "skein-secret-"));
    try {
      const path = join(directory, "token");
      writeFileSync(path, "SKTKN-1-a-b\r\n");
      assert.equal(readSecret(path, "--token-file"), "SKTKN-1-a-b");
      assert.throws(() => readSecret(join(directory, "nothing"), "--token-file"), { code: "INVALID_ARGUMENT", message: /Cannot read the file of --token-file: .*nothing/ });
    } finally { rmSync(directory, { recursive: true }); }
  });
});
