/**
 * build: a Dockerfile of 20 steps in three stages over a context of 2,000 files, cold and fully cached, from the request to the tagged image.
 *
 *   npm run bench -- build
 *   npm run bench -- build --peer docker      # and the classic builder of Debian's dockerd on the same context
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { openEngine, type Engine } from "../src/engine/index.js";
import { silentLogger, systemClock } from "../src/lib/index.js";
import { packageRoot } from "../src/rpc/index.js";
import { busyboxImage, dockerSave } from "../scripts/base-images.js";
import { openDockerEngine } from "./docker-engine.js";
import { removeControlGroups } from "./skein-engine.js";
import { median, note, report } from "./report.js";

const rounds = 5;
const directories = 40;
const filesInEach = 50;

const dockerfile = `FROM busybox AS tools
RUN mkdir -p /tools && for i in 1 2 3 4; do echo $i > /tools/$i; done
RUN seq 1 20000 > /tools/numbers
ENV KIND=tools
FROM busybox AS compiled
WORKDIR /src
COPY src /src
RUN find /src -type f | sort > /files
RUN cat /src/d1/* > /bundle
RUN wc -l /files /bundle
FROM busybox
LABEL bench=build
ENV A=1 B=2
WORKDIR /app
COPY package /app/
COPY --from=tools /tools /tools
COPY --from=compiled /bundle /files /app/
RUN ls /app /tools > /listing
EXPOSE 8080
CMD ["cat", "/listing"]
`;

function makeContext(directory: string): void {
  for (let d = 0; d < directories; d++) {
    const at = join(directory, "src", `d${d}`);
    mkdirSync(at, { recursive: true });
    for (let f = 0; f < filesInEach; f++) writeFileSync(join(at, `f${f}.txt`), `${`${d} ${f} some text of a source file\n`.repeat(60 + f)}`);
  }
  mkdirSync(join(directory, "package"));
  writeFileSync(join(directory, "package", "package.json"), "{}\n");
  writeFileSync(join(directory, "Dockerfile"), dockerfile);
}

/** The context as a client sends it: packed anew for each build, as docker's client does. */
async function* contextOf(directory: string): AsyncGenerator<Uint8Array> {
  const tar = spawn("tar", ["--create", "--file=-", `--directory=${directory}`, "."], { stdio: ["ignore", "pipe", "inherit"] });
  yield* tar.stdout as AsyncIterable<Buffer>;
}

async function ownBuild(engine: Engine, context: string, noCache: boolean): Promise<number> {
  const began = performance.now();
  await engine.build({ context: contextOf(context), dockerfile: "Dockerfile", tags: ["bench-build:latest"], buildArgs: {}, labels: {}, cacheFrom: [], networkMode: "none", noCache, onOutput: () => {}, signal: new AbortController().signal });
  return performance.now() - began;
}

async function several(build: () => Promise<number>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) times.push(await build());
  note(`  ${times.map((ms) => Math.round(ms)).join(", ")} ms`);
  return median(times);
}

const work = mkdtempSync(join(tmpdir(), "skein-bench-build-"));
try {
  const context = join(work, "context");
  makeContext(context);
  const monitorPath = join(packageRoot(dirname(fileURLToPath(import.meta.url))), "dist/engine/skein-monitor");
  const engine = await openEngine({ stateDir: join(work, "state"), runDir: join(work, "run"), cgroupParent: "/skein-bench-build", log: silentLogger, clock: systemClock, monitorPath });
  const own = { cold: 0, cached: 0 };
  try {
    await engine.images.load(dockerSave(await busyboxImage()));
    note("cold");
    own.cold = await several(() => ownBuild(engine, context, true));
    note("cached");
    own.cached = await several(() => ownBuild(engine, context, false));
  } finally { await engine.close(); }

  const peer: { cold?: number; cached?: number } = {};
  if (process.argv.includes("--peer") && process.argv[process.argv.indexOf("--peer") + 1] === "docker") {
    const docker = await openDockerEngine();
    try {
      const image = join(work, "busybox.tar");
      const parts: Uint8Array[] = [];
      for await (const part of dockerSave(await busyboxImage())) parts.push(part);
      writeFileSync(image, Buffer.concat(parts));
      await docker.docker(["load", "--input", image]);
      // Through the API as the engine is asked, and not through the client, whose start is not the builder's.
      const build = async (noCache: boolean): Promise<number> => {
        const began = performance.now();
        await postBuild(docker.socket, contextOf(context), noCache);
        return performance.now() - began;
      };
      note("docker: cold");
      peer.cold = await several(() => build(true));
      note("docker: cached");
      peer.cached = await several(() => build(false));
    } finally { await docker.down(); }
  }
  for (const name of ["cold", "cached"] as const) {
    report({ bench: "build", case: `${name}, 20 steps, 3 stages, ${directories * filesInEach} files`, metric: `request to tagged image, median of ${rounds}`, value: own[name], unit: "ms", ...(peer[name] === undefined ? {} : { peer: "docker", peerValue: peer[name] }) });
  }
} finally {
  rmSync(work, { recursive: true, force: true });
  removeControlGroups("/skein-bench-build");
}

async function postBuild(socket: string, context: AsyncIterable<Uint8Array>, noCache: boolean): Promise<void> {
  const text = await new Promise<string>((resolve, reject) => {
    const asked = request({ socketPath: socket, method: "POST", path: `/v1.41/build?t=bench-build:latest&rm=1&networkmode=none${noCache ? "&nocache=1" : ""}`, headers: { "content-type": "application/x-tar" } }, (answer) => {
      let body = "";
      answer.setEncoding("utf8").on("data", (part: string) => { body += part; }).on("end", () => resolve(body)).on("error", reject);
    });
    asked.on("error", reject);
    Readable.from(context).pipe(asked);
  });
  if (!/Successfully tagged/.test(text)) throw new Error(`docker's build failed: ${text.slice(-500)}`);
}
