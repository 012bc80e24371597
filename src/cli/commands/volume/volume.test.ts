import assert from "node:assert/strict";
import { newVolume, newVolumeSpec, type Volume, type VolumeSpec } from "../../../model/index.js";
import { runCommand, startFakeHost } from "../../testing.js";

const meta = { version: 7, createdAtMs: 0, updatedAtMs: 0 };
const fresh = { isStale: false, reason: "", index: 7 };
const use = { volumeId: "v1", nodeName: "h2", tasks: ["db.1 on h2"], readers: 2, writers: 1, services: ["db"] };

describe("cli: volumes of the cluster", () => {
  let volume: Volume;
  let requests: Record<string, unknown>[];
  let host: { runDir: string; stop(): Promise<void> };
  const run = (...argv: string[]) => runCommand(["volume", ...argv], { places: [host.runDir] });
  beforeEach(async () => {
    volume = newVolume({ id: "v1", meta, nodeId: "n2", spec: newVolumeSpec({ name: "data", labels: { tier: "gold" }, topology: ["node.labels.rack==r1"] }) });
    requests = [];
    const take = <T>(answer: (request: { spec: VolumeSpec }) => T) => (request: { spec: VolumeSpec }) => { requests.push({ ...request }); return answer(request); };
    host = await startFakeHost({
      node: { unary: { Info: () => ({ version: "0.1.0", hostname: "h1", state: "inactive" }) } },
      control: {
        unary: {
          CreateVolume: take(({ spec }) => ({ volume: newVolume({ id: "v9", meta, spec }), warnings: ["something small"] })),
          ListVolumes: take(() => ({ volumes: [volume], uses: [use], read: fresh })), GetVolume: take(() => ({ volume, use, read: fresh })),
          UpdateVolume: take(({ spec }) => ({ volume: { ...volume, spec } })), RemoveVolume: take(() => ({ id: "v1" })),
        },
      },
    });
  });
  afterEach(() => host.stop());

  it("create says what it is to be, and prints its id", async () => {
    const { code, stdout, stderr } = await run("create", "--cluster", "--scope", "multi", "--sharing", "onewriter", "--topology", "node.labels.rack==r1", "--topology", "node.role==worker", "--group", "pg",
      "--opt", "type=nfs", "--opt", "device=:/x", "--label", "a=b", "pg-1");
    assert.deepEqual([code, stdout, stderr], [0, "v9\n", "swarmctl: warning: something small\n"]);
    assert.deepEqual(requests[0]!["spec"], newVolumeSpec({
      name: "pg-1", scope: "MULTI_NODE", sharing: "SHARE_ONE_WRITER", topology: ["node.labels.rack==r1", "node.role==worker"], group: "pg", options: { type: "nfs", device: ":/x" }, labels: { a: "b" },
    }));
  });

  it("flags of the one kind are refused for the other", async () => {
    for (const [argv, why] of [
      [["create", "--scope", "multi", "x"], "--scope is for a volume of the cluster: add --cluster, or leave it out."],
      [["create", "--cluster", "--node", "h2", "x"], "--node is for the volumes of one host: leave it out, or leave out --cluster."],
      [["create", "--cluster"], "A volume of the cluster needs a name: services mount it by it."],
      [["create", "--cluster", "--sharing", "some", "x"], 'The value "some" of --sharing is not one of its choices: write none, readonly, onewriter or all.'],
      [["update", "data"], 'Nothing to change was given for "data": see "swarmctl volume update --help".'],
      [["update", "--topology-rm", "node.role==worker", "data"], 'Cannot remove "node.role==worker" from the topology of volume "data": it has "node.labels.rack==r1".'],
    ] as const) {
      const { code, stderr } = await run(...argv);
      assert.ok(code !== 0);
      assert.equal(stderr, `swarmctl: ${why}\n`);
    }
    assert.deepEqual(requests.filter(({ spec }) => spec), []);
  });

  it("ls shows where the data are and who has them", async () => {
    const { stdout } = await run("ls", "--cluster", "--filter", "group=pg");
    assert.equal(stdout.replace(/ +/g, " "), "ID NAME SCOPE SHARING GROUP NODE AVAILABILITY TASKS\nv1 data single none h2 active 1 write, 2 read\n");
    assert.deepEqual(requests[0]!["filters"], [{ key: "group", value: "pg" }]);
  });

  it("inspect shows it in full, with its users", async () => {
    const [shown] = JSON.parse((await run("inspect", "--cluster", "data")).stdout) as [{ id: string; use: { tasks: string[] } }];
    assert.deepEqual([shown.id, shown.use.tasks], ["v1", ["db.1 on h2"]]);
  });

  it("update changes what it is told to, of the version that it has read", async () => {
    const { code, stdout } = await run("update", "--cluster", "--availability", "drain", "--label-add", "a=b", "--label-rm", "tier", "--topology-rm", "node.labels.rack==r1", "--topology-add", "node.role==worker", "--forget-node", "data");
    assert.deepEqual([code, stdout], [0, "data\n"]);
    assert.deepEqual(requests[1], { ref: "v1", version: 7, forgetNode: true, spec: newVolumeSpec({ name: "data", availability: "VOLUME_DRAIN", labels: { a: "b" }, topology: ["node.role==worker"] }) });
  });

  it("rm hands --force on, and says where files are left", async () => {
    const { code, stdout, stderr } = await run("rm", "--cluster", "--yes", "--force", "data");
    assert.deepEqual([code, stdout, stderr], [0, "data\n", 'Its files are still on node h2; "swarmctl volume rm --node h2 data" removes them.\n']);
    assert.deepEqual(requests[1], { ref: "data", force: true });
  });
});
