import assert from "node:assert/strict";
import type { Node } from "../../../model/index.js";
import { addService, nodeOf, specOf, stateOfNodes, volumeOf } from "../../testing.js";
import { nowhere, type ClusterState } from "../state/index.js";
import { volumeFilter } from "./volume.js";

/** A cluster of n1 in rack a, n2 and n3 in rack b. */
function cluster(volumes: readonly Parameters<typeof volumeOf>[] = [], nodes: readonly Node[] = [nodeOf("n1", { labels: { rack: "a" } }), nodeOf("n2", { labels: { rack: "b" } }), nodeOf("n3", { labels: { rack: "b" } })]) {
  const state = stateOfNodes(nodes);
  for (const words of volumes) state.setVolume(volumeOf(...words));
  let services = 0;
  const add = (...mounts: string[]) => addService(state, `s${++services}`, specOf({ volumes: mounts })).g;
  /** A task with these mounts on node `n`. */
  const run = (n: number, ...mounts: string[]) => {
    const { tasks: [t] } = addService(state, `s${++services}`, specOf({ volumes: mounts }));
    state.place(t!, n);
    return t!;
  };
  /** "n1 n2: why; …": nodes that take a task with these mounts come first, then what keeps it from the others. */
  const asked = (...mounts: string[]) => verdict(state, add(...mounts));
  return { state, add, run, asked };
}

function verdict(state: ClusterState, g: number): Record<string, string> {
  return Object.fromEntries([...state.nodes.alive.toArray()].map((n) => {
    const refusals = volumeFilter.refusals(state, g, n).map(({ detail }) => detail);
    assert.equal(volumeFilter.room(state, g, n) > 0, refusals.length === 0, "a node is refused exactly where there is a reason");
    return [state.nodes.names[n]!, refusals.join("; ") || "fits"];
  }));
}

const on = (words: string) => ({ n1: words, n2: words, n3: words });

