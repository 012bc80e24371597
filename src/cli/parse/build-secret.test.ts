import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readBuildSecrets } from "./build-secret.js";

describe("cli: secrets of a build", () => {
  let directory: string, file: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "skein-secret-"));
    file = join(directory, "key");
    writeFileSync(file, "from the file\n");
  });
  after(() => rmSync(directory, { recursive: true }));

  it("are a file's bytes or a variable's value", () => {
    const environment = { TOKEN: "from the variable" };
    const read = (text: string) => Object.entries(readBuildSecrets([text], environment)).map(([id, value]) => [id, value.toString()]).flat();
    assert.deepEqual(read(`id=k,src=${file}`), ["k", "from the file\n"]);
    assert.deepEqual(read(`type=file,id=k,source=${file}`), ["k", "from the file\n"]);
    for (const text of ["id=TOKEN", "id=TOKEN,type=env"]) assert.deepEqual(read(text), ["TOKEN", "from the variable"]);
    assert.deepEqual(read("id=k,env=TOKEN"), ["k", "from the variable"]);
  });
  it("are refused in words", () => {
    const cases: [string, RegExp][] = [
      ["src=x", /needs an id/], ["id=a,env=NONE", /no environment variable "NONE"/], ["id=a,src=/nothing/there", /ENOENT.*write id=a,src=FILE/], ["id=a,src=x,env=y", /both src and env/],
      ["id=a,type=gold", /no type "gold"/], ["id=a,scr=x", /did you mean "src"/],
    ];
    for (const [text, message] of cases) assert.throws(() => readBuildSecrets([text], {}), { code: "INVALID_ARGUMENT", message }, text);
    assert.throws(() => readBuildSecrets(["id=A", "id=B"], { A: "x".repeat(40_000), B: "x".repeat(40_000) }), /80000 bytes, more than the 65536/);
  });
});
