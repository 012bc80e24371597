import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { probe } from "./mutant.js";
import { mutations } from "./mutations.js";
import { reportOf, reportPath, tryAll } from "./run.js";

describe("mistakes that are put into the core", function () {
  this.timeout(600_000);

  it("nothing is noticed without one", async () => { assert.equal(await probe(undefined), undefined); });

  it("each is noticed, by what MUTATION.md says", async () => {
    const all = await tryAll(mutations);
    assert.deepEqual(all.filter(({ finding }) => !finding).map(({ mutation }) => mutation.name), []);
    assert.equal(reportOf(all), readFileSync(reportPath, "utf8"), "run packages/raft-ts/mutation/run.ts --write");
  });
});
