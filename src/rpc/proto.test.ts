import assert from "node:assert/strict";
import { newService, newTask, type Service, type Task } from "../model/index.js";
import { codec, serviceDefinition } from "./index.js";

describe("rpc: message codecs", () => {
  it("round-trip whole objects unchanged", () => {
    const task = newTask({ id: "t1", desiredState: "TASK_READY", notBeforeMs: 1_700_000_000_123 });
    const service = newService({ id: "s1" });
    assert.deepEqual(codec<Task>("Task").decode(codec<Task>("Task").encode(task)), task);
    assert.deepEqual(codec<Service>("Service").decode(codec<Service>("Service").encode(service)), service);
  });
  it("fill what is left out", () => {
    assert.equal(codec<Task>("Task").normalize({ id: "x" }).desiredState, "NEW");
  });
  it("know every method", () => {
    assert.ok(serviceDefinition("Control")["CreateService"]);
  });
});
