import { strict as assert } from "node:assert";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lockDirectory } from "./lock.js";

describe("the lock of a log's directory", function () {
  this.timeout(20_000);
  let directory: string;
  let other: ChildProcess | undefined;

  beforeEach(() => { directory = mkdtempSync(join(tmpdir(), "raft-ts-lock-")); });
  afterEach(() => { other?.kill("SIGKILL"); rmSync(directory, { recursive: true, force: true }); });

  /** A process that runs, and the lock file as it would have written it. */
  async function heldByAnother(): Promise<number> {
    other = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000); console.log()"], { stdio: ["ignore", "pipe", "inherit"] });
    await once(other.stdout!, "data");
    const pid = other.pid!;
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    writeFileSync(join(directory, "lock"), `${pid} ${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()}/${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]}\n`);
    return pid;
  }

  it("is given back, and leaves nothing", async () => {
    const unlock = await lockDirectory(directory);
    assert.deepEqual(readdirSync(directory), ["lock"]);
    await unlock();
    assert.deepEqual(readdirSync(directory), []);
    await (await lockDirectory(directory))();
  });

  it("refuses a second one in this process, by whatever name", async () => {
    const unlock = await lockDirectory(directory);
    await assert.rejects(lockDirectory(`${directory}/../${directory.split("/").at(-1)}`), { kind: "storage", message: /this process has it open already/ });
    await unlock();
  });

  it("names the process that has it, and changes nothing", async () => {
    const pid = await heldByAnother();
    const before = readFileSync(join(directory, "lock"), "utf8");
    await assert.rejects(lockDirectory(directory, 200), { kind: "storage", message: new RegExp(`process ${pid} has it open already`) });
    assert.deepEqual(readdirSync(directory), ["lock"]);
    assert.equal(readFileSync(join(directory, "lock"), "utf8"), before);
  });

  it("waits for one whose end is under way", async () => {
    await heldByAnother();
    setTimeout(() => other!.kill("SIGKILL"), 300);
    await (await lockDirectory(directory))();
  });

  it("is taken over from a process that died, also when another has its number, and when the file is empty", async () => {
    for (const content of ["999999999 nobody/1\n", `${process.ppid} another-boot/1\n`, `${process.pid} before/2\n`, "", "nonsense\n"]) {
      writeFileSync(join(directory, "lock"), content);
      await (await lockDirectory(directory))();
    }
    assert.deepEqual(readdirSync(directory), []);
  });
});
