import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { pack, type Header } from "tar-stream";
import { busyboxImage, dockerSave } from "../../../scripts/base-images.js";
import { codeOf } from "../../lib/index.js";
import { waitFor } from "../../lib/testing.js";
import type { BuildRequest } from "../api/index.js";
import { mountsBelow } from "../runtime/mountinfo.js";
import { openEngineRig, type EngineRig } from "../testing.js";
import { BuildStepError } from "./step-error.js";

type Entry = string | Buffer | (Partial<Header> & { content?: string | Buffer });

/** A context: name → content, or a whole entry. */
async function tarOf(files: Readonly<Record<string, Entry>>): Promise<Buffer> {
  const tar = pack();
  for (const [name, entry] of Object.entries(files)) {
    const { content = "", ...header } = typeof entry === "string" || Buffer.isBuffer(entry) ? { content: entry } : entry;
    tar.entry({ name, mtime: new Date(1_000_000_000_000), ...header }, content);
  }
  tar.finalize();
  const parts: Buffer[] = [];
  for await (const part of tar) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
async function* once(bytes: Buffer): AsyncGenerator<Buffer> { yield bytes; }

describe("engine: build", function () {
  this.timeout(120_000);
  let rig: EngineRig;
  before(async () => {
    rig = await openEngineRig();
    await rig.engine().images.load(dockerSave(await busyboxImage()));
  });
  after(() => rig?.close());

  let count = 0;
  interface Built { readonly id: string; readonly text: string; readonly tag: string }
  async function build(dockerfile: string, files: Readonly<Record<string, Entry>> = {}, more: Partial<BuildRequest> = {}): Promise<Built> {
    const context = more.context ?? once(await tarOf({ Dockerfile: dockerfile, ...files }));
    const tag = `test:${++count}`;
    let text = "";
    const id = await rig.engine().build({
      dockerfile: "Dockerfile", tags: [tag], buildArgs: {}, labels: {}, cacheFrom: [], networkMode: "none", signal: new AbortController().signal, ...more, context,
      onOutput: (output) => { if (output.kind === "stream") text += output.text; more.onOutput?.(output); },
    });
    return { id, text, tag };
  }
  /** What a command says in the image. */
  async function inside({ tag }: Built, script: string): Promise<string[]> {
    const id = await rig.run(tag, [], { command: ["/bin/sh", "-c", script] });
    const lines = await rig.output(id);
    await rig.engine().remove(id, { force: true });
    return lines;
  }
  const configOf = async (built: Built) => (await rig.engine().images.inspect(built.tag)).raw["config"] as Record<string, unknown>;
  const fails = (work: Promise<unknown>, message: RegExp) => assert.rejects(work, (error: Error) => { assert.match(error.message, message); return true; });
  /** Containers, mounts and directories that a build leaves. */
  function left(): unknown[] {
    const { stateDir, runDir } = rig.config;
    return [
      ...mountsBelow(readFileSync("/proc/self/mountinfo", "utf8"), runDir), ...readdirSync(join(stateDir, "build", "jobs")), ...readdirSync(join(runDir, "build")).filter((name) => name !== "roots"),
      ...(existsSync(join(runDir, "build", "roots")) ? readdirSync(join(runDir, "build", "roots")) : []), ...readdirSync(join(stateDir, "snapshots", "writable")), ...readdirSync(join(stateDir, "content", "ingest")), ...readdirSync(join(stateDir, "containers")),
    ];
  }
  afterEach(async () => assert.deepEqual([(await rig.engine().list()).map((c) => c.name), left()], [[], []]));

  it("prints what the classic builder prints, and tags what it made", async () => {
    const built = await build("FROM busybox\nRUN echo hello\nCMD [\"true\"]\n");
    assert.match(built.text, new RegExp([
      "^Step 1/3 : FROM busybox\n ---> [0-9a-f]{12}\nStep 2/3 : RUN echo hello\n ---> Running in [0-9a-f]{12}\nhello\n ---> Removed intermediate container [0-9a-f]{12}\n ---> [0-9a-f]{12}\n",
      `Step 3/3 : CMD \\["true"\\]\n ---> ${built.id.slice(7, 19)}\nSuccessfully built ${built.id.slice(7, 19)}\nSuccessfully tagged ${built.tag}\n$`,
    ].join("")));
    assert.deepEqual((await configOf(built))["Cmd"], ["true"]);
    const again = await build("FROM busybox\nRUN echo hello\nCMD [\"true\"]\n");
    assert.equal(again.id, built.id);
    assert.equal(again.text.match(/ ---> Using cache\n/g)?.length, 2);
    assert.doesNotMatch(again.text, /Running in/);
    const quiet = await build("FROM busybox\nRUN echo hello\nCMD [\"true\"]\n", {}, { isQuiet: true });
    assert.equal(quiet.text, `${built.id}\n`);
  });

  it("says which command failed, with its code and line", async () => {
    await assert.rejects(build("FROM busybox\n\nRUN exit 3\n"), (error: unknown) => error instanceof BuildStepError && error.exitCode === 3 && error.line === 3 && error.message === "The command '/bin/sh -c exit 3' returned a non-zero code: 3");
    await fails(build("FROM busybox\nRUN [\"/nothing\"]\n"), /nothing/);
    await fails(build("FROM nowhere.invalid/x\n"), /line 1 of the Dockerfile/);
    await fails(build("FROM scratch\nRUN x\n"), /\/bin\/sh|line 2/);
  });

  it("keeps every setting that an instruction makes", async () => {
    const built = await build(`FROM busybox
MAINTAINER Me <me@x>
ENV A=1 B="two words" C=$A
ENV D=\${A}-\${B}
LABEL l=1 "quoted label"="v 'x'"
EXPOSE 80 90-91/udp
VOLUME ["/data", "/more"]
USER www-data:users
WORKDIR /one
WORKDIR two
STOPSIGNAL SIGINT
SHELL ["/bin/sh", "-ec"]
HEALTHCHECK --interval=5s --timeout=1s --start-period=2s --start-interval=200ms --retries=4 CMD curl x
ENTRYPOINT echo hi
ONBUILD RUN echo triggered
`, {}, { labels: { "from.cli": "a $b 'c' \\d" } });
    const { Hostname: _, ...config } = await configOf(built);
    assert.deepEqual(config, {
      Cmd: null, Entrypoint: ["/bin/sh", "-ec", "echo hi"], Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=1", "B=two words", "C=", "D=1-two words"],
      ExposedPorts: { "80/tcp": {}, "90/udp": {}, "91/udp": {} }, Healthcheck: { Test: ["CMD-SHELL", "curl x"], Interval: 5e9, Timeout: 1e9, StartPeriod: 2e9, StartInterval: 2e8, Retries: 4 },
      Labels: { l: "1", "quoted label": "v 'x'", "from.cli": "a $b 'c' \\d" }, OnBuild: ["RUN echo triggered"], Shell: ["/bin/sh", "-ec"], StopSignal: "SIGINT", User: "www-data:users", Volumes: { "/data": {}, "/more": {} }, WorkingDir: "/one/two",
    });
    assert.equal((await rig.engine().images.inspect(built.tag)).raw["author"], "Me <me@x>");
    assert.deepEqual(await inside(built, "stat -c '%u:%g %a' /one /one/two"), ["33:100 755", "33:100 755"]);
    const child = await build(`FROM ${built.tag}\nENTRYPOINT []\nUSER root\n`);
    assert.match(child.text, /# Executing 1 build trigger\n ---> Running in \w+\ntriggered\n/);
    assert.deepEqual([(await configOf(child))["OnBuild"], (await configOf(child))["Entrypoint"]], [undefined, null]);
  });

  it("runs commands with shell, user, directory, environment and args of where they stand", async () => {
    const built = await build(`ARG V=busybox
FROM $V
ARG V
ARG WHO=nobody
ARG TARGETARCH
ENV E=1
RUN echo "$V $WHO $E $TARGETARCH $HTTP_PROXY $PWD $(id -u)"
USER 33
WORKDIR /tmp
SHELL ["/bin/sh", "-xc"]
RUN echo "$PWD $(id -u)"
RUN ["/bin/echo", "$E"]
`, {}, { buildArgs: { WHO: "me", HTTP_PROXY: "http://p", UNUSED: "x", UNSET: undefined } });
    assert.match(built.text, new RegExp(`\nbusybox me 1 ${process.arch === "x64" ? "amd64" : ".*"} http://p / 0\n`));
    assert.match(built.text, /\+ echo '\/tmp 33'/);
    assert.match(built.text, /\n\$E\n/);
    assert.match(built.text, /\[Warning\] One or more build-args \[UNSET UNUSED\] were not consumed\n/);
    const history = (await rig.engine().images.history(built.tag)).map((each) => each.createdBy).join("\n");
    assert.match(history, /\|\d TARGETARCH=\w+ V=busybox WHO=me \/bin\/sh -c/);
    assert.doesNotMatch(history, /http:\/\/p/);
  });

  it("understands heredocs: scripts, other interpreters, files", async () => {
    const built = await build(`FROM busybox
ENV NAME=world
RUN <<EOF
set -e
echo "one $NAME" > /out
echo two >> /out
EOF
RUN <<EOF
#!/usr/bin/awk -f
BEGIN { print "awk says", 6*7 > "/awk" }
EOF
RUN cat <<A > /ab && cat <<-'B' >> /ab
$NAME
A
	$NAME
	B
COPY <<conf <<"raw" /etc/app/
name=$NAME \\$x
conf
name=$NAME
raw
COPY <<one /single
1
one
`);
    assert.deepEqual(await inside(built, "cat /out /awk /ab /etc/app/conf /etc/app/raw /single; ls /dev/pipes 2>&1 | head -1"), ["one world", "two", "awk says 42", "world", "$NAME", "name=world $x", "name=$NAME", "1", "ls: /dev/pipes: No such file or directory"]);
  });

  it("copies files and directories as Docker does", async () => {
    const files: Record<string, Entry> = {
      "a.txt": { content: "a", mode: 0o640, uid: 1000, gid: 1000 }, "b.txt": "b", "c.md": "c", "dir/": { type: "directory", mode: 0o750 }, "dir/x": { content: "x", mode: 0o755 }, "dir/sub/y": "y", "dir/link": { type: "symlink", linkname: "x" }, "tolink": { type: "symlink", linkname: "dir/sub" },
      "[odd]": "odd", "dir/suid": { content: "s", mode: 0o4755 },
    };
    const built = await build(`FROM busybox
RUN mkdir -p /real/in /tmp/keep && ln -s /real /linked && chmod 1777 /tmp
COPY a.txt /one
COPY a.txt b.txt /two/
COPY *.txt c.m? /three/
COPY dir /four
COPY dir/ /tmp/
COPY dir /linked/in
COPY --chown=www-data:users --chmod=700 dir /five
COPY --chown=7 b.txt /six
COPY tolink /seven
COPY [ "[[]odd]", "/with space" ]
WORKDIR /w
COPY . .
COPY --exclude=sub --exclude=*uid dir /eight
`, files);
    assert.deepEqual(await inside(built, `
      stat -c '%n %a %u:%g' /one /two/a.txt /three/* /four /four/x /four/suid /tmp /tmp/keep /five /five/x /five/sub/y /six
      ls /real/in /seven /eight /w; cat "/with space"; readlink /four/link; find /linked`), [
      "/one 640 0:0", "/two/a.txt 640 0:0", "/three/a.txt 640 0:0", "/three/b.txt 644 0:0", "/three/c.md 644 0:0", "/four 750 0:0", "/four/x 755 0:0", "/four/suid 4755 0:0", "/tmp 1777 0:0", "/tmp/keep 755 0:0", "/five 700 33:100", "/five/x 700 33:100", "/five/sub/y 700 33:100", "/six 644 7:7",
      "/eight:", "link", "x", "", "/real/in:", "link", "sub", "suid", "x", "", "/seven:", "y", "", "/w:", "Dockerfile", "[odd]", "a.txt", "b.txt", "c.md", "dir", "tolink", "oddx", "/linked",
    ]);
    for (const [line, why] of [
      ["COPY a.txt b.txt /x", /destination must be a directory and end with a \//], ["COPY none /x", /file not found in build context or excluded by .dockerignore: stat none/], ["COPY ../a /x", /forbidden path outside the build context/i], ["COPY *.none /x/", /no source files were specified/],
      ["COPY a.txt /bin/sh/x", /is a file in the image/], ["COPY --chown=kermit a.txt /x", /unable to convert uid\/gid.*kermit/], ["COPY --chmod=9 a.txt /x", /invalid chmod/], ["COPY dir/x /etc/\nCOPY a.txt /etc/x/", /is a file in the image/], ["COPY --from=5 a /x", /invalid from flag value 5/],
    ] as const) await fails(build(`FROM busybox\n${line}\n`, files), why);
  });

  it("replaces nothing but what it copies: a directory's mode and the links of a merged /usr stay", async () => {
    const built = await build("FROM busybox\nRUN mkdir -p /usr/lib64 && ln -s usr/lib64 /lib64 && ln -s /nowhere /dangling && chown 33 /home && chmod 711 /home\nCOPY root/ /\nCOPY f /home/deep/er/\nCOPY f /dangling\n", { "root/lib64/so": "1", "root/etc/app": "2", f: "f" });
    assert.deepEqual(await inside(built, "readlink /lib64; ls /usr/lib64; stat -c '%a %u' /home /home/deep; ls -d /etc/passwd; cat /nowhere 2>/dev/null || cat /dangling"), ["usr/lib64", "so", "711 33", "755 0", "/etc/passwd", "f"]);
  });

  it("copies between stages with owners, attributes and hard links, and builds only what is needed, side by side", async () => {
    const built = await build(`FROM busybox AS unused
RUN exit 9
FROM busybox AS one
RUN mkdir -p /o/d && echo 1 > /o/f && chown 33:33 /o/f && chmod 4711 /o/f && ln /o/f /o/d/hard && mkfifo /o/pipe && ln -s f /o/soft
FROM busybox AS two
RUN echo 2 > /two
FROM busybox
COPY --from=one /o /o
COPY --from=1 /o/f /o/soft /single/
COPY --from=two /two /
COPY --from=busybox /etc/passwd /pw
RUN --mount=from=two,source=/two,target=/mnt/two cat /mnt/two
`);
    assert.doesNotMatch(built.text, /exit 9/);
    assert.deepEqual(await inside(built, "stat -c '%n %a %u:%g %h %F' /o/f /o/d/hard /o/pipe /single/f; readlink /o/soft; ls -d /single/*; cat /two; wc -l < /pw; ls -d /mnt 2>/dev/null; ls /o/d"), [
      "/o/f 4711 33:33 2 regular file", "/o/d/hard 4711 33:33 2 regular file", "/o/pipe 644 0:0 1 fifo", "/single/f 4711 33:33 1 regular file", "f", "/single/f", "/single/soft", "2", "4", "hard",
    ]);
    const target = await build("FROM busybox AS a\nRUN echo a\nFROM busybox AS b\nRUN exit 1\n", {}, { target: "a" });
    assert.match(target.text, /Step 2\/2 : RUN echo a/);
  });

  it("copies nothing of what every container's root has", async () => {
    const built = await build("FROM scratch AS s\nCOPY f /d/f\nFROM busybox AS t\nFROM busybox\nCOPY --from=s / /s/\nCOPY --from=t / /t/\nCOPY --from=t /etc/hosts /h/\n", { f: "f" });
    assert.deepEqual(await inside(built, "cd /s; find . | sort; cd /t; ls -A . etc; ls /h"), [".", "./d", "./d/f", ".:", "bin", "etc", "home", "lib", "root", "run", "sbin", "tmp", "usr", "var", "", "etc:", "group", "nsswitch.conf", "passwd", "shadow", "hosts"]);
  });

  it("keeps each step's lines together when stages run at the same time", async () => {
    const loop = "for i in 1 2 3 4 5 6 7 8; do echo $T$i; sleep 0.02; done";
    const built = await build(`FROM busybox AS a\nENV T=a\nRUN ${loop}\nFROM busybox AS b\nENV T=b\nRUN ${loop}\nFROM scratch\nCOPY --from=a /bin/busybox /a\nCOPY --from=b /bin/busybox /b\n`);
    for (const name of ["a", "b"]) assert.match(built.text, new RegExp([1, 2, 3, 4, 5, 6, 7, 8].map((i) => `${name}${i}\n`).join("")));
    // Far more than waits in memory, from the one that is behind too.
    const flood = await build("FROM busybox AS a\nRUN sleep 0.3; seq 1 300000\nFROM busybox AS b\nRUN seq 300001 600000\nFROM scratch\nCOPY --from=a /etc/group /a\nCOPY --from=b /etc/group /b\n");
    assert.equal(flood.text.match(/^\d+$/gm)?.length, 600_000);
  });

  it("reads contexts that are compressed, and obeys .dockerignore", async () => {
    const files = { Dockerfile: "FROM busybox\nCOPY . /c\n", ".dockerignore": "*.log\n!keep.log\nsecret\n.dockerignore\n", "a.log": "", "keep.log": "", "secret/x": "", "in/a": "", "in/b.log": "" };
    const tar = await tarOf(files);
    const compressors: Record<string, (bytes: Buffer) => Buffer> = {
      plain: (b) => b, gzip: gzipSync, zstd: (b) => execFileSync("zstd", ["-cq"], { input: b }), xz: (b) => execFileSync("xz", ["-cq"], { input: b }), bzip2: (b) => execFileSync("bzip2", ["-c"], { input: b }),
    };
    for (const [name, compress] of Object.entries(compressors)) {
      const built = await build("", {}, { context: once(compress(tar)) });
      assert.deepEqual(await inside(built, "cd /c; find . -type f | sort"), ["./Dockerfile", "./in/a", "./in/b.log", "./keep.log"], name);
    }
    const own = await build("", {}, { dockerfile: "docker/My", context: once(await tarOf({ "docker/My": "FROM busybox\nCOPY . /c\n", "docker/My.dockerignore": "docker\nx\n", ".dockerignore": "y", x: "", y: "" })) });
    assert.deepEqual(await inside(own, "ls /c"), ["y"]);
  });

  it("reads a context that ends with its last file, unpadded, as docker build -f - sends it", async () => {
    const dockerfile = "FROM scratch\nCOPY Dockerfile /\n";
    const whole = await tarOf({ Dockerfile: dockerfile });
    assert.match((await build("", {}, { context: once(whole.subarray(0, 512 + dockerfile.length)) })).text, /Successfully built/);
    await assert.rejects(build("", {}, { context: once(whole.subarray(0, 512 + dockerfile.length - 1)) }), /ends in the middle of a file/);
  });
  it("holds no more names of a context in memory than it can, however long they are", async () => {
    const entry = (await tarOf({ ["n/".repeat(2000)]: { type: "directory" } })).subarray(0, -1024);
    const endless = async function* () { for (let i = 0; i < 1_000_000; i++) yield entry; };
    await fails(build("", {}, { context: endless() }), /the names of its entries have more than 128 MiB together/);
  });

  it("never touches anything outside of the context", async () => {
    const outside = mkdtempSync(join(tmpdir(), "skein-outside-"));
    try {
      const dockerfile = "FROM busybox\nCOPY . /c\n";
      for (const [entries, why] of [
        [{ "../evil": "x" }, /leads outside/], [{ "a/../../evil": "x" }, /leads outside/], [{ "l": { type: "symlink", linkname: outside }, "l/evil": "x" }, /lies below "l", which is a link/], [{ "h": { type: "link", linkname: "../../../../etc/passwd" } }, /hard link/],
        [{ "h": { type: "link", linkname: "/etc/passwd" } }, /hard link/], [{ "d": { type: "character-device", devmajor: 1, devminor: 3 } }, /is a device/], [{ "p": { type: "fifo" } }, /named pipe/],
      ] as const) await fails(build(dockerfile, entries as Record<string, Entry>), why);
      await fails(build("FROM busybox\nCOPY l/passwd /x\n", { l: { type: "symlink", linkname: "/etc" } }), /file does not exist/);
      await fails(build("FROM busybox\nCOPY l /x\n", { l: { type: "symlink", linkname: "../../../../../etc/passwd" } }), /file does not exist/);
      const absolute = await build("FROM busybox\nRUN ln -s /etc /out && ln -s /nowhere/deep /gone\nCOPY f /out/new\nCOPY f /gone/f\nCOPY . /c/\n", { "/abs": "inside", f: "f", loop: { type: "symlink", linkname: "loop" } });
      assert.deepEqual(await inside(absolute, "cat /etc/new; cat /nowhere/deep/f; cat /c/abs"), ["ffinside"]);
      assert.deepEqual([readdirSync(outside), existsSync("/etc/new"), existsSync("/nowhere")], [[], false, false]);
      for (const [dockerfileName, why] of [["../Dockerfile", /Forbidden path outside/], ["/etc/../../x", /Cannot locate/], ["none", /Cannot locate specified Dockerfile: none/], ["dir", /is a directory/]] as const) await fails(build("FROM busybox", { "dir/x": "" }, { dockerfile: dockerfileName }), why);
      await fails(build("", {}, { context: once(Buffer.from("this is no tar archive at all, but long enough to be read as a header, whatever it is".repeat(10))) }), /tar archive is not valid/);
      await fails(build("", {}, { context: once((await tarOf({ Dockerfile: "FROM busybox", big: Buffer.alloc(100_000) })).subarray(0, 60_000)) }), /ends (too early|in the middle)/);
    } finally { rmSync(outside, { recursive: true, force: true }); }
  });

  it("adds archives and downloads", async () => {
    const inner = await tarOf({ "app/": { type: "directory", mode: 0o700, uid: 33, gid: 33 }, "app/run": { content: "run", mode: 0o755, uid: 33 }, "app/hard": { type: "link", linkname: "app/run" }, "dev0": { type: "character-device", devmajor: 1, devminor: 3, mode: 0o666 }, "etc/mine": "m" });
    const body = Buffer.from("downloaded");
    const server: Server = createServer((request, response) => { if (request.url === "/x/file.bin") response.setHeader("last-modified", "Sun, 09 Sep 2001 01:46:40 GMT").end(body); else if (request.url === "/a.tar") response.end(inner); else response.writeHead(404).end(); });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const sum = createHash("sha256").update(body).digest("hex");
      const built = await build(`FROM busybox\nADD a.tar.gz /un/\nADD a.tar.xz /\nADD --unpack=false a.tar.gz /kept/\nADD plain.gz /kept/\nADD ${url}/x/file.bin /dl/\nADD --checksum=sha256:${sum} --chmod=644 ${url}/x/file.bin /named\nADD ${url}/a.tar /dl/\n`,
        { "a.tar.gz": gzipSync(inner), "a.tar.xz": execFileSync("xz", ["-cq"], { input: inner }), "plain.gz": gzipSync(Buffer.from("no archive, only text")) });
      assert.deepEqual(await inside(built, "stat -c '%n %a %u %h %F' /un/app /un/app/run /un/app/hard /un/dev0 /app/run /dl/file.bin /named; stat -c %Y /dl/file.bin; cat /etc/mine; ls /etc/passwd /kept /dl"), [
        "/un/app 700 33 2 directory", "/un/app/run 755 33 2 regular file", "/un/app/hard 755 33 2 regular file", "/un/dev0 666 0 1 character special file", "/app/run 755 33 2 regular file", "/dl/file.bin 600 0 1 regular file", "/named 644 0 1 regular file", "1000000000", "m/etc/passwd", "", "/dl:", "a.tar", "file.bin", "", "/kept:", "a.tar.gz", "plain.gz",
      ]);
      await fails(build(`FROM busybox\nADD --checksum=sha256:${"0".repeat(64)} ${url}/x/file.bin /x\n`), /digest mismatch/);
      await fails(build(`FROM busybox\nADD ${url}/none /x\n`), /answered 404/);
      await fails(build("FROM busybox\nADD https://example.invalid/x.git#main /x\n"), /git repository|Cannot download/);
      await fails(build("FROM busybox\nADD bad.tar /x/\n", { "bad.tar": await tarOf({ "../../evil": "x" }) }), /leads outside/);
      await fails(build("FROM busybox\nADD bad.tar /x/\n", { "bad.tar": await tarOf({ "h": { type: "link", linkname: "../etc/passwd" } }) }), /leads outside|hard link/);
      const through = await build("FROM busybox\nRUN mkdir /x && ln -s /etc /x/l\nADD links.tar /x/\n", { "links.tar": await tarOf({ "s": { type: "symlink", linkname: "/tmp" }, "l/in": "in" }) });
      assert.deepEqual([await inside(through, "cat /etc/in; readlink /x/s"), existsSync("/etc/in")], [["in/tmp"], false]);
    } finally { server.close(); }
  });

  it("lends caches, secrets, files and memory to a command, and leaves none of them in the image", async () => {
    const secret = `s3cret-${"x".repeat(20)}`;
    const dockerfile = `FROM busybox AS src
RUN mkdir /seed && echo seeded > /seed/s
FROM busybox
RUN --mount=type=cache,target=/cache,id=c echo "before: $(cat /cache/n 2>/dev/null)" && echo NUMBER >> /cache/n
RUN --mount=type=cache,target=/filled,from=src,source=/seed cat /filled/s
RUN --mount=type=secret,id=key,uid=33 --mount=type=secret,id=key,target=/t/k,mode=0444 --mount=type=secret,id=key,env=KEY stat -c '%a %u' /run/secrets/key && wc -c < /t/k && echo \${#KEY} && test "$KEY" = "$(cat /t/k)"
RUN --mount=type=secret,id=absent ls /run/secrets 2>&1 || true
RUN --mount=type=tmpfs,target=/mem,size=1m dd if=/dev/zero of=/mem/x bs=1M count=4 2>&1 | tail -1; grep -c ' /mem ' /proc/mounts
RUN --mount=target=/ctx cat /ctx/in/file && ! touch /ctx/new 2>/dev/null
RUN --mount=target=/ctx,rw echo changed > /ctx/in/file && echo written
RUN --network=none ls /sys/class/net
`;
    const first = await build(dockerfile.replace("NUMBER", "1"), { "in/file": "from the context\n" }, { secrets: { key: Buffer.from(secret) } });
    assert.match(first.text, /\nbefore: \n/);
    assert.match(first.text, /\nseeded\n/);
    assert.match(first.text, new RegExp(`\n400 33\n${secret.length}\n${secret.length}\n`));
    assert.match(first.text, /\nfrom the context\n/);
    const second = await build(dockerfile.replace("NUMBER", "2"), { "in/file": "from the context\n" }, { secrets: { key: Buffer.from(secret) } });
    assert.match(second.text, /\nbefore: 1\n/);
    assert.deepEqual(await inside(second, "ls -d /cache /filled /t /mem /ctx /run/secrets 2>/dev/null; ls /run"), []);
    await fails(build("FROM busybox\nRUN --mount=type=secret,id=need,required cat /run/secrets/need\n"), /secret need: not found/);
    // Nowhere: no layer, no history, no database, no log, no output.
    assert.ok(!first.text.includes(secret) && !second.text.includes(secret));
    const found = execFileSync("sh", ["-c", 'grep -rlF -- "$1" "$2" || true', "sh", secret, rig.directory], { encoding: "utf8" });
    assert.equal(found, "");
  });

  it("knows by what files are whether a step was done before", async () => {
    const dockerfile = "FROM busybox\nARG A\nRUN echo run\nCOPY f /f\nRUN echo after\n";
    const steps = ({ text }: Built) => [...text.matchAll(/^Step \d+\/\d+ : (\S+).*\n ---> (Using cache)?/gm)].map(([, name, cached]) => `${name}${cached ? "+" : ""}`).join(" ");
    await build(dockerfile, { f: "1" });
    assert.equal(steps(await build(dockerfile, { f: { content: "1", mtime: new Date() } })), "FROM ARG+ RUN+ COPY+ RUN+");
    assert.equal(steps(await build(dockerfile, { f: "2" })), "FROM ARG+ RUN+ COPY RUN");
    assert.equal(steps(await build(dockerfile, { f: { content: "1", mode: 0o755 } })), "FROM ARG+ RUN+ COPY RUN");
    assert.equal(steps(await build(dockerfile, { f: "1", other: "unused" })), "FROM ARG+ RUN+ COPY+ RUN+");
    assert.equal(steps(await build(dockerfile, { f: "1" }, { buildArgs: { A: "x" } })), "FROM ARG+ RUN COPY+ RUN");   // the other RUN changed nothing for COPY
    assert.equal(steps(await build(dockerfile, { f: "1" }, { noCache: true })), "FROM ARG RUN COPY RUN");
    // A stage that was built anew and holds the same files leads to the same.
    const stages = (n: number) => `FROM busybox AS s\nRUN echo same > /same; echo ${n} > /other\nFROM busybox\nCOPY --from=s /same /\nRUN cat /same\n`;
    const before = await build(stages(1));
    const after = await build(stages(2));
    assert.equal(steps(after), "FROM RUN FROM COPY RUN+".replace("FROM RUN FROM", steps(after).split(" ").slice(0, 3).join(" ")));
    assert.equal(after.id, before.id);
  });

  it("finds steps again after a restart, gives the space back when asked, and takes images as caches", async () => {
    const dockerfile = "FROM busybox\nRUN dd if=/dev/urandom of=/r bs=1k count=64 2>/dev/null\nENV A=1\nRUN echo b > /b\n";
    const built = await build(dockerfile);
    await rig.reopen();
    assert.equal((await build(dockerfile)).id, built.id);
    for (const image of await rig.engine().images.list()) if (!image.references.some((name) => /busybox/.test(name))) await rig.engine().images.remove(image.id, { force: true });
    assert.equal((await build(dockerfile, {}, { tags: ["kept:1"] })).id, built.id);
    // Steps of images that are there stay, unless all is asked for.
    const pruned = await rig.engine().pruneBuildCache({});
    assert.ok(pruned.deleted.length > 0);
    assert.equal((await build(dockerfile)).id, built.id);
    await rig.engine().pruneBuildCache({ isAll: true });
    const cold = await build(dockerfile);
    assert.doesNotMatch(cold.text, /Using cache/);
    await rig.engine().pruneBuildCache({ isAll: true });
    const from = await build(dockerfile, {}, { cacheFrom: ["kept:1", "not-here:1"] });
    assert.equal(from.id, built.id);
    assert.equal(from.text.match(/Using cache/g)?.length, 3);
    for (const image of await rig.engine().images.list()) if (!image.references.some((name) => /busybox/.test(name))) await rig.engine().images.remove(image.id, { force: true });
    const { freedBytes } = await rig.engine().pruneBuildCache({ isAll: true });
    assert.ok(freedBytes > 64 * 1024, String(freedBytes));
    assert.equal(readdirSync(join(rig.config.stateDir, "snapshots")).filter((name) => /^[0-9a-f]{64}$/.test(name)).length, 1);
  });

  it("that is cancelled ends its command at once and leaves nothing", async () => {
    const ending = new AbortController();
    let text = "";
    const began = build("FROM busybox\nRUN echo started; sleep 1000\n", {}, { signal: ending.signal, onOutput: (output) => { if (output.kind === "stream") text += output.text; } });
    began.catch(() => {});
    await waitFor("the command runs", () => text.includes("started"));
    ending.abort();
    await assert.rejects(began, (error: unknown) => codeOf(error) === "CANCELLED");
    const aborted = new AbortController();
    aborted.abort();
    await assert.rejects(build("FROM busybox\n", {}, { signal: aborted.signal }), (error: unknown) => codeOf(error) === "CANCELLED");
  });

  it("that a killed daemon left is cleared away by the next, and what it made is in the cache", async () => {
    const { stateDir, runDir, cgroupParent } = rig.config;
    await rig.engine().close();
    const tar = join(rig.directory, "context.tar");
    writeFileSync(tar, await tarOf({ Dockerfile: "FROM busybox\nRUN echo kept > /kept\nRUN --mount=type=secret,id=s --mount=from=busybox,target=/m echo started; sleep 1000\n", big: Buffer.alloc(200_000) }));
    const child = spawn(process.execPath, ["--import", "tsx", fileURLToPath(new URL("testdata/build-child.ts", import.meta.url)), stateDir, runDir, cgroupParent, rig.config.monitorPath, tar], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      let text = "";
      child.stdout.on("data", (part) => { text += String(part); });
      await waitFor("the second command runs", () => text.includes("started"), 60_000);
    } finally {
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("close", resolve));
      await rig.reopen();
    }
    const again = await build("FROM busybox\nRUN echo kept > /kept\n");
    assert.match(again.text, /Step 2\/2 : RUN echo kept > \/kept\n ---> Using cache/);
  });

  it("that fails in one stage ends the others", async () => {
    await fails(build("FROM busybox AS a\nRUN sleep 1000\nFROM busybox AS b\nRUN sleep 0.1; exit 4\nFROM busybox\nCOPY --from=a /etc/group /\nCOPY --from=b /etc/group /\n"), /returned a non-zero code: 4/);
  });

  it("discards what a command writes to a volume that was declared before, and keeps what is copied", async () => {
    const built = await build("FROM busybox\nRUN mkdir /v && echo old > /v/f\nVOLUME /v\nRUN echo new > /v/f && echo more > /v/g\nCOPY c /v/c\n", { c: "copied" });
    assert.deepEqual(await inside(built, "cd /v; ls; cat f"), ["c", "f", "old"]);
    assert.deepEqual(readdirSync(join(rig.config.stateDir, "volumes")).filter((name) => /^[0-9a-f]{64}$/.test(name)), []);
  });

  it("builds FROM scratch, and the same image twice at once", async () => {
    const scratch = await build("FROM scratch\nCOPY f /f\nCMD [\"/f\"]\n", { f: { content: "f", mode: 0o755 } });
    const details = await rig.engine().images.inspect(scratch.tag);
    assert.deepEqual([details.diffIds.length, (details.raw["rootfs"] as { type: string }).type], [1, "layers"]);
    const dockerfile = "FROM busybox\nRUN sleep 0.2; head -c 16 /dev/urandom > /r\n";
    const [one, two] = await Promise.all([build(dockerfile), build(dockerfile)]);
    assert.equal(one.id, two.id);
    assert.equal([one, two].filter(({ text }) => /Using cache/.test(text)).length, 1);
    const meta = await build("FROM busybox\n");
    assert.ok(statSync(join(rig.config.stateDir, "content", "sha256", meta.id.slice(7))).size > 0);
  });

  it("obeys limits of memory and size", async () => {
    await fails(build("FROM busybox\nRUN exec tail -c 200000000 /dev/zero\n", {}, { memoryBytes: 16 * 1024 * 1024 }), /non-zero code: 137|killed/);
    const built = await build("FROM busybox\nRUN df -k /dev/shm | awk 'NR==2 { print $2 }'; ulimit -n\n", {}, { shmSizeBytes: 8 * 1024 * 1024, ulimits: [{ name: "nofile", soft: 123, hard: 123 }] });
    assert.match(built.text, /\n8192\n123\n/);
    await fails(build(`FROM busybox\nRUN echo ${"x".repeat(200_000)}\n`), /Linux takes 131071 in one argument/);
    await fails(build("FROM busybox\n", {}, { squash: true }), /squash is not supported/);
  });
});
