import assert from "node:assert/strict";
import { codeOf } from "../../lib/index.js";
import { familiar, parseReference } from "./reference.js";

const digest = `sha256:${"a".repeat(64)}`;

describe("engine: image references", () => {
  for (const [text, normalized] of [
    ["busybox", "docker.io/library/busybox:latest"],
    ["busybox:1.36", "docker.io/library/busybox:1.36"],
    ["team/app", "docker.io/team/app:latest"],
    ["docker.io/busybox", "docker.io/library/busybox:latest"],
    ["index.docker.io/team/app:v1", "docker.io/team/app:v1"],
    ["localhost/app", "localhost/app:latest"],
    ["localhost:5000/a/b/c:x", "localhost:5000/a/b/c:x"],
    ["127.0.0.1:5000/app", "127.0.0.1:5000/app:latest"],
    ["registry.example/app_one.two--three", "registry.example/app_one.two--three:latest"],
    ["[::1]:5000/app", "[::1]:5000/app:latest"],
    [`busybox@${digest}`, `docker.io/library/busybox@${digest}`],
    [`busybox:1@${digest}`, `docker.io/library/busybox@${digest}`],
  ] as const) it(`"${text}" is ${normalized}`, () => assert.equal(parseReference(text).normalized, normalized));

  for (const [text, why] of [
    ["", /it is empty/], ["Busybox", /lower case/], ["a//b", /"a\/\/b" is not an image name/], ["app:", /"" is not a tag/], ["app:a b", /"a b" is not a tag/], ["app@sha256:12", /is not a digest/],
    ["-app", /is not an image name/], ["../../etc", /is not/], ["f".repeat(64), /an image id, not a name/], ["a@b@c", /more than one/], [`x/${"a".repeat(256)}`, /longer than 255/], ["app:" + "t".repeat(129), /is not a tag/],
  ] as const) it(`"${text.slice(0, 20)}" is refused with the reason`, () => assert.throws(() => parseReference(text), (e: Error) => codeOf(e) === "INVALID_ARGUMENT" && why.test(e.message)));

  it("are shown as people write them", () => {
    assert.deepEqual(["docker.io/library/busybox:latest", "docker.io/team/app:1", "localhost:5000/x:1"].map(familiar), ["busybox:latest", "team/app:1", "localhost:5000/x:1"]);
  });
});
