import assert from "node:assert/strict";
import { parseChallenge } from "./auth.js";
import { endpointsOf } from "./endpoints.js";
import { choosePlatform, parseManifest } from "./manifest.js";

const descriptor = (platform?: object) => ({ mediaType: "x", digest: `sha256:${"b".repeat(64)}`, size: 1, ...(platform ? { platform } : {}) }) as never;

describe("engine: registries", () => {
  it("speak TLS except on this host and where the configuration allows plain HTTP", () => {
    const bases = (host: string, options = {}) => endpointsOf(host, { "plain.example": { plainHttp: true } }, options).map((e) => e.base);
    assert.deepEqual(bases("docker.io"), ["https://registry-1.docker.io"]);
    assert.deepEqual(bases("localhost:5000"), ["http://localhost:5000"]);
    assert.deepEqual(bases("127.1.2.3:5000"), ["http://127.1.2.3:5000"]);
    assert.deepEqual(bases("127.0.0.1.evil.example"), ["https://127.0.0.1.evil.example"]);
    assert.deepEqual(bases("plain.example"), ["http://plain.example"]);
    assert.deepEqual(bases("other.example", { plainHttp: true }), ["http://other.example"]);
  });
  it("give their credentials to no mirror", () => {
    const endpoints = endpointsOf("r.example", { "r.example": { mirrors: ["m.example"], username: "u", password: "p" } });
    assert.deepEqual(endpoints.map((e) => [e.base, e.credentials?.username]), [["https://m.example", undefined], ["https://r.example", "u"]]);
  });
  it("challenge in several spellings", () => {
    assert.deepEqual(parseChallenge('Bearer realm="https://a/t",service="s, x",scope="repository:a/b:pull"'), { scheme: "bearer", parameters: { realm: "https://a/t", service: "s, x", scope: "repository:a/b:pull" } });
    assert.equal(parseChallenge('BASIC realm="x"')?.scheme, "basic");
    assert.equal(parseChallenge("Negotiate"), undefined);
    assert.equal(parseChallenge(null), undefined);
  });
  it("offer an image for this platform, or say for which", () => {
    const list = [descriptor({ os: "linux", architecture: "arm64" }), descriptor({ os: "unknown", architecture: "unknown" }), descriptor({ os: "linux", architecture: "amd64" })];
    assert.equal(choosePlatform(list, { os: "linux", architecture: "amd64" }, "x"), list[2]);
    assert.throws(() => choosePlatform(list.slice(0, 2), { os: "linux", architecture: "amd64" }, "x"), /made for linux\/arm64, and this host is linux\/amd64/);
  });
  it("send manifests that are refused when malformed", () => {
    for (const [text, why] of [["nope", /not JSON/], ["[]", /neither an image manifest nor an index/], ['{"schemaVersion":1}', /schema 1/], ['{"config":{"digest":"../x","size":1},"layers":[]}', /the config is malformed/]] as const) {
      assert.throws(() => parseManifest(Buffer.from(text), "x"), why);
    }
  });
});
