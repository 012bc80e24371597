import { strict as assert } from "node:assert";
import { SimulatedDisk } from "./disk.js";
import { Life } from "./life.js";
import { Random } from "./random.js";
import { World } from "./world.js";

function make(seed: number, isNameOrderLost = false): { world: World; disk: SimulatedDisk; life: Life } {
  const world = new World();
  const life = new Life(1, 1);
  const disk = new SimulatedDisk(world, new Random(seed), { sectorBytes: 512, isNameOrderLost }, (ended) => { ended.isOver = true; disk.afterCrash("power"); });
  return { world, disk, life };
}

/** What a later process finds in the file; undefined: no file. */
async function contents(world: World, disk: SimulatedDisk, path: string): Promise<string | undefined> {
  const view = disk.view(new Life(1, 2));
  let text: string | undefined;
  const look = async (): Promise<void> => {
    if (!(await view.list("/d")).includes(path.slice(3))) return;
    const file = await view.open(path, "read");
    text = (await file.read(await file.size(), 0)).toString();
  };
  let isDone = false;
  look().then(() => { isDone = true; }, (error: Error) => { world.failure = error; });
  await settle(world, () => isDone);
  return text;
}

async function settle(world: World, isDone: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !isDone(); i++) {
    world.at(1, () => {});
    await world.run(world.now + 1);
  }
  assert.ok(isDone(), "it comes to an end");
}

async function perform(world: World, work: () => Promise<void>): Promise<void> {
  let isDone = false;
  work().then(() => { isDone = true; }, (error: Error) => { world.failure = error; });
  await settle(world, () => isDone);
}

describe("the simulated disk", () => {
  it("keeps what was synced, of files whose names were", async () => {
    for (let seed = 1; seed < 30; seed++) {
      const { world, disk, life } = make(seed);
      const view = disk.view(life);
      await perform(world, async () => {
        const file = await view.open("/d/a", "create");
        await file.write(Buffer.from("kept"), 0);
        await file.sync();
        await view.syncDirectory("/d");
        await file.write(Buffer.from("lost"), 1024);
      });
      life.isOver = true;
      disk.afterCrash("power");
      assert.equal((await contents(world, disk, "/d/a"))?.slice(0, 4), "kept");
    }
  });

  it("tears what was not synced, sector by sector, and drops names that were not", async () => {
    const seen = new Set<string>();
    for (let seed = 1; seed < 200; seed++) {
      const { world, disk, life } = make(seed);
      const view = disk.view(life);
      await perform(world, async () => {
        const file = await view.open("/d/a", "create");
        await file.write(Buffer.alloc(1024, "-"), 0);
        await file.sync();
        await view.syncDirectory("/d");
        await file.write(Buffer.alloc(1024, "x"), 0);
        await (await view.open("/d/b", "create")).sync();
      });
      life.isOver = true;
      disk.afterCrash("power");
      const text = (await contents(world, disk, "/d/a"))!;
      seen.add(`${text[0]}${text[512]}`);
      seen.add(`b ${await contents(world, disk, "/d/b") === undefined ? "lost" : "kept"}`);
    }
    assert.deepEqual([...seen].sort(), ["--", "-x", "b kept", "b lost", "x-", "xx"]);
  });

  it("loses nothing when only the process ends", async () => {
    const { world, disk, life } = make(1);
    await perform(world, async () => { await (await disk.view(life).open("/d/a", "create")).write(Buffer.from("cached"), 0); });
    life.isOver = true;
    disk.afterCrash("kill");
    assert.equal(await contents(world, disk, "/d/a"), "cached");
  });

  it("undoes a rename that was not synced, and keeps one that was, also of several under way", async () => {
    for (let seed = 1; seed < 30; seed++) {
      const { world, disk, life } = make(seed);
      const view = disk.view(life);
      await perform(world, async () => {
        for (const name of ["a", "b"]) {
          const file = await view.open(`/d/${name}.tmp`, "create");
          await file.write(Buffer.from(name), 0);
          await file.sync();
        }
        await view.rename("/d/a.tmp", "/d/a");
        const first = view.syncDirectory("/d");
        await view.rename("/d/b.tmp", "/d/b");
        await Promise.all([first, view.syncDirectory("/d")]);
      });
      life.isOver = true;
      disk.afterCrash("power");
      assert.deepEqual([await contents(world, disk, "/d/a"), await contents(world, disk, "/d/b")], ["a", "b"]);
    }
  });

  it("ends the process at the operation that was chosen, and settles nothing after it", async () => {
    const { world, disk, life } = make(1);
    const view = disk.view(life);
    disk.crashCountdown = 3;
    let reached = 0;
    void (async () => {
      const file = await view.open("/d/a", "create");
      reached = 1;
      await file.write(Buffer.from("x"), 0);
      reached = 2;
      await file.sync();
      reached = 3;
    })();
    world.at(50, () => {});
    await world.run(100);
    assert.equal(reached, 2);
    assert.ok(life.isOver);
  });

  it("fails a write or a sync once, as it was told", async () => {
    const { world, disk, life } = make(1);
    await perform(world, async () => {
      const file = await disk.view(life).open("/d/a", "create");
      disk.nextError = { on: "write", code: "ENOSPC" };
      await assert.rejects(file.write(Buffer.from("x"), 0), { code: "ENOSPC" });
      disk.nextError = { on: "sync", code: "EIO" };
      await file.write(Buffer.from("y"), 0);
      await assert.rejects(file.sync(), { code: "EIO" });
    });
    assert.ok(disk.hasFailed);
  });
});
