// Builds everything: message types from proto/ into src/gen/, raft-ts, then the rest into dist/, and the container monitor.
// Plain JavaScript because nothing is compiled yet when it runs. Each step is skipped when its inputs are older than its output.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync, cpSync } from "node:fs";
import { join, dirname } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const bin = (name) => join(root, "node_modules/.bin", name);

/** A step that fails has said why: the build ends with its exit code and no stack of its own. */
function run(command, args) {
  try {
    execFileSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  } catch (error) {
    process.stderr.write(`scripts/build.mjs: "${command.replace(`${root}/`, "")} ${args.slice(0, 2).join(" ")}" failed\n`);
    process.exit(error.status ?? 1);
  }
}

/** Newest modification time below `path`, in milliseconds; 0 if it is not there. */
function newest(path, matches = () => true) {
  if (!existsSync(path)) return 0;
  const stat = statSync(path);
  if (!stat.isDirectory()) return matches(path) ? stat.mtimeMs : 0;
  return Math.max(0, ...readdirSync(path).filter((n) => n !== "node_modules" && n !== "dist").map((n) => newest(join(path, n), matches)));
}

const protoDir = join(root, "proto");
const gen = join(root, "src/gen");
if (newest(protoDir) > newest(join(gen, "swarm"))) {
  rmSync(gen, { recursive: true, force: true });
  mkdirSync(gen, { recursive: true });
  const files = readdirSync(join(protoDir, "swarm/v1")).map((name) => `swarm/v1/${name}`);
  run(bin("proto-loader-gen-types"), [
    "--longs=Number", "--enums=String", "--defaults", "--oneofs", "--arrays", "--objects", "--inputTemplate=%s__Input", "--outputTemplate=%s",
    "--grpcLib=@grpc/grpc-js", "--importFileExtension=.js", "--targetFileExtension=.ts",
    `--includeDirs=${protoDir}`, `--outDir=${gen}`, ...files,
  ]);
  // 64-bit integers are plain numbers here (exact to 2^53); without the import of Long the object types stay free of any library.
  for (const name of readdirSync(join(gen, "swarm/v1"))) {
    const path = join(gen, "swarm/v1", name);
    const text = readFileSync(path, "utf8").replace(/^import type \{ Long \}.*\n/m, "").replaceAll(" | string | Long", "").replace(/^\/\/ Original file: .*\/proto\//, "// Generated from proto/");
    writeFileSync(path, text);
  }
}
// The container monitor: a small static C program, so that it needs nothing of the host or of an image.
const monitorSource = join(root, "src/engine/monitor");
const monitor = join(root, "dist/engine/skein-monitor");
if (newest(monitorSource, (path) => /\.[ch]$/.test(path)) > newest(monitor)) {
  mkdirSync(dirname(monitor), { recursive: true });
  const sources = readdirSync(monitorSource).filter((name) => name.endsWith(".c")).map((name) => join(monitorSource, name));
  try {
    // Built aside and renamed: a running container's monitor keeps its old file.
    run("gcc", ["-O2", "-Wall", "-Wextra", "-static", "-s", "-o", `${monitor}.new`, ...sources]);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
    console.error("Cannot build the container monitor: gcc is not installed; install it with: apt-get install gcc libc6-dev");
    process.exit(1);
  }
  renameSync(`${monitor}.new`, monitor);
}

run(bin("tsc"), ["-p", "packages/raft-ts"]);
// Its simulator, mutations and examples run from their sources: here their types are checked.
run(bin("tsc"), ["-p", "packages/raft-ts/tsconfig.beside.json"]);
run(bin("tsc"), ["-p", "."]);
cpSync(join(root, "packages/raft-ts/proto"), join(root, "packages/raft-ts/dist/proto"), { recursive: true, force: true, errorOnExist: false });
