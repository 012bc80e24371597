import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { codeOf } from "../../lib/index.js";
import { mountsBelow } from "../runtime/mountinfo.js";
import { Spawner } from "../runtime/spawner.js";
import { buildMonitor } from "../testing.js";
import type { SnapshotDriver } from "./driver.js";
import { LayerDirectory } from "./layer-directory.js";
import { createDriver, type StorageDriverName } from "./open-driver.js";

const churn = fileURLToPath(new URL("testdata/churn.ts", import.meta.url));
const sha256 = (bytes: Buffer | string) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const shell = (directory: string, script: string): string => execFileSync("sh", ["-euc", script], { cwd: directory, encoding: "utf8", maxBuffer: 1 << 28 });
const streamOf = (bytes: Buffer) => async function* () { for (let at = 0; at < bytes.length; at += 50_000) yield bytes.subarray(at, at + 50_000); };

/** Everything below a directory as GNU tar sees it, but for the directory itself, and when overlayfs's deletions were made. */
const digestOf = (directory: string): string => shell(directory, "find . -type c -links +1 -exec sh -c 'for each; do stat -c %t:%T $each | grep -qx 0:0 && rm $each && mknod $each c 0 0 && chmod 0 $each; done' x {} +; find . -type c -perm 0 -exec touch -h -d @0 {} +; find . -type d -exec touch -d @0 {} +; tar --create --sort=name --format=posix --pax-option=delete=atime,delete=ctime --xattrs --xattrs-include='*' --numeric-owner $(ls -A) | sha256sum");

interface Layer { readonly diffId: string; readonly tar: Buffer }

