import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { messageOf } from "../../../lib/index.js";
import { parseDockerfile } from "./dockerfile.js";
import type { Command, Instruction } from "./instructions.js";
import type { Heredoc } from "./lines.js";
import { planBuild } from "./plan.js";
import { parseMount } from "./mount-flag.js";
import { planPrune } from "./prune.js";
import { expandText, expandWord, expandWords } from "./shell-words.js";

const file = new URL("../testdata/parse.txt", import.meta.url);

describe("engine: build: Dockerfiles", () => {
  const [head = "", ...cases] = readFileSync(file, "utf8").split(/^---\n/m);
  const answers = cases.map((text) => {
    const [source = "", expected = ""] = text.split(/^===>\n/m);
    const got = `${trace(source.replace(/\n$/, ""))}\n`;
    it(`are read: ${JSON.stringify(source.slice(0, 60))}`, () => assert.equal(got, expected));
    return `${source}===>\n${got}`;
  });
  // UPDATE=1 writes what is read now; the difference is to be looked at.
  if (process.env["UPDATE"]) writeFileSync(file, [head, ...answers].join("---\n"));

  it("with empty lines and comments after a continuation are read to their end", () => {
    const { stages, warnings } = parseDockerfile("FROM a\nRUN one \\\n\n\n# why\n  two\nRUN three \\\n\n\n");
    assert.deepEqual([stages[0]!.instructions.map(({ text }) => text), warnings.length], [["RUN one   two", "RUN three"], 2]);
  });

  it("with lines of a megabyte are read or refused, and take no time for it", () => {
    assert.equal(parseDockerfile(`FROM a\nRUN echo ${"x".repeat(900_000)}`).stages[0]!.instructions.length, 1);
    assert.throws(() => parseDockerfile(`FROM a\nRUN ${"xxx\\\n".repeat(700_000)}x`), /line 2.*longer than 1048576/);
    assert.throws(() => parseDockerfile(`FROM a\nRUN ${"y ".repeat(3_000_000)}`), /characters; \d+ are allowed/);
    assert.throws(() => parseDockerfile(`FROM a\nRUN ${"--mount=type=cache,target=/x ".repeat(30_000)}true`), /line 2.*more than 1000 flags --mount/);
    assert.throws(() => parseDockerfile("FROM a\nRUN a\0b"), /line 2: the file holds a zero byte/);
    assert.throws(() => parseDockerfile(`FROM a\n${"RUN x\n".repeat(10_001)}`), /more than 10000 instructions/);
  });

  it("of any pieces are read or refused with a line", () => {
    const pieces = ["FROM a\n", "FROM a AS b\n", "RUN ", "COPY --from=b ", "ENV a=b ", "ARG x", "ONBUILD ", "HEALTHCHECK ", "CMD ", '["a",', '"b"]', "\\\n", "\n", "\n\n", "  \n", "# c\n", "#escape=`\n", "<<EOF\n", "<<-'E F' ", "EOF\n", "\tEOF\n", "'", '"', "${a:-", "${a#*", "}", "`", "\\", "\r\n", " ", "--mount=type=cache,", "\0", "é", "=", "--", "EXPOSE 1-", "LABEL a=\"", "NONE"];
    let state = 1;   // a linear congruential generator: the same files each time
    const below = (count: number) => { state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0; return Math.floor((state / 2 ** 32) * count); };
    for (let i = 0; i < 5_000; i++) {
      const source = (below(10) < 7 ? "FROM a\n" : "") + Array.from({ length: below(14) }, () => pieces[below(pieces.length)]!).join("");
      try { parseDockerfile(source); } catch (error) { assert.match(messageOf(error), /parse error on line \d+: ./, `${JSON.stringify(source)}: ${(error as Error).stack}`); }
    }
  });
});

function trace(source: string): string {
  try {
    const { syntax, metaArgs, stages, warnings } = parseDockerfile(source);
    return [
      ...warnings, ...(syntax ? [`syntax ${syntax}`] : []), ...metaArgs.map(show),
      ...stages.flatMap(({ from, instructions }) => [`${from.line} FROM ${from.image}${from.alias ? ` as ${from.alias}` : ""}${from.platform ? ` on ${from.platform}` : ""}`, ...instructions.map(show)]),
    ].join("\n");
  } catch (error) { return messageOf(error); }
}

