import assert from "node:assert/strict";
import { ClientHost } from "./client-host.js";

describe("a registry on loopback that answers for docker.io", function () {
  this.timeout(240_000);
  let host: ClientHost;
  before(async () => { host = await ClientHost.openWithRegistry(["hello-world", "alpine"]); });
  after(() => host?.close());

  it("docker run pulls what is not here, and says so", async () => {
    const { code, stdout, stderr } = await host.sh("docker run --rm hello-world");
    assert.equal(code, 0, stderr);
    assert.match(stdout, /Hello from Docker!/);
    assert.match(stderr, /Unable to find image 'hello-world:latest' locally[\s\S]*Status: Downloaded newer image for hello-world:latest/);
  });
  it("docker pull of what is here says that it is up to date; by digest it is the same image", async () => {
    await host.ok("docker pull alpine");
    assert.match(await host.ok("docker pull alpine"), /Image is up to date for alpine:latest/);
    const digest = (await host.ok("docker inspect --format '{{index .RepoDigests 0}}' alpine")).trim();
    assert.match(digest, /@sha256:[0-9a-f]{64}$/);
    await host.ok(`docker pull ${digest.replace(/^127\.0\.0\.1:5000\/library\//, "")}`);
  });
  it("what does not exist is refused in words", async () => {
    const { code, stderr } = await host.sh("docker run --rm nothing/of-this-name");
    assert.equal(code, 125);
    assert.match(stderr, /nothing\/of-this-name/);
  });
  it("a built image goes there and comes back the same", async () => {
    await host.ok("printf 'FROM alpine\\nRUN echo made > /made\\n' | DOCKER_BUILDKIT=0 docker build -q -t 127.0.0.1:5000/team/made:1 -");
    const before = (await host.ok("docker inspect --format '{{.Id}}' 127.0.0.1:5000/team/made:1")).trim();
    await host.ok("docker push 127.0.0.1:5000/team/made:1 && docker rmi -f 127.0.0.1:5000/team/made:1 && docker pull -q 127.0.0.1:5000/team/made:1");
    assert.equal((await host.ok("docker inspect --format '{{.Id}}' 127.0.0.1:5000/team/made:1")).trim(), before);
    assert.equal((await host.ok("docker run --rm 127.0.0.1:5000/team/made:1 cat /made")).trim(), "made");
  });
  it("docker push -a and pull -a carry all tags", async () => {
    const name = "127.0.0.1:5000/team/several";
    await host.ok(`docker pull -q alpine && docker tag alpine ${name}:one && docker tag alpine ${name}:two && docker push -aq ${name} && docker rmi ${name}:one ${name}:two`);
    const said = await host.ok(`docker pull -a ${name}`);
    for (const tag of ["one", "two"]) assert.match(said, new RegExp(`Status: .* for ${name}:${tag}`));
    assert.deepEqual((await host.ok(`docker image ls --format '{{.Tag}}' ${name}`)).trim().split("\n").sort(), ["one", "two"]);
  });
});
