import assert from "node:assert/strict";
import fc from "fast-check";
import { groupPrefix, matchesConstraint, parseConstraint, type Node, type TaskVolume, type Volume } from "../../../model/index.js";
import { addService, nodeOf, seededRandom, specOf, stateOfNodes, volumeOf, whereabouts } from "../../testing.js";
import { audit, ClusterState, compileSpec, nowhere, type VolumeMount } from "../state/index.js";
import { Placer } from "./placer.js";

const placerOf = (state: ClusterState) => new Placer(state, { defaultStrategy: "SPREAD", nowMs: () => 1_000 });

describe("placing tasks with volumes of the cluster", () => {
  it("the first task binds a single-node volume, the others follow it", () => {
    const state = stateOfNodes([nodeOf("n1"), nodeOf("n2"), nodeOf("n3")]);
    state.setVolume(volumeOf("v", { sharing: "SHARE_ALL" }));
    const { g, tasks } = addService(state, "web", specOf({ volumes: ["v"], replicas: 3 }));
    assert.equal(placerOf(state).place(g, tasks), 3);
    assert.equal(whereabouts(state, tasks), "web.1@n1 web.2@n1 web.3@n1");
  });

  it("one task at a time gets one that is not shared, one writer one that allows one", () => {
    const state = stateOfNodes([nodeOf("n1"), nodeOf("n2")]);
    state.setVolume(volumeOf("v", { scope: "MULTI_NODE" }));
    state.setVolume(volumeOf("w", { scope: "MULTI_NODE", sharing: "SHARE_ONE_WRITER" }));
    const one = addService(state, "one", specOf({ volumes: ["v"], replicas: 3 }));
    assert.equal(placerOf(state).place(one.g, one.tasks), 1);
    const readers = addService(state, "readers", specOf({ volumes: ["w!"], replicas: 4 })), writers = addService(state, "writers", specOf({ volumes: ["w"], replicas: 2 }));
    assert.equal(placerOf(state).place(readers.g, readers.tasks), 4);
    assert.equal(placerOf(state).place(writers.g, writers.tasks), 1);
    assert.deepEqual(readers.tasks.map((t) => state.nodes.names[state.tasks.nodeOf(t)]), ["n2", "n1", "n2", "n1"], "they are spread as if they had none");
  });

  it("each task of a service gets a volume of the group of its own, and meets it again", () => {
    const state = stateOfNodes([nodeOf("n1"), nodeOf("n2"), nodeOf("n3")]);
    for (const id of ["a", "b", "c"]) state.setVolume(volumeOf(id, { group: "pg" }));
    const { g, tasks } = addService(state, "db", specOf({ volumes: ["group:pg"], replicas: 4 }));
    const placer = placerOf(state);
    assert.equal(placer.place(g, tasks), 3);
    const chosen = tasks.slice(0, 3).map((t) => state.volumes.heldBy(t)[0]!.volumeId);
    assert.deepEqual(chosen, ["a", "b", "c"]);
    // What the store would say now; then the task on n2 ends.
    for (const t of tasks.slice(0, 3)) state.setVolume(volumeOf(state.volumes.heldBy(t)[0]!.volumeId, { group: "pg", nodeId: state.nodes.ids[state.tasks.nodeOf(t)]! }));
    state.removeTask(tasks[1]!);
    assert.equal(placer.place(g, [tasks[3]!]), 1);
    assert.equal(state.nodes.names[state.tasks.nodeOf(tasks[3]!)], "n2");
    assert.equal(state.volumes.heldBy(tasks[3]!)[0]!.volumeId, "b");
  });

  it("whatever comes and goes, nobody has what he may not have, who waits could have it nowhere, and what is kept is what would be made anew", () => {
    const seen = { placed: 0, refused: 0 };
    fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (seed) => {
      const world = new World(seededRandom(seed));
      for (let i = 0; i < 60; i++) world.step(seen);
    }), { numRuns: 80, seed: 7 });
    assert.ok(seen.placed > 300 && seen.refused > 300, JSON.stringify(seen));
  });
});

