// The storage alone on a simulated disk: what runs of whole groups found once, in the fewest steps.
import { strict as assert } from "node:assert";
import { encodeConfig } from "../src/core/config-codec.js";
import { emptyConfig } from "../src/core/config.js";
import type { Entry, Write } from "../src/core/types.js";
import { Storage } from "../src/wal/storage.js";
import { SimulatedDisk } from "./disk.js";
import { Life } from "./life.js";
import { Random } from "./random.js";
import { World } from "./world.js";

class Machine {
  readonly world = new World();
  life = new Life(1, 0);
  readonly disk: SimulatedDisk;
  failure: Error | undefined;

  constructor(seed: number) {
    this.disk = new SimulatedDisk(this.world, new Random(seed), { sectorBytes: 512, isNameOrderLost: false }, () => {});
  }

  async open(): Promise<{ storage: Storage; entries: number; isRecovering: boolean }> {
    this.life = new Life(1, this.life.number + 1);
    const { storage, restored } = await this.wait(Storage.open({ id: 1, directory: "/d", segmentBytes: 8192, disk: this.disk.view(this.life), log: () => {}, onFailure: (error) => { this.failure = error; } }));
    return { storage, entries: restored?.entries.length ?? 0, isRecovering: restored?.recovering ?? false };
  }

  /** The first entry is the configuration, with these voters. */
  async write(storage: Storage, index: number, voters: readonly number[] = [1], term = 1, dataBytes = 40): Promise<void> {
    const entry: Entry = index === 1
      ? { index, term, kind: "config", data: encodeConfig({ ...emptyConfig, members: voters.map((id) => ({ id, isLearner: false, context: new Uint8Array(0) })) }) }
      : { index, term, kind: "data", data: new Uint8Array(dataBytes) };
    const write: Write = { id: index, hardState: { term, vote: 1, commit: index - 1 }, entries: [entry], mustSync: true, messages: [] };
    let isOver = false;
    storage.write(write, () => { isOver = true; });
    await this.until(() => isOver || this.failure !== undefined);
  }

  crash(kind: "kill" | "power"): void {
    this.life.isOver = true;
    this.disk.afterCrash(kind);
  }

  async wait<T>(promise: Promise<T>): Promise<T> {
    let result: { value: T } | undefined;
    promise.then((value) => { result = { value }; }, (error: Error) => { this.world.failure = error; });
    await this.until(() => result !== undefined);
    return result!.value;
  }

  async until(isOver: () => boolean): Promise<void> {
    for (let i = 0; i < 1000 && !isOver(); i++) {
      this.world.at(1, () => {});
      await this.world.run(this.world.now + 1);
    }
    assert.ok(isOver(), "it comes to an end");
  }
}

describe("what is on the simulated disk", () => {
  it("is durable after a start, also when a sync failed before it and its pages count as clean", async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const machine = new Machine(seed);
      const { storage } = await machine.open();
      await machine.write(storage, 1);
      machine.disk.nextError = { on: "sync", code: "EIO" };
      await machine.write(storage, 2);
      assert.ok(machine.failure, "a failed sync ends it");
      // Only the process ends: the next one reads the entry from the page cache, and tells others that it has it.
      machine.crash("kill");
      const found = (await machine.open()).entries;
      machine.crash("power");
      assert.equal((await machine.open()).entries, found, `seed ${seed}`);
    }
  });

  it("keeps a segment whose name was not durable yet when the process died", async () => {
    // Wherever the process dies while the first segment fills up and the second begins.
    for (let round = 0; round < 840; round++) {
      const operation = 1 + (round % 120), machine = new Machine(round);
      const { storage } = await machine.open();
      for (let index = 1; index <= 100; index++) await machine.write(storage, index);
      machine.disk.crashCountdown = operation;
      for (let index = 101; index <= 180; index++) {
        storage.write({ id: index, hardState: { term: 1, vote: 1, commit: index - 1 }, entries: [{ index, term: 1, kind: "data", data: new Uint8Array(40) }], mustSync: true, messages: [] }, () => {});
        for (let turns = 0; turns < 5 && machine.disk.crashCountdown > 0; turns++) { machine.world.at(1, () => {}); await machine.world.run(machine.world.now + 1); }
        if (machine.disk.crashCountdown === 0) break;
      }
      machine.crash("kill");
      const next = await machine.open();
      await machine.write(next.storage, next.entries + 1);
      machine.crash("power");
      assert.equal((await machine.open()).entries, next.entries + 1, `round ${round}: the process died at its operation ${operation}`);
    }
  });

  it("tells that the log was damaged until it is whole again, whichever slot of the vote file goes bad meanwhile", async () => {
    for (const slot of [0, 4096]) {
      const machine = new Machine(1);
      const { storage } = await machine.open();
      for (let index = 1; index <= 5; index++) await machine.write(storage, index, [1, 2, 3]);
      machine.crash("kill");
      machine.disk.loseSector("/d/log-0000000001.seg", 0);
      assert.ok((await machine.open()).isRecovering, "the damage is found");
      machine.crash("kill");
      machine.disk.loseSector("/d/vote", slot);
      assert.ok((await machine.open()).isRecovering, `slot at ${slot}`);
    }
  });

  it("leaves nobody waiting for a snapshot to count when it is closed", async () => {
    for (const isFailing of [false, true]) {
      const machine = new Machine(1);
      const { storage } = await machine.open();
      await machine.write(storage, 1);
      if (isFailing) machine.disk.nextError = { on: "write", code: "EIO" };
      const meta = { index: 1, term: 1, config: emptyConfig };
      let outcome = "";
      // Behind a write that is under way, so that it is still in the queue.
      storage.write({ id: 2, entries: [{ index: 2, term: 1, kind: "data", data: new Uint8Array(40) }], mustSync: true, messages: [] }, () => {});
      storage.commitSnapshot(meta, { index: 0, term: 0 }).then(() => { outcome = "done"; }, (error: Error) => { outcome = error.message; });
      if (isFailing) await machine.until(() => machine.failure !== undefined);
      await machine.wait(storage.close());
      assert.match(outcome, isFailing ? /EIO/ : /closed/);
    }
  });

  it("forgets the segments behind a damaged one when it writes the log anew", async () => {
    // Smaller entries, so that the new segments reach further than the old ones of the same number: what follows would fit behind them.
    for (let more = 20; more <= 600; more += 40) {
      const machine = new Machine(1);
      const { storage } = await machine.open();
      for (let index = 1; index <= 900; index++) await machine.write(storage, index, [1, 2, 3]);
      machine.crash("kill");
      machine.disk.loseSector("/d/log-0000000002.seg", 4096);
      const cut = await machine.open();
      assert.ok(cut.isRecovering && cut.entries > 50 && cut.entries < 300, `${cut.entries} entries are left`);
      for (let index = cut.entries + 1; index <= cut.entries + more; index++) await machine.write(cut.storage, index, [1], 2, 1);
      machine.crash("kill");
      assert.equal((await machine.open()).entries, cut.entries + more);
    }
  });
});
