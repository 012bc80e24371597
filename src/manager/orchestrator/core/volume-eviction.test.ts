import assert from "node:assert/strict";
import { newTask, newVolume, newVolumeSpec } from "../../../model/index.js";
import { volumeEvictionOf } from "./enforcer.js";

describe("a task's volumes", () => {
  const task = newTask({ id: "t", nodeId: "n", volumes: [{ target: "/a", volumeId: "v1", readOnly: false }, { target: "/b", volumeId: "v2", readOnly: true }] });
  const asked = (...volumes: Parameters<typeof newVolume>[0][]) => volumeEvictionOf(task, (id) => { const found = volumes.find((volume) => volume.id === id); return found && newVolume(found); })?.reason;
  const v1 = { id: "v1" };

  it("keep it where it is while they are active or paused", () => {
    assert.equal(asked(v1, { id: "v2", spec: newVolumeSpec({ availability: "VOLUME_PAUSE" }) }), undefined);
    assert.equal(volumeEvictionOf(newTask({ id: "u", nodeId: "n" }), () => undefined), undefined);
  });
  it("stop it when one is drained, or removed from the cluster", () => {
    assert.equal(asked(v1, { id: "v2", spec: newVolumeSpec({ name: "files", availability: "VOLUME_DRAIN" }) }), "volume files is drained");
    assert.equal(asked(v1), "the volume that it has at /b was removed from the cluster");
  });
});
