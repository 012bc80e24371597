import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Levels of ARCHITECTURE.md: a folder imports lower levels only. */
const levels: Record<string, number> = {
  "src/gen": 0, "src/lib": 0, "src/model": 1, "src/ca": 2, "src/linux": 2, "src/rpc": 3, "src/store": 4, "src/overlay": 4,
  "src/scheduler": 5, "src/manager/orchestrator": 5, "src/manager/allocator": 5, "src/manager/dispatcher": 5, "src/manager/control-api": 5,
  "src/manager/ca-server": 5, "src/manager/log-broker": 5, "src/engine": 5, "src/manager": 6, "src/agent": 6, "src/lab": 7, "src/gateway": 7, "src/cli": 8, "src/daemon": 9,
};
const folderOf = (path: string): string | undefined =>
  Object.keys(levels).filter((folder) => path.startsWith(`${folder}/`)).sort((a, b) => b.length - a.length)[0];

function* sources(directory: string): Generator<string> {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) { if (entry.name !== "gen") yield* sources(path); }
    else if (entry.name.endsWith(".ts")) yield path;
  }
}

interface Import { readonly from: string; readonly to: string; readonly isType: boolean }
const imports: Import[] = [];
for (const file of sources(join(root, "src"))) {
  for (const match of readFileSync(file, "utf8").matchAll(/^(?:import|export)\s+(type\s)?[^;]*?from\s+"([^"]+)"/gms)) {
    const target = match[2]!;
    imports.push({ from: relative(root, file), to: target.startsWith(".") ? relative(root, resolve(dirname(file), target)).replace(/\.js$/, ".ts") : target, isType: Boolean(match[1]) });
  }
}
const isTest = (path: string) => path.endsWith(".test.ts") || path.endsWith("/testing.ts") || path.includes("/testing/") || path.includes("/testdata/");

describe("architecture", () => {
  it("a folder imports lower levels only", () => {
    const upward = imports.filter(({ from, to }) => {
      const [a, b] = [folderOf(from), folderOf(to)];
      return a && b && a !== b && !isTest(from) && levels[b]! >= levels[a]!;
    });
    assert.deepEqual(upward.map(({ from, to }) => `${from} → ${to}`), []);
  });

  it("other folders import a folder's index.ts only", () => {
    const inside = imports.filter(({ from, to }) => {
      const [a, b] = [folderOf(from), folderOf(to)];
      return a && b && a !== b && b !== "src/gen" && !isTest(from) && !to.endsWith("/index.ts");
    });
    assert.deepEqual(inside.map(({ from, to }) => `${from} → ${to}`), []);
  });

  it("core folders and the model import only lib, model and themselves", () => {
    const impure = imports.filter(({ from, to }) => {
      const core = /^(.*\/core)\//.exec(from)?.[1] ?? (from.startsWith("src/model/") ? "src/model" : undefined);
      return core && !isTest(from) && !to.startsWith(`${core}/`) && !to.startsWith("src/lib/") && !to.startsWith("src/model/") && !to.startsWith("src/gen/");
    });
    assert.deepEqual(impure.map(({ from, to }) => `${from} → ${to}`), []);
  });

  it("core folders read no clock and draw no random number", () => {
    const impure = [...sources(join(root, "src")), ...sources(join(root, "packages/raft-ts/src"))]
      .filter((path) => path.includes("/core/") && !isTest(path))
      .filter((path) => /\bDate\.now\(|\bMath\.random\(|\bsetTimeout\(|\bperformance\.now\(|\bprocess\./.test(readFileSync(path, "utf8")));
    assert.deepEqual(impure.map((path) => relative(root, path)), []);
  });

  it("ARCHITECTURE.md shows the same levels, and a place in the tree for every folder", () => {
    const page = readFileSync(join(root, "ARCHITECTURE.md"), "utf8");
    const rows = /## Who may import whom[\s\S]*?```\n([\s\S]*?)```/.exec(page)![1]!.matchAll(/^(\d) +([^#\n]*)/gm);
    const shown = [...rows].flatMap((row) => row[2]!.trim().split(/\s+/).map((name) => `${row[1]} ${name}`)).filter((name) => name !== "2 raft-ts");
    assert.deepEqual(shown.sort(), Object.entries(levels).map(([folder, level]) => `${level} ${folder.replace(/^src\/(manager\/)?/, "")}`).sort());
    const tree = /## The tree[\s\S]*?```\n([\s\S]*?)```/.exec(page)![1]!;
    const inTree = [...tree.matchAll(/^( *)([\w-]+)\/(?: |$)/gm)].map(([, indent, name]) => `${["", "src/", "src/manager/"][indent!.length / 2]}${name}`);
    const folders = readdirSync(join(root, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => `src/${name}`);
    assert.deepEqual([...folders, ...Object.keys(levels)].filter((folder) => folder !== "src/gen" && !inTree.includes(folder)), []);
  });

  it("nothing imports the daemon", () => {
    assert.deepEqual(imports.filter(({ from, to }) => to.startsWith("src/daemon/") && !from.startsWith("src/daemon/")), []);
  });
});
