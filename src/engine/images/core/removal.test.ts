import assert from "node:assert/strict";
import { codeOf } from "../../../lib/index.js";
import { planRemoval, type RemovalImage } from "./removal.js";

describe("engine: planning an image's removal", () => {
  const image = (id: string, more: Partial<RemovalImage> = {}): RemovalImage => ({ id, tags: [], digests: [], parent: undefined, children: [], users: [], ...more });
  const plan = (images: readonly RemovalImage[], id: string, more: { reference?: string; force?: boolean; noPrune?: boolean } = {}) =>
    planRemoval({ subject: more.reference ?? id, id, reference: more.reference, force: more.force ?? false, noPrune: more.noPrune ?? false }, (wanted) => images.find((each) => each.id === wanted), (name) => name);
  const refused = (work: () => unknown, words: RegExp) => assert.throws(work, (e: Error) => codeOf(e) === "FAILED_PRECONDITION" && words.test(e.message));
  const running = { name: "r", isRunning: true };
  const stopped = { name: "s", isRunning: false };

  it("takes one name of several, and the repository's digests with its last tag", () => {
    const two = image("i", { tags: ["h/a:1", "h/a:2"], digests: ["h/a@sha256:x"] });
    assert.deepEqual(plan([two], "i", { reference: "h/a:1" }), { untagged: ["h/a:1"], deleted: [], kept: [], unwanted: [] });
    const last = image("i", { tags: ["h/a:1", "h/b:1"], digests: ["h/a@sha256:x"] });
    assert.deepEqual(plan([last], "i", { reference: "h/a:1" }), { untagged: ["h/a:1", "h/a@sha256:x"], deleted: [], kept: [], unwanted: [] });
    const only = image("i", { tags: ["h/a:1"], digests: ["h/a@sha256:x"] });
    assert.deepEqual(plan([only], "i", { reference: "h/a:1" }), { untagged: ["h/a:1", "h/a@sha256:x"], deleted: ["i"], kept: [], unwanted: [] });
  });

  it("takes an image by its id when all its names are of one repository, else only by force", () => {
    assert.deepEqual(plan([image("i", { tags: ["h/a:1"], digests: ["h/a@sha256:x"] })], "i").deleted, ["i"]);
    const names = image("i", { tags: ["h/a:1", "h/b:1"] });
    refused(() => plan([names], "i"), /it has 2 names \(h\/a:1, h\/b:1\); remove them by name, or use --force/);
    assert.deepEqual(plan([names], "i", { force: true }), { untagged: ["h/a:1", "h/b:1"], deleted: ["i"], kept: [], unwanted: [] });
  });

  it("never takes what a container runs from; by force it takes the name", () => {
    const used = image("i", { tags: ["h/a:1"], users: [stopped, running] });
    refused(() => plan([used], "i", { force: true }), /container "r" uses it and is running.*--force does not help/);
    refused(() => plan([used], "i", { reference: "h/a:1" }), /or use --force/);
    assert.deepEqual(plan([used], "i", { reference: "h/a:1", force: true }), { untagged: ["h/a:1"], deleted: [], kept: [], unwanted: ["i"] });
  });

  it("takes by force what stopped containers have, and keeps its files for them", () => {
    const used = image("i", { tags: ["h/a:1"], users: [stopped] });
    refused(() => plan([used], "i"), /stopped container "s" uses it/);
    assert.deepEqual(plan([used], "i", { force: true }), { untagged: ["h/a:1"], deleted: ["i"], kept: ["i"], unwanted: [] });
    assert.deepEqual(plan([used], "i", { reference: "h/a:1", force: true }).kept, ["i"]);
  });

  it("takes nameless parents along, as far as nothing else needs them", () => {
    const chain = [image("top", { tags: ["h/a:1"], parent: "middle" }), image("middle", { parent: "base", children: ["top"] }), image("base", { tags: ["h/base:1"], children: ["middle"] })];
    assert.deepEqual(plan(chain, "top", { reference: "h/a:1" }).deleted, ["top", "middle"]);
    assert.deepEqual(plan(chain, "top", { reference: "h/a:1", noPrune: true }).deleted, ["top"]);
    refused(() => plan(chain, "middle", { force: true }), /another image was built on it.*--force does not help/);
    const shared = [chain[0]!, image("middle", { parent: "base", children: ["top", "other"] }), chain[2]!];
    assert.deepEqual(plan(shared, "top", { reference: "h/a:1" }).deleted, ["top"]);
    // A base keeps its image while others stand on it, but may lose its name.
    assert.deepEqual(plan(chain, "base", { reference: "h/base:1", force: true }), { untagged: ["h/base:1"], deleted: [], kept: [], unwanted: [] });
  });
});
