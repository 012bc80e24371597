import { SwarmError } from "../../lib/index.js";
import { newContainerSpec, newEndpointSpec, newPlacement, newTaskSpec, type PortConfig, type ServiceSpec } from "../../model/index.js";
import type { Flags } from "../flags.js";
import { parseEnv } from "../parse/env.js";
import { parseMount } from "../parse/mount.js";
import { parseNetwork } from "../parse/network.js";
import { parsePublish } from "../parse/publish.js";
import { parseShellWords } from "../parse/shell-words.js";
import { applyFlags, parseHosts, parseLabels, parsePreferences, union } from "./apply-flags.js";
import { lastOfEach } from "./create-spec.js";
import { updatePlacement } from "./placement-flags.js";

export interface UpdateInput {
  readonly flags: Flags;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A network's name or id prefix → its id, as the spec in the store has it. */
  readonly networkId: (ref: string) => string;
  /** The same for a service; what it does not know stays as it is. */
  readonly serviceId: (ref: string) => string;
}

/** `spec` as the update's flags want it. What is removed must be there: a typing slip would otherwise pass unseen. */
export function updateSpec(spec: ServiceSpec, { flags, environment, networkId, serviceId }: UpdateInput): ServiceSpec {
  const shared = updatePlacement(applyFlags(spec, flags), flags, serviceId);
  const task = shared.task ?? newTaskSpec();
  const container = task.container ?? newContainerSpec();
  const placement = task.placement ?? newPlacement();
  const endpoint = shared.endpoint ?? newEndpointSpec();
  const list = (name: string) => flags.list(name);
  const keyOf = (line: string) => line.split("=", 1)[0]!;

  const labelsOf = (before: Record<string, string>, name: string) => {
    const kept = without(Object.entries(before), list(`${name}-rm`), ([key]) => key, `--${name}-rm`);
    return { ...Object.fromEntries(kept), ...parseLabels(list(`${name}-add`), `--${name}-add`) };
  };
  const lines = (before: readonly string[], name: string, added: readonly string[], removed: readonly string[] = list(`${name}-rm`)) =>
    union(without(before, removed, (line) => line, `--${name}-rm`), added);

  const addedMounts = list("mount-add").map(parseMount);
  const addedNetworks = list("network-add").map((text) => parseNetwork(text, "--network-add")).map((network) => ({ ...network, target: networkId(network.target) }));
  return {
    ...shared,
    labels: labelsOf(shared.labels, "label"),
    endpoint: { ...endpoint, ports: portsOf(endpoint.ports, list("publish-add"), list("publish-rm")) },
    task: {
      ...task,
      forceUpdate: task.forceUpdate + (flags.on("force") ? 1 : 0),
      networks: [
        ...without(task.networks, list("network-rm").map(networkId), (network) => network.target, "--network-rm").filter((network) => !addedNetworks.some((added) => added.target === network.target)),
        ...addedNetworks,
      ],
      placement: {
        ...placement,
        constraints: lines(placement.constraints, "constraint", list("constraint-add")),
        spread: lines(placement.spread, "placement-pref", parsePreferences(list("placement-pref-add"), "--placement-pref-add"), parsePreferences(list("placement-pref-rm"), "--placement-pref-rm")),
      },
      container: {
        ...container,
        image: flags.text("image") ?? container.image,
        args: flags.has("args") ? parseShellWords(flags.text("args")!, "--args") : container.args,
        env: lastOfEach([...without(container.env, list("env-rm"), keyOf, "--env-rm"), ...parseEnv(list("env-add"), environment, "--env-add")]),
        mounts: [
          ...without(container.mounts, list("mount-rm"), (mount) => mount.target, "--mount-rm").filter((mount) => !addedMounts.some((added) => added.target === mount.target)),
          ...addedMounts,
        ],
        labels: labelsOf(container.labels, "container-label"),
        groups: lines(container.groups, "group", list("group-add")),
        hosts: lines(container.hosts, "host", parseHosts(list("host-add"), "--host-add")),
        dns: lines(container.dns, "dns", list("dns-add")),
        sysctls: labelsOf(container.sysctls, "sysctl"),
      },
    },
  };
}

/** `items` without those whose key is named; a key that none has is refused. */
function without<T>(items: readonly T[], removed: readonly string[], keyOf: (item: T) => string, flag: string): T[] {
  const present = items.map(keyOf);
  for (const key of removed) {
    if (!present.includes(key)) {
      throw new SwarmError("INVALID_ARGUMENT", `Cannot remove "${key}" by ${flag}: the service has none of that name${present.length ? `; it has ${present.map((each) => `"${each}"`).join(", ")}` : ""}.`);
    }
  }
  return items.filter((item) => !removed.includes(keyOf(item)));
}

const portKey = (port: PortConfig) => `${port.targetPort}/${port.protocol.toLowerCase()}`;

function portsOf(before: readonly PortConfig[], added: readonly string[], removed: readonly string[]): PortConfig[] {
  const kept = without(before, removed.map((text) => (text.includes("/") ? text.toLowerCase() : `${text}/tcp`)), portKey, "--publish-rm");
  const ports = added.flatMap((text) => parsePublish(text, "--publish-add"));
  // The same target, protocol and mode again means another published port for it.
  const isReplaced = (port: PortConfig) => ports.some((each) => portKey(each) === portKey(port) && each.mode === port.mode);
  return [...kept.filter((port) => !isReplaced(port)), ...ports];
}