function show(instruction: Instruction): string {
  const { line, kind } = instruction;
  const command = (c: Command) => (c.form === "shell" ? `shell ${JSON.stringify(c.line)}` : `exec ${JSON.stringify(c.argv)}`);
  const heredocs = (all: readonly Heredoc[]) => (all.length === 0 ? "" : ` heredocs ${all.map((h) => `${h.name}(${h.isExpanded ? "expanded " : ""}${h.isChomped ? "chomped " : ""}${JSON.stringify(h.content)})`).join(" ")}`);
  const rest = ((): string => {
    switch (instruction.kind) {
      case "run": return `${command(instruction.command)}${heredocs(instruction.heredocs)}${instruction.mounts.length > 0 ? ` mounts ${instruction.mounts.join(" ")}` : ""}${instruction.network === "default" ? "" : ` network ${instruction.network}`}`;
      case "cmd": case "entrypoint": return command(instruction.command);
      case "copy": case "add": return `${instruction.sources.join(" ")} -> ${instruction.target}${(["from", "chown", "chmod"] as const).map((key) => (instruction[key] ? ` ${key} ${instruction[key]}` : "")).join("")}${heredocs(instruction.heredocs)}`;
      case "env": case "label": return instruction.pairs.map((pair) => pair.join("=")).join(" ");
      case "arg": return instruction.args.map(({ name, value }) => (value === undefined ? name : `${name}=${value}`)).join(" ");
      case "expose": case "volume": return instruction.items.join("|");
      case "onbuild": return JSON.stringify(instruction.trigger);
      case "healthcheck": return `${instruction.health.test.join("|")} every ${instruction.health.intervalMs} start ${instruction.health.startIntervalMs} retries ${instruction.health.retries}`;
      case "shell": return instruction.argv.join("|");
      default: return instruction.value;
    }
  })();
  return `${line} ${kind} ${rest}`;
}

describe("engine: build: variables", () => {
  const variables = new Map([["a", "one"], ["empty", ""], ["path", "/usr/local/bin"], ["words", "x y"], ["v", "1.2.3"]]);
  const options = { variables, escape: "\\" };
  for (const [text, expected] of [
    ["$a", "one"], ["${a}b", "oneb"], ["$ab", ""], ["$missing", ""], ["${missing:-def}", "def"], ["${empty:-def}", "def"], ["${empty-def}", ""], ["${a:+set}", "set"], ["${missing:+set}", ""], ["${empty+set}", "set"],
    ["${a:?no}", "one"], ["\\$a", "$a"], ["'$a'", "$a"], ['"$a b"', "one b"], ['"\\$a"', "$a"], ["a\\ b", "a b"], ["${path#*/}", "usr/local/bin"], ["${path##*/}", "bin"], ["${path%/*}", "/usr/local"], ["${path%%/*}", ""],
    ["${v%.*}", "1.2"], ["${v%%.*}", "1"], ["${v#?.}", "2.3"], ["${v/./-}", "1-2.3"], ["${v//./-}", "1-2-3"], ["${missing:-${a}}", "one"], ["${missing:-'q'}", "q"], ["$", "$"], ["a$", "a$"], ["$-", "$-"], ["\"it's\"", "it's"], ["a\\\\b", "a\\b"], ["${words}", "x y"],
  ] as const) it(`${text} is ${JSON.stringify(expected)}`, () => assert.equal(expandWord(text, options), expected));

  for (const [text, why] of [["${a", /closing \}/], ["${}", /names no variable/], ["${a!b}", /unsupported modifier/], ["'open", /single-quote/], ['"open', /double-quote/], ["${missing:?is needed}", /is needed/], ["${".repeat(200), /bad substitution|nested/], [`${"${a:-".repeat(200)}x${"}".repeat(200)}`, /nested/]] as const) {
    it(`${JSON.stringify(text.slice(0, 30))} is refused`, () => assert.throws(() => expandWord(text, options), why));
  }
  it("that hold spaces make several ports, but one word in quotes", () => assert.deepEqual([expandWords("80 $words z", options), expandWords('"$words" z', options)], [["80", "x", "y", "z"], ["x y", "z"]]));
  it("in a heredoc leave quotes alone", () => assert.equal(expandText("'$a' \"$a\" \\$a \\n ${missing:-d}", options), "'one' \"one\" $a \\n d"));
  it("with hostile patterns end", () => assert.equal(expandWord(`\${big##${"*a".repeat(60)}b}`, { variables: new Map([["big", "a".repeat(5_000)]]), escape: "\\" }).length, 5_000));
});

