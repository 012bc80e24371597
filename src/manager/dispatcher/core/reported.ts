import { printable } from "../../../lib/index.js";
import { isDeviceWord, parseIpv4, problemOfGenericKind, type NodeDescription, type Resources, type TaskStatus } from "../../../model/index.js";

/**
 * What an agent says is kept in the store, shown on terminals and told to other hosts. A host that was broken into may say anything: here it
 * becomes bounded, printable text, before any of it is believed.
 */

const sentence = 2_000;
const word = 255;
const listed = 100;

export function reportedDescription(description: NodeDescription): NodeDescription {
  return {
    ...description,
    hostname: printable(description.hostname, word), os: printable(description.os, word), arch: printable(description.arch, word),
    engineVersion: printable(description.engineVersion, word),
    engineLabels: Object.fromEntries(Object.entries(description.engineLabels).slice(0, listed).map(([key, value]) => [printable(key, word), printable(value, word)])),
    plugins: description.plugins.slice(0, listed).map((plugin) => printable(plugin, word)),
    attributes: Object.fromEntries(Object.entries(description.attributes).slice(0, listed).map(([key, value]) => [printable(key, word), printable(value, word)])),
    resources: description.resources && reportedResources(description.resources),
  };
}

/** What the scheduler counts with: whole, not negative, within what sums of many nodes can hold exactly; kinds and devices each once. */
function reportedResources(resources: Resources): Resources {
  const { cpuMillis, memoryBytes, pids, diskBytes } = resources;
  return {
    cpuMillis: amount(cpuMillis, 1e9), memoryBytes: amount(memoryBytes, 2 ** 50), pids: amount(pids, 2 ** 22), diskBytes: amount(diskBytes, 2 ** 50), gpu: null,
    generic: firstOfEach(resources.generic, ({ kind }) => kind).filter(({ kind }) => problemOfGenericKind(kind) === undefined).slice(0, listed).map(({ kind, count, ids }) => {
      const named = [...new Set(ids)].filter((id) => isDeviceWord(id)).slice(0, 1_000);
      return { kind, ids: named, count: ids.length > 0 ? named.length : amount(count, 1_000_000) };
    }),
    gpus: firstOfEach(resources.gpus, ({ id }) => id).filter(({ id }) => isDeviceWord(id)).slice(0, mostGpus)
      .map(({ id, model, memoryBytes: bytes }) => ({ id, model: printable(model, word), memoryBytes: amount(bytes, 2 ** 50) })),
  };
}

const mostGpus = 64;
const amount = (value: number, most: number): number => (Number.isFinite(value) ? Math.min(most, Math.max(0, Math.floor(value))) : 0);

function firstOfEach<T>(items: readonly T[], keyOf: (item: T) => string): T[] {
  const seen = new Set<string>();
  return items.filter((item) => { const key = keyOf(item); return !seen.has(key) && seen.add(key); });
}

export const reportedStatus = (status: TaskStatus): TaskStatus => ({
  ...status,
  message: printable(status.message, sentence), err: printable(status.err, sentence), hostPorts: status.hostPorts.slice(0, 1_000),
  container: status.container && { ...status.container, containerId: printable(status.container.containerId, word) },
});

/** The tunnel end that others are told; undefined for what is no address. */
export const reportedAddr = (addr: string): string | undefined => (parseIpv4(addr) === undefined ? undefined : addr);
