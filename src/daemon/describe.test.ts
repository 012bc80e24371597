import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Engine } from "../engine/index.js";
import { describeHost } from "./describe.js";
import { detectGpus, deviceNodesOf, gpuDriverVersion, offeredGpus, parseGpuInformation } from "./gpus.js";
import { hostAttributes, parseCpuInfo, parseOsRelease } from "./host-attributes.js";

const information = (minor: number, uuid: string, model = "NVIDIA A100-SXM4-40GB") => `Model: \t\t ${model}\nIRQ:   \t\t 169\nGPU UUID: \t ${uuid}\nVideo BIOS: \t 92.00.45\nBus Location: \t 0000:07:00.0\nDevice Minor: \t ${minor}\n`;

describe("what a host says that it has", () => {
  let directory: string;
  beforeEach(() => { directory = mkdtempSync(join(tmpdir(), "skein-describe-")); });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it("GPUs as their driver shows them, in the order of their numbers", async () => {
    for (const [slot, minor] of [["0000:07:00.0", 1], ["0000:0f:00.0", 0]] as const) {
      mkdirSync(join(directory, "gpus", slot), { recursive: true });
      writeFileSync(join(directory, "gpus", slot, "information"), information(minor, `GPU-5fd4d4b2-${minor}`));
    }
    mkdirSync(join(directory, "gpus", "broken"));
    writeFileSync(join(directory, "version"), "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n");
    const detected = await detectGpus(directory);
    assert.deepEqual(detected, [0, 1].map((minor) => ({ id: `GPU-5fd4d4b2-${minor}`, model: "A100-SXM4-40GB", minor })));
    assert.equal(await gpuDriverVersion(directory), "535.104.05");
    assert.deepEqual(offeredGpus(undefined, detected).map(({ id, model }) => `${model} ${id}`), ["A100-SXM4-40GB GPU-5fd4d4b2-0", "A100-SXM4-40GB GPU-5fd4d4b2-1"]);
    assert.deepEqual(offeredGpus([], detected), [], "the command line counts");
    assert.deepEqual(await detectGpus(join(directory, "nowhere")), []);
  });

  it("a GPU whose driver has not started goes by its number", () => {
    assert.deepEqual(parseGpuInformation(information(3, "GPU-????????-????", "Quadro (TM)")), { id: "3", model: "Quadro -TM", minor: 3 });
    assert.equal(parseGpuInformation("Model: x\n"), undefined);
  });

  it("device nodes are the GPUs' own and the driver's, as far as they are there", () => {
    const minors = new Map([["GPU-a", 4]]);
    const exists = (path: string) => path !== "/dev/nvidia-modeset";
    assert.deepEqual(deviceNodesOf(["GPU-a", "1"], minors, exists), ["/dev/nvidia4", "/dev/nvidia1", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"]);
    assert.deepEqual(deviceNodesOf(["made-up"], minors, exists), []);
  });

  it("attributes of the system and the processor, without those that are not known", async () => {
    assert.deepEqual(parseOsRelease('PRETTY_NAME="Debian GNU/Linux 12"\nVERSION_ID="12"\nID=debian\n'), { "os.name": "debian", "os.release": "12" });
    assert.deepEqual(parseCpuInfo("processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel\t\t: 1\nmodel name\t: AMD EPYC 7B13\n"), { "cpu.model": "AMD EPYC 7B13", "cpu.vendor": "AuthenticAMD" });
    const info = { version: "0.1.0", kernel: "6.8.0-45-generic", os: "linux", arch: "amd64", runtime: "crun 1.8", cgroups: "v2", storageDriver: "", cpuMillis: 4000, memoryBytes: 2 ** 30 };
    const attributes = await hostAttributes(info as Awaited<ReturnType<Engine["info"]>>);
    assert.equal(attributes["kernel.version"], "6.8.0-45-generic");
    assert.equal(attributes["runtime.version"], "1.8");
    assert.ok(!("storage.driver" in attributes));
    const engine: Pick<Engine, "info"> = { info: async () => info as Awaited<ReturnType<Engine["info"]>> };
    const { resources, plugins } = await describeHost(engine, { hostname: "h", stateDir: directory, genericResources: [{ kind: "fpga", count: 2, ids: [] }], gpus: [{ id: "0", model: "T4", memoryBytes: 0 }] });
    assert.ok(resources!.diskBytes > 2 ** 20 && resources!.pids > 100 && resources!.pids <= 2 ** 22);
    assert.deepEqual([resources!.generic.length, resources!.gpus.length], [1, 1]);
    // Every log driver that a service may name: none fits on a node that does not say it has it.
    assert.deepEqual(plugins, ["network/overlay", "volume/local", "log/json-file", "log/local", "log/none", "runtime/crun"]);
  });
});
