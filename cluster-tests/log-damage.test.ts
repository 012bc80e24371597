import assert from "node:assert/strict";
import { story, waitFor, type Cluster } from "./harness.js";

/** Damages the newest raft log segment of a stopped manager with `script`, which gets the file as $f and the length in use as $n. */
async function damage(cluster: Cluster, host: string, script: string): Promise<void> {
  const directory = `${cluster.hosts.stateDirectory(host)}/manager/raft`;
  const find = `f=$(ls -t $(grep -rlE '' --include='*.wal' ${directory} 2>/dev/null || find ${directory} -type f) | head -1); n=$(tr -d '\\000' < $f | wc -c); end=$(grep -aobP '[^\\x00]' $f | tail -1 | cut -d: -f1); ${script}`;
  const result = await cluster.hosts.exec(host, ["sh", "-c", find]);
  assert.equal(result.code, 0, result.stderr + result.stdout);
}

story("a damaged log on a follower", { managers: 3, workers: 0 }, (cluster) => {
  for (const [what, script] of [
    ["a bit flipped near its end", `printf '\\377' | dd of=$f bs=1 seek=$((end-60)) conv=notrunc 2>&1`],
    ["a truncated tail", `truncate -s $((end-40)) $f`],
  ] as const) {
    it(`${what} is detected and repaired from the leader`, async () => {
      const leader = (await cluster().leader())!;
      const follower = cluster().managers.find((host) => host !== leader)!;
      for (let i = 0; i < 10; i++) await cluster().ok(["service", "create", "--detach", "--replicas", "0", "--name", `${script.startsWith("printf") ? "flip" : "cut"}-${i}`, "busybox"], { host: leader });
      await cluster().hosts.kill(follower);
      await cluster().hosts.start(follower);   // boots the host; then only the daemon is stopped, so that its files can be damaged
      await cluster().hosts.killDaemon(follower);
      await damage(cluster(), follower, script);
      await cluster().hosts.start(follower);
      const names = async (host: string) => (await cluster().json<any[]>(["service", "ls"], { host })).map((row) => (row.service ?? row).spec.name).sort().join();
      const expected = await names(leader);
      await waitFor("the follower has everything", async () => {
        const nodes = await cluster().json<any[]>(["node", "ls"], { host: leader });
        return nodes.every((node) => node.manager?.isReachable) && (await names(follower)) === expected;
      }, 40_000);
      // It carries its share again: with the third manager away, it is needed for a majority.
      const third = cluster().managers.find((host) => host !== leader && host !== follower)!;
      await cluster().hosts.pause(third);
      await cluster().ok(["service", "create", "--detach", "--replicas", "0", "--name", `after-${Date.now()}`, "busybox"], { host: leader });
      await cluster().hosts.resume(third);
    });
  }
});