/** What every storage driver must do; `name` is one that works on this host. */
export function driverConformance(name: StorageDriverName): void {
  describe(`storage driver ${name}`, function () {
    this.timeout(120_000);
    let directory: string;
    let home: string;
    let driver: SnapshotDriver;
    let spawner: { close(): Promise<void> };
    let count = 0;
    const monitor = buildMonitor();
    const open = async (at = home) => createDriver(name, await LayerDirectory.open(at, monitor, name === "overlay" ? "overlay" : "files"), monitor);
    const roots = () => mountsBelow(readFileSync("/proc/self/mountinfo", "utf8"), directory);
    const leftovers = () => readdirSync(home).filter((entry) => entry.startsWith("new-"));

    before(async () => {
      directory = mkdtempSync(join(tmpdir(), "skein-driver-"));
      home = join(directory, "snapshots");
      spawner = await Spawner.open(monitor);
      driver = await open();
    });
    afterEach(async () => {
      for (const mount of roots().reverse()) execFileSync(monitor, ["unmount", mount]);
      for (const id of await driver.writable()) await driver.remove(id);
      assert.deepEqual(leftovers(), []);
    });
    after(async () => {
      for (const mount of roots().reverse()) execFileSync(monitor, ["unmount", mount]);
      rmSync(directory, { recursive: true, force: true });
      await spawner?.close();
    });

    /** A layer's tar of what a script makes in an empty directory. */
    function layer(script: string): Layer {
      const source = join(directory, `source-${count++}`);
      mkdirSync(source);
      shell(source, script);
      const tar = execFileSync("tar", ["--create", "--file=-", "--xattrs", "--xattrs-include=*", "--sparse", "--format=posix", "--directory", source, "."], { maxBuffer: 1 << 28 });
      rmSync(source, { recursive: true });
      return { diffId: sha256(tar), tar };
    }
    const bring = async (...layers: Layer[]): Promise<string[]> => {
      const chain = layers.map(({ diffId }) => diffId);
      for (const [i, { tar }] of layers.entries()) await driver.unpack(chain.slice(0, i + 1), streamOf(tar));
      return chain;
    };
    /** Runs a script in the root of a container, which stays. */
    async function inside(id: string, chain: readonly string[], script: string): Promise<string> {
      const root = join(directory, "roots", id);
      await driver.mount(id, chain, root);
      try { return shell(root, script).trim(); } finally { await driver.unmount(id, root); }
    }
    const collect = async (tar: AsyncIterable<Uint8Array>): Promise<Buffer> => { const parts: Uint8Array[] = []; for await (const part of tar) parts.push(part); return Buffer.concat(parts); };
    const stored: Buffer[] = [];
    const store = async (tar: AsyncIterable<Uint8Array>) => { const bytes = await collect(tar); stored.push(bytes); return { digest: sha256(bytes), sizeBytes: bytes.length }; };
    const changesOf = async (id: string, chain: readonly string[]) => (await driver.changes(id, chain)).map(({ kind, path }) => `${kind[0]!.toUpperCase()} ${path}`);

    const base = () => layer("mkdir -p etc bin d/sub; echo base > etc/conf; echo keep > etc/keep; echo a > d/a; echo b > d/sub/b; echo sh > bin/sh; ln bin/sh bin/ash; ln -s conf etc/link; ln -s /etc abs; echo f > file; touch -d @1000000000 etc/conf");

    it("unpacks a layer once, however it is compressed and however many ask, and verifies it", async () => {
      const one = layer("echo 1 > one");
      const sizes = await Promise.all([one.tar, gzipSync(one.tar), one.tar].map((bytes) => driver.unpack([one.diffId], streamOf(bytes))));
      assert.deepEqual([new Set(sizes), await driver.layerSize([one.diffId])], [new Set([one.tar.length]), one.tar.length]);
      const other = layer("echo 2 > two");
      await assert.rejects(driver.unpack([one.diffId, other.diffId], streamOf(one.tar)), (error) => codeOf(error) === "DATA_LOSS");
      await assert.rejects(driver.unpack([other.diffId], streamOf(Buffer.from("x".repeat(3000)))));
      await assert.rejects(driver.unpack([other.diffId], async function* () { yield other.tar.subarray(0, 700); throw new Error("the line was cut"); }), /the line was cut/);
      assert.equal(await driver.layerSize([other.diffId]), undefined);
      assert.deepEqual(await driver.layers(), [one.diffId]);
    });

    it("shows layers upon one another: deletions, opaque directories, files for directories, links over links", async () => {
      const chain = await bring(
        base(),
        layer("mkdir etc d; touch etc/.wh.conf d/.wh..wh..opq; echo new > d/new; mkdir file; echo in > file/in; ln -s keep etc/link"),
        layer("touch .wh.bin; echo d > d; ln -s elsewhere abs; mkdir etc; touch etc/.wh.gone"),
        layer("mkdir bin; touch .wh.bin; echo 2 > bin/sh; mkdir d; echo again > d/again"),
      );
      assert.equal(await inside("stack", chain, "find bin d etc/conf etc/keep etc/link file abs 2>/dev/null | sort | tr '\\n' ' '; cat etc/link file/in bin/sh d/again; readlink abs"),
        "abs bin bin/sh d d/again etc/keep etc/link file file/in keep\nin\n2\nagain\nelsewhere");
      assert.deepEqual(await driver.changes("stack", chain), []);
      await driver.remove("stack");
    });

    it("keeps all that a file is", async () => {
      const whole = `mkdir -p deep/${"x".repeat(90)}/${"y".repeat(90)} owned; echo long > deep/${"x".repeat(90)}/${"y".repeat(90)}/${"z".repeat(120)}
        echo s > setuid; chmod 6755 setuid; mkdir sticky; chmod 1777 sticky; chown 70000:3000000 owned; mknod null c 1 3; mknod disk b 7 200; mkfifo pipe; echo h > h1; ln h1 h2; ln -s h1 sym; chown -h 5:6 sym
        ln -s $(printf '%0200d' 0) longlink; touch -d '1965-01-02 03:04:05' old; touch -d @99999999999 far; mkdir timed; touch -d @1234567890 timed setuid; chmod 0 owned; printf 'a\\nb' > 'new
line'; truncate -s 5M sparse; printf x | dd of=sparse bs=1 seek=3000000 conv=notrunc 2>/dev/null; truncate -s 3M empty
        cp /bin/true cap; setcap cap_net_raw+ep cap; python3 -c "import os; os.setxattr('h1','user.note',b'hello'); os.setxattr('timed','user.dir',b'd'); os.setxattr('cap','user.big',b'v'*2000)"
        find . -mindepth 1 ! -name old ! -name far ! -name timed ! -name setuid ! -path './etc*' ! -path './dev*' -exec touch -h -d @1500000000 {} +`;
      const [diffId] = await bring(layer(whole));
      const look = `find . -mindepth 1 ! -path './etc*' ! -path './dev*' ! -path './proc' ! -path './sys' ! -path ./.dockerenv -printf '%P %y %m %U %G %s %Ts %l\\n' | grep -v ' d .* 4096 ' | sort; [ h1 -ef h2 ]; getcap cap; du -k sparse empty | cut -f1 | sort -n | tail -1; sha256sum sparse;
        python3 -c "import os; print(sorted(os.listxattr('h1')), os.getxattr('h1','user.note'), os.getxattr('timed','user.dir'), len(os.getxattr('cap','user.big')))"; stat -c '%t:%T' null disk; find . -mindepth 1 -type d -printf '%P %m %U %G\\n' | grep -v '^etc\\|^dev' | sort; stat -c %Y timed`;
      const source = join(directory, "whole");
      mkdirSync(source);
      shell(source, whole);
      const expected = shell(source, `mkdir -p proc sys; ${look}`).trim();
      const seen = await inside("whole", [diffId!], look);
      assert.equal(seen, expected);
      // And as changes of a container, archived and unpacked again.
      await inside("maker", [], whole);
      const { diffId: committed } = await driver.commit("maker", [], store);
      assert.equal(await inside("again", [committed], look), expected);
      for (const id of ["whole", "maker", "again"]) await driver.remove(id);
    });

    it("tells what a container changed, with the directories above", async () => {
      const chain = await bring(base());
      await inside("c", chain, "true");
      assert.deepEqual(await driver.changes("c", chain), []);
      await inside("c", chain, "echo more >> etc/conf; rm etc/keep; rm -r d; mkdir d; echo n > d/n; mkdir fresh; ln -s x fresh/l; chmod 700 file; mv bin/sh bin/shell; rm abs; mkdir abs");
      assert.deepEqual(await changesOf("c", chain), ["M /abs", "M /bin", "D /bin/sh", "A /bin/shell", "M /d", "D /d/a", "A /d/n", "D /d/sub", "M /etc", "M /etc/conf", "D /etc/keep", "M /file", "A /fresh", "A /fresh/l"]);
      // The same size and the same time, and yet another file.
      await inside("c", chain, "printf 'B\\n' > d/n; touch -r file d/n; rm -rf fresh abs; ln -s /etc abs");
      await inside("sly", chain, "touch -r etc/link /tmp/none 2>/dev/null || true; stamp=$(stat -c %Y etc/keep); sleep 0.02; printf 'peek\\n' > etc/keep; touch -d @$stamp etc/keep");
      assert.ok((await changesOf("sly", chain)).includes("M /etc/keep"));
      for (const id of ["c", "sly"]) await driver.remove(id);
    });

    it("measures what a container wrote", async () => {
      const chain = await bring(base());
      await inside("big", chain, "head -c 100000 /dev/zero > zeros; ln zeros again; rm -r d");
      const bytes = await driver.writableSize("big");
      assert.ok(name === "vfs" ? bytes >= 100_000 && bytes < 101_000 : bytes === 100_000, String(bytes));
      await driver.remove("big");
    });

    it("makes an archive of the changes that, unpacked, is the same again; equal changes make equal archives", async () => {
      const chain = await bring(base());
      const script = "echo more >> etc/conf; rm etc/keep; rm -r d; mkdir d; echo n > d/n; mkdir -p fresh/deep; ln bin/sh bin/third; rm file; mkdir file; mkfifo file/pipe; python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('gone')\"; find . -xdev -depth -exec touch -h -d @1500000000.7 {} + ";
      await inside("x", chain, script);
      await inside("y", chain, script);
      const [x, y] = await Promise.all(["x", "y"].map((id) => collect(driver.diff(id, chain))));
      assert.ok(x!.equals(y!), "two containers that did the same");
      const diffId = sha256(x!);
      await driver.unpack([...chain, diffId], streamOf(x!));
      const look = "find . -mindepth 1 ! -name gone -printf '%P %y %m %U %G %Ts %l %n\\n' | sed 's/^\\([^ ]* d .*\\) [0-9]*$/\\1/' | sort; cat etc/conf d/n bin/third";
      assert.equal(await inside("z", [...chain, diffId], look), await inside("x", chain, look));
      assert.deepEqual(await driver.changes("z", [...chain, diffId]), []);
      for (const id of ["x", "y", "z"]) await driver.remove(id);
    });

    it("makes a layer of a container, which goes on; the layer is what unpacking its archive gives", async () => {
      const chain = await bring(base());
      await inside("c", chain, "rm -r d; mkdir -p d/again; echo 1 > d/again/1; echo x >> etc/conf; rm etc/keep; mknod n c 1 7; ln etc/conf etc/conf2; truncate -s 2M holes; touch -d '2001-02-03 04:05:06.789' d/again/1");
      const first = await driver.commit("c", chain, store);
      assert.deepEqual([first.diffId, first.sizeBytes], [sha256(stored.at(-1)!), stored.at(-1)!.length]);
      assert.deepEqual((await driver.commit("c", chain, store)).diffId, first.diffId);
      const elsewhere = join(directory, "elsewhere");
      const other = await LayerDirectory.open(elsewhere, monitor, name === "overlay" ? "overlay" : "files");
      await other.unpack(first.diffId, streamOf(stored.at(-1)!));
      const mine = await LayerDirectory.open(home, monitor, name === "overlay" ? "overlay" : "files");
      assert.equal(digestOf(mine.files(first.diffId)), digestOf(other.files(first.diffId)));
      // What the container does afterwards is not in the layer.
      await inside("c", chain, "echo later >> etc/conf; echo 2 > d/again/1");
      assert.equal(await inside("d", [...chain, first.diffId], "cat d/again/1 etc/conf2; ls -d d/a etc/keep 2>&1 | grep -c 'No such' || true"), "1\nbase\nx\n2");
      const second = await driver.commit("c", chain, store, { isConsumed: true });
      await driver.remove("c");
      assert.equal(await inside("e", [...chain, second.diffId], "cat d/again/1 etc/conf"), "2\nbase\nx\nlater");
      await other.unpack(second.diffId, streamOf(stored.at(-1)!));
      assert.equal(digestOf(mine.files(second.diffId)), digestOf(other.files(second.diffId)));
      const empty = await driver.commit("d", [...chain, first.diffId], store);
      assert.equal(empty.sizeBytes, 1024);
      await assert.rejects(driver.commit("d", [...chain, first.diffId], async (tar) => { for await (const part of tar) if (part.length > 0) throw new Error("no room for the archive"); throw new Error("empty"); }), /no room for the archive/);
      for (const id of ["d", "e"]) await driver.remove(id);
      rmSync(elsewhere, { recursive: true });
    });

    it("refuses to make a layer of names that would delete something", async () => {
      if (name === "fuse-overlayfs") return;   // it hides such names itself
      const chain = await bring(base());
      await inside("wh", chain, "touch etc/.wh.conf");
      await assert.rejects(driver.commit("wh", chain, store), /reserved/);
      await driver.remove("wh");
    });

    it("keeps containers apart, and what they wrote between mounts", async () => {
      const chain = await bring(base());
      const root = join(directory, "roots", "one");
      await driver.mount("one", chain, root);
      await driver.mount("one", chain, root);
      shell(root, "echo mine > mine; rm file");
      assert.equal(await inside("two", chain, "ls mine 2>&1 | grep -c 'No such'; cat file"), "1\nf");
      assert.equal(roots().filter((mount) => mount === root).length, 1);
      for (let i = 0; i < 2; i++) await driver.unmount("one", root);
      assert.equal(await inside("one", chain, "cat mine; ls file 2>&1 | grep -c 'No such'"), "mine\n1");
      assert.deepEqual((await driver.writable()).sort(), ["one", "two"]);
      for (const id of ["one", "one", "two"]) await driver.remove(id);
      assert.deepEqual(await driver.writable(), []);
      assert.ok(Object.values(driver.describe("one", chain)).every((path) => path.startsWith("/")) && Object.values(driver.describeImage(chain)).every((path) => path.startsWith("/")));
    });

    it("gives every container places to mount on, which are no change of its own, whatever the image makes of them", async () => {
      const chain = await bring(layer("mkdir outside; ln -s outside etc; echo file > dev; mkdir -m 700 proc"));
      assert.equal(await inside("odd", chain, "cat dev; readlink etc; stat -c %a proc; ls -d sys .dockerenv outside/hosts"), "file\noutside\n700\n.dockerenv\noutside/hosts\nsys");
      assert.deepEqual(await driver.changes("odd", chain), []);
      await driver.remove("odd");
    });

    it("takes 127 layers", async () => {
      const layers = Array.from({ length: 127 }, (_, i) => layer(`echo ${i} > l${i}; echo ${i} > top; [ ${i} -eq 0 ] || touch .wh.l${i - 1}`));
      const chain = await bring(...layers);
      assert.equal(await inside("tall", chain, "cat top; ls l*"), "126\nl126");
      await inside("tall", chain, "rm l126");
      assert.deepEqual(await changesOf("tall", chain), ["D /l126"]);
      await driver.remove("tall");
    });

    it("unpacks many layers and mounts many containers at once", async () => {
      const layers = Array.from({ length: 12 }, (_, i) => layer(`mkdir d${i}; seq 2000 > d${i}/numbers`));
      await Promise.all(layers.flatMap(({ diffId, tar }) => [driver.unpack([diffId], streamOf(tar)), driver.unpack([diffId], streamOf(tar))]));
      const chain = layers.map(({ diffId }) => diffId);
      const seen = await Promise.all(Array.from({ length: 8 }, (_, i) => inside(`many${i}`, chain, "cat d*/numbers | wc -l")));
      assert.deepEqual(new Set(seen), new Set(["24000"]));
      await Promise.all(seen.map((_, i) => driver.remove(`many${i}`)));
    });

    it("deletes what nobody needs, and only that", async () => {
      const [kept, gone] = [await bring(base(), layer("echo kept > k")), await bring(layer("echo gone > g"))];
      for (const [id, chain] of [["k", kept], ["g", gone]] as const) { await inside(id, chain, "true"); await driver.remove(id); }
      await driver.keepOnly([kept]);
      assert.deepEqual((await driver.layers()).sort(), [...kept].sort());
      assert.equal(await inside("k", kept, "cat k"), "kept");
      await driver.remove("k");
      await driver.keepOnly([]);
      assert.deepEqual(await driver.layers(), []);
      assert.ok(shell(home, "du -sk . | cut -f1").trim().length < 4, "nothing large is left");
    });

    it("lets no layer reach outside of itself", async () => {
      const outside = join(directory, "outside");
      mkdirSync(outside);
      writeFileSync(join(outside, "secret"), "secret");
      const source = join(directory, "hostile");
      mkdirSync(source);
      const hostile = (script: string): Layer => { const tar = execFileSync("python3", ["-c", `import sys,tarfile,io
t=tarfile.open(fileobj=sys.stdout.buffer,mode='w|')
def f(name,data=b'x'):
  i=tarfile.TarInfo(name); i.size=len(data); t.addfile(i,io.BytesIO(data))
def l(name,target,kind=tarfile.SYMTYPE):
  i=tarfile.TarInfo(name); i.type=kind; i.linkname=target; t.addfile(i)
${script}
t.close()`]); return { diffId: sha256(tar), tar }; };
      const climb = "../".repeat(12);
      await assert.rejects(bring(hostile(`f('${climb}${outside.slice(1)}/up')`)), /leads out/);
      await assert.rejects(bring(hostile(`l('hard','${climb}${outside.slice(1)}/secret',tarfile.LNKTYPE)`)), /outside/);
      await assert.rejects(bring(hostile(`l('way','${outside}')\nf('way/through')`)));
      await assert.rejects(bring(hostile("f('a/.wh...')")), name === "overlay" ? /impossible name/ : /./).catch((error) => { if (name === "overlay") throw error; });
      await bring(hostile(`f('${outside}/absolute')\nl('link','${climb}etc/passwd')\nf('link',b'own')`));
      assert.deepEqual(readdirSync(outside), ["secret"]);
      assert.equal(readFileSync(join(outside, "secret"), "utf8"), "secret");
      // Deletions through a link of a layer below stay in the layer above.
      const chain = await bring(hostile(`l('d','${outside}')`), hostile("f('d/.wh.secret')\nf('d/.wh..wh..opq')"));
      await inside("hostile", chain, "true");
      await driver.remove("hostile");
      assert.equal(readFileSync(join(outside, "secret"), "utf8"), "secret");
      await driver.keepOnly([]);
    });

    it("leaves nothing of what a full disk cut short", async () => {
      const small = join(directory, "small");
      mkdirSync(small);
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=6m", "tmpfs", small]);
      try {
        const tight = await open(join(small, "s"));
        const big = layer("head -c 9000000 /dev/urandom > big");
        await assert.rejects(tight.unpack([big.diffId], streamOf(big.tar)), /No space left/);
        const fits = layer("head -c 1500000 /dev/urandom > fits");
        await tight.unpack([fits.diffId], streamOf(fits.tar));
        const root = join(directory, "roots", "tight");
        await tight.mount("tight", [fits.diffId], root);
        assert.throws(() => shell(root, "head -c 6000000 /dev/urandom > more"), /No space left/);
        await assert.rejects(tight.commit("tight", [fits.diffId], store), /No space left/);
        await tight.unmount("tight", root);
        await tight.remove("tight");
        assert.deepEqual([readdirSync(join(small, "s")).filter((entry) => entry.startsWith("new-")), await tight.layers()], [[], [fits.diffId]]);
      } finally { execFileSync(monitor, ["unmount", small]); }
    });

    it("is whole after kill -9 at any point", async () => {
      const { diffId, tar } = layer("mkdir d; seq 3000 > d/numbers; echo x > x; for i in $(seq 60); do echo $i > d/$i; done");
      const above = layer("mkdir d; touch d/.wh.1; echo above > above");
      for (const [file, { tar: bytes }] of Object.entries({ base: { tar }, above })) writeFileSync(join(directory, `${file}.tar`), bytes);
      const chain = [diffId, above.diffId];
      for (let round = 0; round < 8; round++) {
        const child = spawn(process.execPath, ["--import", "tsx", churn, name, home, monitor, directory, JSON.stringify(chain)], { stdio: ["ignore", "pipe", "inherit"] });
        const ended = new Promise((resolve) => child.once("close", resolve));
        await new Promise((resolve, reject) => { child.stdout.once("data", resolve); child.once("exit", (code) => reject(new Error(`the child ended with ${code}`))); });
        await new Promise((resolve) => setTimeout(resolve, 5 + ((round * 37) % 160)));
        child.removeAllListeners("exit");
        child.kill("SIGKILL");
        await ended;
        driver = await open();
        assert.deepEqual(leftovers(), []);
        for (const [i, bytes] of [tar, above.tar].entries()) await driver.unpack(chain.slice(0, i + 1), streamOf(bytes));
        // What is there is whole, layer by layer.
        assert.equal(await inside("after", chain, "cat above x; ls d | wc -l; tail -1 d/numbers"), "above\nx\n60\n3000");
        const root = join(directory, "roots", "churned");
        await driver.mount("churned", chain, root);
        assert.equal(shell(root, "cat above").trim(), "above");
        await driver.changes("churned", chain);
        await driver.unmount("churned", root);
        for (const id of await driver.writable()) await driver.remove(id);
        const known = await driver.layers();
        await driver.keepOnly(known.map((each) => [each]));
        await driver.keepOnly(round % 2 === 0 ? [chain] : []);
        assert.deepEqual(roots(), []);
      }
    });

    it("says where it stores", () => {
      assert.equal(driver.name, name);
      assert.ok(driver.status().some(([key]) => key === "Backing Filesystem"));
      assert.ok(existsSync(home) && (statSync(home).mode & 0o077) === 0);
    });
  });
}
