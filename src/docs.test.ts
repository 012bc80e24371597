import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

function* files(directory: string): Generator<string> {
  for (const entry of readdirSync(join(root, directory), { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) { if (!["node_modules", "dist", "gen"].includes(entry.name)) yield* files(path); } else yield path;
  }
}

const pages = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", ...[...files("docs")].filter((path) => path.endsWith(".md"))];
const topFolders = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => name);
const quoted = (text: string): string[] => [...text.matchAll(/`([^`\n]+)`/g)].map((match) => match[1]!);
/** `src/store/store.ts`, `docs/decisions/`: what begins with a folder of this repository and has no pattern in it. */
const pathsIn = (text: string): string[] =>
  quoted(text).filter((word) => /^[\w.-]+(\/[\w.-]+)*\/?$/.test(word) && word.includes("/") && topFolders.includes(word.split("/")[0]!) && !/NNNN|\/x\//.test(word));

describe("pages", () => {
  for (const page of pages) {
    it(`${page} names files that are there`, () => {
      const text = read(page);
      assert.deepEqual(pathsIn(text).filter((path) => path.split("/")[0] !== "dist" && !existsSync(join(root, path))), []);
      const links = [...text.matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)].map((match) => join(dirname(page), match[1]!));
      assert.deepEqual(links.filter((path) => !existsSync(join(root, path))), []);
    });
  }

  it("the tour's names of functions and tests are in the files that it names beside them", () => {
    const missing: string[] = [];
    for (const section of read("docs/tour.md").split(/^## /m).slice(1)) {
      const named = pathsIn(section).filter((path) => /\.(ts|c)$/.test(path)).map(read).join("\n");
      const functions = quoted(section).filter((word) => /^[A-Za-z]*[a-z][A-Z]\w*(\.\w+)?$/.test(word)).flatMap((word) => word.split("."));
      const tests = [...section.slice(Math.max(0, section.indexOf("Break it"))).matchAll(/"([^"]+)"/g)].map((match) => match[1]!.replace(/ ?…$/, "").replace(/\s+/g, " "));
      for (const name of [...functions, ...tests]) if (section.includes("Break it") && !named.includes(name)) missing.push(`${section.split("\n")[0]}: ${name}`);
    }
    assert.deepEqual(missing, []);
  });

  it("every folder's index.ts says what the folder does", () => {
    const silent = [...files("src"), ...files("packages")].filter((path) => path.endsWith("/index.ts") && !read(path).startsWith("/**"));
    assert.deepEqual(silent.map((path) => relative(root, join(root, path))), []);
  });

  it("decisions are numbered without gaps, and each says what was decided", () => {
    const decisions = readdirSync(join(root, "docs/decisions")).sort();
    assert.deepEqual(decisions.map((name) => Number(name.slice(0, 4))), decisions.map((_, i) => i + 1));
    for (const name of decisions) assert.match(read(`docs/decisions/${name}`), new RegExp(`^# ${Number(name.slice(0, 4))}\\. .+\\n\\nStatus: `), name);
  });
});
