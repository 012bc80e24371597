import { printable } from "../../../lib/index.js";
import { parseIpv4, type NodeDescription, type TaskStatus } from "../../../model/index.js";

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
  };
}

export const reportedStatus = (status: TaskStatus): TaskStatus => ({
  ...status,
  message: printable(status.message, sentence), err: printable(status.err, sentence), hostPorts: status.hostPorts.slice(0, 1_000),
  container: status.container && { ...status.container, containerId: printable(status.container.containerId, word) },
});

/** The tunnel end that others are told; undefined for what is no address. */
export const reportedAddr = (addr: string): string | undefined => (parseIpv4(addr) === undefined ? undefined : addr);