describe("engine: build: the plan", () => {
  const plan = (text: string, target?: string) => { const dockerfile = parseDockerfile(text); return planBuild(dockerfile, dockerfile.stages.map(({ from }) => from.image), target); };
  const three = "FROM x AS a\nRUN 1\nFROM x AS b\nRUN 2\nFROM x AS c\nCOPY --from=a / /\n";
  it("has only the stages that the target needs, counted in the file's order", () => {
    const { needed, steps, firstStep } = plan(three);
    assert.deepEqual([needed, steps, [...firstStep]], [[0, 2], 4, [[0, 1], [2, 3]]]);
    assert.deepEqual(plan(three, "B").needed, [1]);
    assert.deepEqual(plan(three, "0").needed, [0]);
    assert.deepEqual(plan("FROM x\nFROM x AS m\nFROM x\nRUN --mount=from=0,target=/y --mount=type=cache,target=/c,from=m z").needed, [0, 1, 2]);
  });
  it("goes round in no circle: a stage sees earlier ones only", () => {
    assert.deepEqual(plan("FROM b AS a\nFROM a AS b").needed, [0, 1]);   // the first b is an image
    assert.throws(() => plan("FROM x AS a\nCOPY --from=b / /\nFROM a AS b\nCOPY --from=a / /"), /comes later in the Dockerfile/);
    assert.throws(() => plan("FROM x AS a\nCOPY --from=a / /"), /refers to current build stage/);
    assert.throws(() => plan("FROM x\nCOPY --from=0 / /"), /cannot copy from itself/);
    assert.throws(() => plan("FROM x\nCOPY --from=7 / /"), /invalid from flag value 7/);
  });
  it("says which targets there are", () => {
    assert.throws(() => plan(three, "d1"), /target stage "d1" could not be found/);
    assert.throws(() => plan("FROM x AS builder", "bulider"), /did you mean builder\?/);
  });
});

describe("engine: build: mounts", () => {
  it("have Docker's fields and defaults", () => {
    const secret = parseMount("type=secret,id=key,required,mode=0444,uid=5", 1);
    assert.deepEqual([secret.target, secret.isRequired, secret.mode, secret.uid], ["/run/secrets/key", true, 0o444, 5]);
    const bind = parseMount("target=/x,from=a,src=/y", 1);
    assert.deepEqual([bind.type, bind.isReadOnly, bind.source, bind.from], ["bind", true, "/y", "a"]);
    const cache = parseMount('"type=cache","target=/a,b",sharing=locked', 1);
    assert.deepEqual([cache.id, cache.target, cache.sharing, cache.isReadOnly], ["/a,b", "/a,b", "locked", false]);
    assert.equal(parseMount("type=tmpfs,target=/t,size=64m", 1).sizeBytes, 64 * 1024 * 1024);
  });
  for (const [text, why] of [
    ["type=ssh", /ssh mounts are not supported/], ["type=cahce,target=/x", /unsupported mount type "cahce" \(did you mean cache\?\)/], ["type=cache", /needs a target/], ["type=bind,target=/x,sharing=locked", /unexpected key 'sharing'/], ["type=cache,target=/x,sharing=no", /unsupported sharing/],
    ["type=secret", /needs an id/], ["type=cache,target=/x,mode=9", /invalid value for mode/], ["type=bind,target=/", /cannot be the root/], ["type=constructor,target=/x", /unsupported mount type/],
  ] as const) it(`${text} is refused`, () => assert.throws(() => parseMount(text, 4), (error: Error) => why.test(error.message) && /line 4/.test(error.message)));
});

describe("engine: build: pruning", () => {
  const entry = (key: string, lastUsedAtMs: number, count: number, isNeeded = false, of = key) => ({ key, bytes: { of, count }, lastUsedAtMs, isNeeded });
  it("takes the longest unused until what is left fits", () => {
    assert.deepEqual(planPrune([entry("b", 2, 10), entry("a", 1, 10), entry("c", 3, 10)], { keepBytes: 15 }), { keys: ["a", "b"], freedBytes: 20 });
    assert.deepEqual(planPrune([entry("a", 1, 10), entry("b", 5, 10)], { untilMs: 3 }), { keys: ["a"], freedBytes: 10 });
  });
  it("leaves what is needed, unless all is to go, and frees shared bytes with their last", () => {
    assert.deepEqual(planPrune([entry("a", 1, 10, true), entry("b", 2, 5)], {}), { keys: ["b"], freedBytes: 5 });
    assert.deepEqual(planPrune([entry("a", 1, 10, true, "x"), entry("b", 2, 10, false, "x")], {}), { keys: ["b"], freedBytes: 0 });
    assert.deepEqual(planPrune([entry("a", 1, 10, true, "x"), entry("b", 2, 10, false, "x")], { isAll: true }), { keys: ["a", "b"], freedBytes: 10 });
  });
});