describe("filter: volumes of the cluster", () => {
  it("has nothing to say to services without any", () => {
    const { state, add } = cluster();
    assert.equal(volumeFilter.concerns(state, add()), false);
  });

  it("one that is not in use is for every node of its topology", () => {
    const { asked } = cluster([["v", {}], ["b", { topology: ["node.labels.rack==b"] }]]);
    assert.deepEqual(asked("v"), on("fits"));
    assert.deepEqual(asked("b"), { n1: "volume b is for nodes with node.labels.rack==b", n2: "fits", n3: "fits" });
    assert.deepEqual(asked("v", "b"), { n1: "volume b is for nodes with node.labels.rack==b", n2: "fits", n3: "fits" });
  });

  it("a node comes into its topology, and leaves it, by its labels", () => {
    const { state, add } = cluster([["b", { topology: ["node.labels.rack==b"] }]]);
    const g = add("b");
    state.setNode(nodeOf("n1", { labels: { rack: "b" } }));
    assert.equal(volumeFilter.room(state, g, 0), 1);
    state.setNode(nodeOf("n1", { labels: { rack: "c" } }));
    assert.equal(volumeFilter.room(state, g, 0), 0);
  });

  it("one that is not there, paused or drained is for no node", () => {
    const { asked } = cluster([["p", { availability: "VOLUME_PAUSE" }], ["d", { availability: "VOLUME_DRAIN" }]]);
    assert.deepEqual(asked("x"), on("volume x is not in the cluster any more"));
    assert.deepEqual(asked("p"), on("volume p is paused"));
    assert.deepEqual(asked("d"), on("volume d is drained"));
  });

  it("one of a single node is where its data are, and says what is the matter with that node", () => {
    const { asked, state } = cluster([["v", { nodeId: "n2", sharing: "SHARE_ALL" }], ["lost", { nodeId: "n9" }]]);
    assert.deepEqual(asked("v"), { n1: "volume v has its data on node n2", n2: "fits", n3: "volume v has its data on node n2" });
    assert.deepEqual(asked("lost"), on("volume lost has its data on node n9, which left the cluster"));
    state.setNode(nodeOf("n2", { isDown: true }));
    assert.equal(asked("v")["n1"], "volume v has its data on node n2, which is down");
    state.setNode(nodeOf("n2", { isDrained: true }));
    assert.equal(asked("v")["n1"], "volume v has its data on node n2, which is drained");
  });

  it("a task that was just placed binds it to its node, before the store says so", () => {
    const { asked, run, state } = cluster([["v", { sharing: "SHARE_ALL" }]]);
    const t = run(2, "v");
    assert.deepEqual(asked("v"), { n1: "volume v has its data on node n3", n2: "volume v has its data on node n3", n3: "fits" });
    state.unplace(t);
    assert.deepEqual(asked("v"), on("fits"));
  });

  const sharings: readonly (readonly [sharing: Parameters<typeof volumeOf>[1], running: string, asked: string, here: string, there: string])[] = [
    [{ sharing: "SHARE_NONE" }, "v", "v", "volume v is not shared, and a task on node n1 has it", "volume v is not shared, and a task on node n1 has it"],
    [{ sharing: "SHARE_NONE" }, "v!", "v!", "volume v is not shared, and a task on node n1 has it", "volume v is not shared, and a task on node n1 has it"],
    [{ sharing: "SHARE_READ_ONLY" }, "v!", "v!", "fits", "fits"],
    [{ sharing: "SHARE_READ_ONLY" }, "v!", "v", "volume v is shared for reading only, and the service would write to it", "volume v is shared for reading only, and the service would write to it"],
    [{ sharing: "SHARE_ONE_WRITER" }, "v!", "v", "fits", "fits"],
    [{ sharing: "SHARE_ONE_WRITER" }, "v", "v!", "fits", "fits"],
    [{ sharing: "SHARE_ONE_WRITER" }, "v", "v", "volume v has its one writer, a task on node n1", "volume v has its one writer, a task on node n1"],
    [{ sharing: "SHARE_ALL" }, "v", "v", "fits", "fits"],
  ];
  for (const [fields, running, wanted, here, there] of sharings) {
    it(`${fields!.sharing!.slice("SHARE_".length)}, many nodes: beside ${running === "v" ? "a writer" : "a reader"}, ${wanted === "v" ? "a writer" : "a reader"} ${here === "fits" ? "fits" : "waits"}`, () => {
      const { asked, run } = cluster([["v", { scope: "MULTI_NODE", ...fields }]]);
      run(0, running);
      assert.deepEqual(asked(wanted), { n1: here, n2: there, n3: there });
    });
  }

  it("in use on another node: of a single node nobody else gets it there, whatever it shares", () => {
    const { asked, run } = cluster([["v", { nodeId: "n1", sharing: "SHARE_READ_ONLY" }]]);
    run(0, "v!");
    assert.deepEqual(asked("v!"), { n1: "fits", n2: "volume v has its data on node n1", n3: "volume v has its data on node n1" });
  });

  it("every mount must get its volume, not only the first", () => {
    const { asked } = cluster([["a", {}], ["b", { nodeId: "n2" }], ["c", { nodeId: "n3" }]]);
    assert.deepEqual(asked("a", "b"), { n1: "volume b has its data on node n2", n2: "fits", n3: "volume b has its data on node n2" });
    assert.deepEqual(asked("b", "c")["n2"], "volume c has its data on node n3");
  });

  it("a pause of a volume that is known is seen, and its end too", () => {
    const { state, add } = cluster([["v", {}]]);
    const g = add("v");
    state.setVolume(volumeOf("v", { availability: "VOLUME_PAUSE" }));
    assert.equal(volumeFilter.room(state, g, 0), 0);
    state.setVolume(volumeOf("v", {}));
    assert.equal(volumeFilter.room(state, g, 0), 1);
  });

  it("a group: any of its volumes that may be had, that with data on the node before others, then the least used, then by name", () => {
    const { state, add } = cluster([["v3", { group: "pg" }], ["v1", { group: "pg", nodeId: "n2" }], ["v2", { group: "pg" }], ["other", {}]]);
    const choose = (n: number) => {
      const { tasks: [t] } = addService(state, `task on ${n} ${state.tasks.count}`, specOf({ volumes: ["group:pg"] }));
      state.place(t!, n);
      return state.volumes.heldBy(t!).map(({ volumeId, target }) => `${volumeId}@${target}`).join();
    };
    assert.equal(choose(1), "v1@/mnt/0");
    assert.equal(choose(1), "v2@/mnt/0");
    assert.equal(choose(0), "v3@/mnt/0");
    assert.deepEqual(verdict(state, add("group:pg")), { n1: "no volume of group pg is free here: they are in use, or with data on other nodes", n2: "no volume of group pg is free here: they are in use, or with data on other nodes", n3: "no volume of group pg is free here: they are with data on other nodes" });
    assert.deepEqual(verdict(state, add("group:none")), on("no volume is of group none"));
  });

  it("a group: mounts of one task get volumes of their own, also where only one of several ways works out", () => {
    const { state, add } = cluster([["a", { group: "g", sharing: "SHARE_READ_ONLY" }], ["b", { group: "g", sharing: "SHARE_ALL" }]]);
    // The reader would do with b, which alone the writer may have.
    for (const mounts of [["group:g!", "group:g"], ["group:g", "group:g!"]]) {
      const { tasks: [t] } = addService(state, mounts.join(" "), specOf({ volumes: mounts }));
      state.place(t!, 0);
      assert.deepEqual(state.volumes.heldBy(t!).map(({ volumeId, readOnly }) => `${volumeId}${readOnly ? "!" : ""}`).sort(), ["a!", "b"]);
      state.unplace(t!);
    }
    assert.deepEqual(verdict(state, add("group:g!", "group:g!", "group:g!")), on("its mounts need more volumes of their groups than are free here"));
    assert.deepEqual(verdict(state, add("group:g", "b")), on("its mounts need more volumes of their groups than are free here"));
  });

  it("counts a task that has a volume twice once, as a writer if it writes by either", () => {
    const { state, run } = cluster([["v", { sharing: "SHARE_ALL" }]]);
    const t = run(0, "v!", "v");
    const users = () => [state.volumes.get("v")!.readers.size, state.volumes.get("v")!.writers.get(0) ?? 0];
    assert.deepEqual(users(), [0, 1]);
    state.unplace(t);
    assert.deepEqual(users(), [0, 0]);
  });

  it("a task that is being stopped has its volume to the end", () => {
    const { state, run, asked } = cluster([["v", { nodeId: "n1" }]]);
    const t = run(0, "v");
    state.setCounts(t, false);
    assert.equal(asked("v")["n1"], "volume v is not shared, and a task on node n1 has it");
    state.removeTask(t);
    assert.equal(asked("v")["n1"], "fits");
    assert.equal(state.tasks.nodeOf(t), nowhere);
  });
});