interface Running { readonly t: number; readonly id: string; readonly nodeId: string; readonly volumes: readonly TaskVolume[] }

/** A cluster to which things happen at random, in the model's own words beside the state. */
class World {
  readonly nodes = new Map<string, Node>();
  readonly volumes = new Map<string, Volume>();
  readonly running = new Map<string, Running>();
  readonly state = new ClusterState();
  readonly placer = new Placer(this.state, { defaultStrategy: "PACK", nowMs: () => 1_000 });
  readonly specs: readonly (readonly string[])[] = [["v0"], ["v0!"], ["v1"], ["v1!"], ["v2", "v3!"], ["group:g"], ["group:g!", "group:g"], ["v4", "group:g!"], ["v4!"], ["group:h", "v0!"]];
  #tasks = 0;

  constructor(readonly random: () => number) {
    for (let n = 0; n < 4; n++) this.#setNode(n);
    for (let v = 0; v < 6; v++) this.#setVolume(v);
  }

  step(seen: { placed: number; refused: number }): void {
    const dice = this.#whole(12);
    if (dice < 5) this.#placeOne(seen);
    else if (dice < 8) this.#endOne();
    else if (dice < 9) this.#setNode(this.#whole(4));
    else if (dice < 10) this.#setVolume(this.#whole(6));
    else if (dice < 11) this.#removeVolume(this.#whole(6));
    else this.#removeNode(this.#whole(4));
    this.#check();
  }

  #whole(below: number): number { return Math.floor(this.random() * below); }
  #pick<T>(items: readonly T[]): T { return items[this.#whole(items.length)]!; }

