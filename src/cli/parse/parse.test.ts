import assert from "node:assert/strict";
import { parseDuration } from "./duration.js";
import { envFileLines, parseEnv } from "./env.js";
import { choose, parseKeyValue, parseLabel } from "./key-value.js";
import { parseMount } from "./mount.js";
import { parseNetwork } from "./network.js";
import { parseCount, parseCpus } from "./number.js";
import { parsePointInTime } from "./point-in-time.js";
import { parsePublish } from "./publish.js";
import { parseShellWords } from "./shell-words.js";
import { parseSize } from "./size.js";
import { editDistance, suggestion } from "./suggest.js";

/** Every refusal is bad usage, one sentence, and shows what was given. */
function refuses(parse: () => unknown, ...parts: (string | RegExp)[]) {
  assert.throws(parse, (error: Error & { code?: string }) => {
    assert.equal(error.code, "INVALID_ARGUMENT");
    for (const part of parts) assert.match(error.message, part instanceof RegExp ? part : new RegExp(part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")));
    assert.ok(!error.message.includes("\n"));
    return true;
  });
}

describe("cli: sizes", () => {
  it("are powers of 1024 with one letter, a fraction, or none", () => {
    const cases: [string, number][] = [["512m", 512 << 20], ["1.5g", 1.5 * 2 ** 30], ["64KiB", 65_536], ["1048576", 1_048_576], ["10kb", 10_240], ["2T", 2 ** 41], ["0", 0], ["7b", 7]];
    for (const [text, bytes] of cases) assert.equal(parseSize(text, "--x"), bytes, text);
  });
  it("that are words, negative or endless are refused with the flag's name", () => {
    for (const text of ["lots", "-1m", "", "1.2.3g", "12q", "0x10", "1e9"]) refuses(() => parseSize(text, "--limit-memory"), "--limit-memory", "512m");
    refuses(() => parseSize("99999999t", "--limit-memory"), "larger than any machine");
  });
});

describe("cli: durations", () => {
  it("add up their parts", () => {
    const cases: [string, number][] = [["10s", 10_000], ["1m30s", 90_000], ["500ms", 500], ["1.5h", 5_400_000], ["0", 0], ["2d", 172_800_000], ["0s", 0]];
    for (const [text, ms] of cases) assert.equal(parseDuration(text, "--x"), ms, text);
  });
  it("say what is wrong", () => {
    refuses(() => parseDuration("10", "--restart-delay"), "unit is missing", "--restart-delay");
    refuses(() => parseDuration("-5s", "--x"), "cannot be negative");
    for (const text of ["soon", "", "10s5", "s"]) refuses(() => parseDuration(text, "--x"), "10s");
  });
});

describe("cli: numbers", () => {
  it("of replicas are whole and not negative", () => {
    assert.equal(parseCount("0", "--replicas"), 0);
    assert.equal(parseCount("50", "--replicas"), 50);
    for (const text of ["-1", "1.5", "many", "", "4294967296", "1e3"]) refuses(() => parseCount(text, "--replicas"), "--replicas", "whole number");
    refuses(() => parseCount("4294967296", "--replicas"), "from 0 to 4294967295");
    refuses(() => parseCount("70000", "--data-port", { min: 1, max: 65_535 }), "from 1 to 65535");
  });
  it("of cores may be fractions", () => {
    for (const [text, millis] of [["0.5", 500], ["2", 2_000], ["250m", 250], ["0", 0], ["0.001", 1]] as const) assert.equal(parseCpus(text, "--x"), millis);
    for (const text of ["half", "-1", "0.0001", "", "1,5"]) refuses(() => parseCpus(text, "--limit-cpu"), "--limit-cpu");
  });
});

describe("cli: published ports", () => {
  const port = (publishedPort: number, targetPort: number, protocol: "TCP" | "UDP" = "TCP", mode: "INGRESS" | "HOST" = "INGRESS") => ({ publishedPort, targetPort, protocol, mode });
  it("read the short form", () => {
    assert.deepEqual(parsePublish("8080:80"), [port(8080, 80)]);
    assert.deepEqual(parsePublish("5353:53/udp"), [port(5353, 53, "UDP")]);
    assert.deepEqual(parsePublish("80"), [port(0, 80)]);
    assert.deepEqual(parsePublish("8080-8081:80-81"), [port(8080, 80), port(8081, 81)]);
  });
  it("read the long form", () => {
    assert.deepEqual(parsePublish("mode=host,target=80,published=8080,protocol=udp"), [port(8080, 80, "UDP", "HOST")]);
    assert.deepEqual(parsePublish("target=80"), [port(0, 80)]);
  });
  it("refuse what is no port", () => {
    refuses(() => parsePublish("0:80"), "1 to 65535");
    refuses(() => parsePublish("70000:80"), '"70000" is not a port');
    refuses(() => parsePublish("a:b:c"), "8080:80");
    refuses(() => parsePublish("80:80/sctp"), "tcp or udp");
    refuses(() => parsePublish("8080-8082:80-81"), "same length");
    refuses(() => parsePublish("published=80"), "target");
    refuses(() => parsePublish("target=80,publish=8080"), 'did you mean "published"');
    refuses(() => parsePublish("target=80,mode=global"), "ingress or host");
  });
});

describe("cli: mounts", () => {
  const nothing = { readOnly: false, propagation: "", noCopy: false, tmpfsSizeBytes: 0, tmpfsMode: 0, volumeLabels: {} };
  it("read the four types, with their synonyms", () => {
    assert.deepEqual(parseMount("type=bind,source=/srv,target=/data,readonly"), { ...nothing, type: "BIND", source: "/srv", target: "/data", readOnly: true });
    assert.deepEqual(parseMount("src=data,dst=/data"), { ...nothing, type: "VOLUME", source: "data", target: "/data" });
    assert.deepEqual(parseMount("type=tmpfs,target=/tmp,tmpfs-size=64m,tmpfs-mode=1777"), { ...nothing, type: "TMPFS", source: "", target: "/tmp", tmpfsSizeBytes: 64 << 20, tmpfsMode: 0o1777 });
    assert.deepEqual(parseMount("type=cluster,source=group:pg,target=/data,volume-nocopy"), { ...nothing, type: "CLUSTER", source: "group:pg", target: "/data", noCopy: true });
    assert.deepEqual(parseMount('type=bind,"source=/a,b",target=/c').source, "/a,b");
  });
  it("refuse what cannot be mounted", () => {
    refuses(() => parseMount("type=bind,source=rel,target=/x"), "absolute path on the host");
    refuses(() => parseMount("type=volume,source=/srv,target=/x"), "type=bind");
    refuses(() => parseMount("type=volume,source=a"), "target");
    refuses(() => parseMount("type=nfs,target=/x"), "bind, volume, tmpfs or cluster");
    refuses(() => parseMount("type=cluster,target=/x"), "group:NAME");
    refuses(() => parseMount("type=tmpfs,source=a,target=/x"), "no source");
    refuses(() => parseMount("type=volume,target=/x,tmpfs-size=1m"), "type=tmpfs only");
    refuses(() => parseMount("type=bind,sorce=/a,target=/x"), 'did you mean "source"');
    refuses(() => parseMount("target=/x,readonly=maybe"), "neither true nor false");
    refuses(() => parseMount("type=tmpfs,target=/x,tmpfs-mode=99"), "octal");
  });
});

describe("cli: other values", () => {
  it("networks have aliases", () => {
    assert.deepEqual(parseNetwork("front"), { target: "front", aliases: [] });
    assert.deepEqual(parseNetwork("name=front,alias=www,alias=web"), { target: "front", aliases: ["www", "web"] });
    refuses(() => parseNetwork("alias=www"), "name=NETWORK");
    refuses(() => parseNetwork(""), "empty");
  });
  it("key and value split at the first equals sign", () => {
    assert.deepEqual(parseKeyValue("A=b=c", "--x"), ["A", "b=c"]);
    assert.deepEqual(parseLabel("plain", "--label"), ["plain", ""]);
    for (const text of ["", "=x"]) { refuses(() => parseKeyValue(text, "--x"), "--x"); refuses(() => parseLabel(text, "--label"), "--label"); }
    refuses(() => choose("fast", "--mode", { a: 1, b: 2, c: 3 }), "a, b or c");
    // A word of Object.prototype is no choice.
    refuses(() => choose("constructor", "--mode", { a: 1 }), '"constructor"');
  });
  it("environment variables without a value take the caller's", () => {
    assert.deepEqual(parseEnv(["A=1", "HOME", "ABSENT", "EMPTY="], { HOME: "/root" }), ["A=1", "HOME=/root", "EMPTY="]);
    refuses(() => parseEnv(["=x"], {}), "name");
    assert.deepEqual(envFileLines("# no\nA=1\r\n\n  B=2\n"), ["A=1", "B=2"]);
  });
  it("command lines split as in a shell", () => {
    assert.deepEqual(parseShellWords(`sh -c 'echo "a b"' x\\ y "q\\"r" ''`, "--args"), ["sh", "-c", 'echo "a b"', "x y", 'q"r', ""]);
    assert.deepEqual(parseShellWords("", "--args"), []);
    refuses(() => parseShellWords("echo 'a", "--args"), "not closed");
  });
  it("points in time are dates, seconds, or how long ago", () => {
    assert.equal(parsePointInTime("10m", "--since", 1_000_000), 400_000);
    assert.equal(parsePointInTime("2026-11-21T08:00:00Z", "--since", 0), Date.UTC(2026, 10, 21, 8));
    assert.equal(parsePointInTime("1700000000", "--since", 0), 1_700_000_000_000);
    refuses(() => parsePointInTime("yesterday", "--since", 0), "--since", "10m");
  });
  it("suggestions are near misses or beginnings", () => {
    assert.equal(suggestion("replica", ["replicas", "name"]), "replicas");
    assert.equal(suggestion("replcias", ["replicas", "name"]), "replicas");
    assert.equal(suggestion("zzz", ["replicas", "name"]), undefined);
    assert.equal(suggestion("const", ["constraint", "name"]), "constraint");
    assert.equal(editDistance("ab", "ba"), 1);
  });
});
