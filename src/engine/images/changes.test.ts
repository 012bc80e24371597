import assert from "node:assert/strict";
import { codeOf } from "../../lib/index.js";
import { applyChanges } from "./changes.js";

describe("engine: changes of an image's config", () => {
  const refused = (change: string, words: RegExp) => assert.throws(() => applyChanges([change]), (e: Error) => { assert.equal(codeOf(e), "INVALID_ARGUMENT"); assert.match(e.message, words); return e.message.startsWith(`Change "${change.trim()}" is not valid: `); });

  it("are every instruction that touches no file", () => {
    assert.deepEqual(applyChanges([
      'CMD ["a", "b c"]', "ENV ONE=1 TWO='two words' THREE=$ONE/x", "env OLD the rest of it", "LABEL a=b \"c d\"=e", "WORKDIR /srv", "WORKDIR www", "USER nobody:nogroup", "EXPOSE 80 53/udp 8000-8002/tcp",
      'VOLUME ["/data", "/more"]', "VOLUME /third", "STOPSIGNAL SIGQUIT", "HEALTHCHECK --interval=1m30s --timeout=3s --start-period=5s --start-interval=1s --retries=4 CMD curl -f http://x", "ONBUILD RUN make", 'SHELL ["/bin/bash", "-c"]',
    ]), {
      Cmd: ["a", "b c"], Env: ["ONE=1", "TWO=two words", "THREE=1/x", "OLD=the rest of it"].map((e) => e.replace("1/x", "/x")), Labels: { a: "b", "c d": "e" }, WorkingDir: "/srv/www", User: "nobody:nogroup",
      ExposedPorts: { "53/udp": {}, "80/tcp": {}, "8000/tcp": {}, "8001/tcp": {}, "8002/tcp": {} }, Volumes: { "/data": {}, "/more": {}, "/third": {} }, StopSignal: "SIGQUIT",
      Healthcheck: { Test: ["CMD-SHELL", "curl -f http://x"], Interval: 90e9, Timeout: 3e9, StartPeriod: 5e9, StartInterval: 1e9, Retries: 4 }, OnBuild: ["RUN make"], Shell: ["/bin/bash", "-c"],
    });
    assert.deepEqual(applyChanges(["HEALTHCHECK NONE"]), { Healthcheck: { Test: ["NONE"] } });
  });

  it("use the environment as it is by then, and the shell that the image has", () => {
    assert.deepEqual(applyChanges(["ENV PATH=$PATH:/more", "ENV PATH=/first:${PATH}"], { Env: ["PATH=/bin"] }).Env, ["PATH=/first:/bin:/more"]);
    assert.deepEqual(applyChanges(["CMD echo $HOME"], { Shell: ["/bin/ash", "-c"] }).Cmd, ["/bin/ash", "-c", "echo $HOME"]);
  });

  it("drop a command that came from below with a new entrypoint, and keep one that was set since", () => {
    assert.deepEqual(applyChanges(['ENTRYPOINT ["x"]'], { Cmd: ["old"] }), { Cmd: null, Entrypoint: ["x"] });
    assert.deepEqual(applyChanges(['CMD ["new"]', 'ENTRYPOINT ["x"]'], { Cmd: ["old"] }), { Cmd: ["new"], Entrypoint: ["x"] });
    assert.deepEqual(applyChanges(["ENTRYPOINT []"], { Entrypoint: ["old"] }), { Cmd: null, Entrypoint: null });
  });

  it("may come several to a string, with continued lines and comments", () => {
    assert.deepEqual(applyChanges(["# what it runs\nCMD [\"a\"]\nENV A=1 \\\n  B=2\n"]), { Cmd: ["a"], Env: ["A=1", "B=2"] });
  });

  it("are refused with the reason", () => {
    refused("RUN make", /known instructions are CMD, ENTRYPOINT/);
    refused("FROM x", /known instructions are/);
    refused("EXPOSE 99999", /ports are 1 to 65535|99999/);
    refused("ENV", /two arguments/);
    refused("ONBUILD ONBUILD RUN x", /ONBUILD/);
    refused("HEALTHCHECK CMD", /[Mm]issing command/);
    refused("SHELL bash", /JSON/);
    refused("STOPSIGNAL SIGWHAT", /SIGWHAT/);
    refused("LABEL =x", /blank/);
  });
});