  #setNode(i: number): void {
    const node = nodeOf(`n${i}`, { labels: { rack: this.#pick(["a", "b"]) }, isDrained: this.#whole(8) === 0 });
    this.nodes.set(node.id, node);
    this.state.setNode(node);
  }

  #removeNode(i: number): void {
    this.nodes.delete(`n${i}`);
    this.state.removeNode(`n${i}`);
  }

  /** What tasks count on does not change while they have it: only a new one is drawn. */
  #setVolume(i: number): void {
    const id = `v${i}`;
    const present = this.volumes.get(id);
    const spec = present?.spec && this.#heldBy(id).length + (present.nodeId === "" ? 0 : 1) > 0 ? present.spec : {
      scope: this.#pick(["SINGLE_NODE", "MULTI_NODE"] as const), sharing: this.#pick(["SHARE_NONE", "SHARE_READ_ONLY", "SHARE_ONE_WRITER", "SHARE_ALL"] as const),
      group: this.#pick(["", "g", "g", "h"]), topology: this.#whole(3) === 0 ? ["node.labels.rack==a"] : [],
    };
    const volume = volumeOf(id, { ...spec, name: id, availability: this.#pick(["VOLUME_ACTIVE", "VOLUME_ACTIVE", "VOLUME_ACTIVE", "VOLUME_PAUSE"] as const), nodeId: present?.nodeId ?? "" });
    this.volumes.set(id, volume);
    this.state.setVolume(volume);
  }

  #removeVolume(i: number): void {
    if (this.#heldBy(`v${i}`).length > 0) return;
    this.volumes.delete(`v${i}`);
    this.state.removeVolume(`v${i}`);
  }

  #placeOne(seen: { placed: number; refused: number }): void {
    const which = this.#whole(this.specs.length);
    const g = this.state.groupOf(`s${which}.1`, `s${which}`, () => compileSpec(`s${which}`, specOf({ volumes: this.specs[which]! })));
    const id = `t${++this.#tasks}`;
    const t = this.state.addTask(id, g, this.#tasks);
    const mounts = this.state.groups.rules[g]!.volumes;
    const possible = [...this.nodes.values()].filter((node) => this.#couldHave(mounts, node)).map((node) => node.id);
    if (this.placer.place(g, [t]) === 0) {
      seen.refused++;
      assert.deepEqual(possible, [], `${this.specs[which]!.join(" ")} is left waiting and has a place`);
      this.state.removeTask(t);
      return;
    }
    seen.placed++;
    const nodeId = this.state.nodes.ids[this.state.tasks.nodeOf(t)]!;
    assert.ok(possible.includes(nodeId), `${this.specs[which]!.join(" ")} may not be on ${nodeId}`);
    const volumes = this.state.volumes.heldBy(t);
    this.running.set(id, { t, id, nodeId, volumes });
    // As the store does with the assignment: from now on the data are there.
    for (const { volumeId } of volumes) {
      const volume = this.volumes.get(volumeId)!;
      if (volume.spec!.scope !== "SINGLE_NODE" || volume.nodeId !== "") continue;
      this.volumes.set(volumeId, { ...volume, nodeId });
      this.state.setVolume({ ...volume, nodeId });
    }
  }

  #endOne(): void {
    if (this.running.size === 0) return;
    const { t, id } = this.#pick([...this.running.values()]);
    this.state.removeTask(t);
    this.running.delete(id);
  }

  /** Tasks on nodes that are there. */
  #heldBy(volumeId: string): readonly Running[] { return [...this.running.values()].filter(({ nodeId, volumes }) => this.nodes.has(nodeId) && volumes.some((each) => each.volumeId === volumeId)); }

  /** The slow way: every choice of volumes for the mounts is tried, from the objects. */
  #couldHave(mounts: readonly VolumeMount[], node: Node, chosen: readonly string[] = []): boolean {
    if (node.spec!.availability !== "ACTIVE") return false;
    const mount = mounts[chosen.length];
    if (!mount) return mounts.every(({ source }, i) => chosen.every((id, j) => i === j || id !== chosen[i] || (mounts[j]!.source === source && !source.startsWith(groupPrefix))));
    const ids = mount.source.startsWith(groupPrefix) ? [...this.volumes.keys()].filter((id) => this.volumes.get(id)!.spec!.group === mount.source.slice(groupPrefix.length)) : [mount.source];
    return ids.some((id) => this.#mayHave(id, !mount.readOnly, node) && this.#couldHave(mounts, node, [...chosen, id]));
  }

  #mayHave(id: string, writes: boolean, node: Node): boolean {
    const volume = this.volumes.get(id);
    if (volume?.spec?.availability !== "VOLUME_ACTIVE" || !volume.spec.topology.every((text) => matchesConstraint(parseConstraint(text), node))) return false;
    if (volume.spec.scope === "SINGLE_NODE" && volume.nodeId !== "" && volume.nodeId !== node.id) return false;
    const users = this.#heldBy(id);
    const isWritten = users.some(({ volumes }) => volumes.some(({ volumeId, readOnly }) => volumeId === id && !readOnly));
    switch (volume.spec.sharing) {
      case "SHARE_NONE": return users.length === 0;
      case "SHARE_READ_ONLY": return !writes;
      case "SHARE_ONE_WRITER": return !writes || !isWritten;
      case "SHARE_ALL": return true;
    }
  }

  #check(): void {
    const rebuilt = stateOfNodes(this.nodes.values());
    for (const volume of this.volumes.values()) rebuilt.setVolume(volume);
    for (const { t, id, nodeId, volumes } of this.running.values()) {
      const key = this.state.groups.keys[this.state.tasks.groupOf(t)]!, which = Number(key.slice(1, key.indexOf(".")));
      const g = rebuilt.groupOf(key, `s${which}`, () => compileSpec(`s${which}`, specOf({ volumes: this.specs[which]! })));
      rebuilt.placeById(rebuilt.addTask(id, g, 0), nodeId, true, [], [], volumes);
      if (this.nodes.has(nodeId)) assert.notEqual(this.state.tasks.nodeOf(t), nowhere);
    }
    assert.deepEqual(audit(this.state, rebuilt), []);
    assert.deepEqual(audit(this.state.copy(), rebuilt), []);
  }
}
