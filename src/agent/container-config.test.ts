import assert from "node:assert/strict";
import { newContainerSpec, newTask, newTaskSpec, type Mount, type MountedVolume, type TaskAssignment } from "../model/index.js";
import { containerConfig } from "./container-config.js";

const mount = (fields: Partial<Mount>): Mount => ({ type: "CLUSTER", source: "v1", target: "/data", readOnly: false, propagation: "", noCopy: false, tmpfsSizeBytes: 0, tmpfsMode: 0, volumeLabels: {}, ...fields });
const assignment = (mounts: Mount[], volumes: MountedVolume[]): TaskAssignment => ({
  task: newTask({ id: "t1", serviceId: "s1", slot: 1, nodeId: "n1" }), spec: newTaskSpec({ container: newContainerSpec({ image: "busybox", mounts }) }), serviceName: "db", serviceLabels: {}, ports: [], nodeName: "h1", volumes,
});

describe("agent: volumes of the cluster", () => {
  it("are the engine's volumes of their names, with their driver's options", () => {
    const { mounts } = containerConfig(assignment([mount({ readOnly: true }), mount({ type: "VOLUME", source: "own", target: "/own" })], [
      { target: "/data", name: "files", driver: "local", options: { type: "nfs", device: ":/x", o: "addr=192.0.2.9" }, labels: { tier: "gold" } },
    ]), undefined);
    assert.deepEqual(mounts, [
      { type: "volume", name: "files", target: "/data", readOnly: true, noCopy: false, driver: "local", driverOptions: { type: "nfs", device: ":/x", o: "addr=192.0.2.9" }, labels: { tier: "gold", "skein.keep": "cluster" } },
      { type: "volume", name: "own", target: "/own", readOnly: false, noCopy: false, labels: {} },
    ]);
  });

  it("a group's mounts each get their own", () => {
    const { mounts } = containerConfig(assignment([mount({ source: "group:pg" }), mount({ source: "group:pg", target: "/wal" })], ["/wal", "/data"].map((target, i) => ({ target, name: `pg-${i}`, driver: "local", options: {}, labels: {} }))), undefined);
    assert.deepEqual(mounts!.map((each) => each.type === "volume" && `${each.name}@${each.target}`), ["pg-1@/data", "pg-0@/wal"]);
  });

  it("one that was removed since is told, and nothing else is mounted in its place", () => {
    assert.throws(() => containerConfig(assignment([mount({})], []), undefined), /Cannot mount the cluster volume at "\/data": it was removed from the cluster; create it again or update the service/);
  });
});
