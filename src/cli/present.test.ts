import assert from "node:assert/strict";
import { SwarmError } from "../lib/index.js";
import { readTo } from "./present.js";

describe("cli: what an action reads first", () => {
  it("what is not there cannot be changed or removed, and is not only not to be shown", async () => {
    const read = (message: string) => Promise.reject(new SwarmError("NOT_FOUND", message));
    await assert.rejects(readTo("change", read('Cannot show node "nope": there is no such node')), { code: "NOT_FOUND", message: 'Cannot change node "nope": there is no such node' });
    await assert.rejects(readTo("remove", read('Cannot show service "nope": there is no such service')), { message: 'Cannot remove service "nope": there is no such service' });
    await assert.rejects(readTo("remove", read("No manager answers")), { message: "No manager answers" });
    assert.equal(await readTo("change", Promise.resolve(1)), 1);
  });
});
