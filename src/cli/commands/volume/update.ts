import type { GetVolumeResponse } from "../../../gen/swarm/v1/GetVolumeResponse.js";
import type { UpdateVolumeResponse } from "../../../gen/swarm/v1/UpdateVolumeResponse.js";
import { SwarmError } from "../../../lib/index.js";
import type { VolumeSpec } from "../../../model/index.js";
import type { Command } from "../../command.js";
import type { Flags } from "../../flags.js";
import { choose, parseLabels } from "../../parse/key-value.js";
import { present } from "../../present.js";
import { clusterFlag, volumeAvailabilities } from "../../spec/volume-flags.js";

const names = ["availability", "label-add", "label-rm", "topology-add", "topology-rm", "forget-node"];

export default {
  usage: "[OPTIONS] VOLUME",
  about: "Changes a volume of the cluster: who may have it from now on, and where.",
  args: { min: 1 },
  flags: [
    { name: "availability", kind: "text", value: "WHICH", help: "active, pause (no further task gets it) or drain (those that have it are stopped)" },
    { name: "label-add", kind: "list", value: "KEY=VALUE", help: "Add or change a label" },
    { name: "label-rm", kind: "list", value: "KEY", help: "Remove a label" },
    { name: "topology-add", kind: "list", value: "CONSTRAINT", help: "Only nodes that satisfy it mount it from now on; tasks that have it elsewhere keep it" },
    { name: "topology-rm", kind: "list", value: "CONSTRAINT", help: "Remove a constraint" },
    { name: "forget-node", kind: "switch", help: "Give up the data on its node: the next task begins with none, wherever it is placed" },
    { ...clusterFlag, help: "As with the other commands; a host's own volumes cannot be changed" },
  ],
  examples: [["swarmctl volume update --cluster --availability drain data", "Stop the tasks that have it, and start none"], ["swarmctl volume update --cluster --forget-node data", "Its node is lost for good"]],
  async run({ flags, args, connection, terminal }) {
    const [ref] = args as [string];
    if (!names.some((name) => flags.has(name))) throw new SwarmError("INVALID_ARGUMENT", `Nothing to change was given for "${ref}": see "swarmctl volume update --help".`);
    const volume = present((await connection.control<GetVolumeResponse>("getVolume", { ref })).volume, "volume");
    const spec = changed(present(volume.spec, "volume's spec"), flags, ref);
    const answer = await connection.control<UpdateVolumeResponse>("updateVolume", { ref: volume.id, version: volume.meta?.version ?? 0, spec, forgetNode: flags.on("forget-node") });
    terminal.out(`${present(answer.volume, "volume").spec?.name ?? ref}\n`);
  },
} satisfies Command as Command;

function changed(spec: VolumeSpec, flags: Flags, ref: string): VolumeSpec {
  for (const key of flags.list("label-rm")) {
    if (!Object.hasOwn(spec.labels, key)) throw new SwarmError("NOT_FOUND", `Cannot remove the label "${key}" of volume "${ref}": it has none of that name.`);
  }
  for (const text of flags.list("topology-rm")) {
    if (!spec.topology.includes(text)) throw new SwarmError("NOT_FOUND", `Cannot remove "${text}" from the topology of volume "${ref}": it has ${spec.topology.length > 0 ? spec.topology.map((each) => `"${each}"`).join(", ") : "none"}.`);
  }
  return {
    ...spec,
    availability: flags.has("availability") ? choose(flags.text("availability")!, "--availability", volumeAvailabilities) : spec.availability,
    labels: { ...Object.fromEntries(Object.entries(spec.labels).filter(([key]) => !flags.list("label-rm").includes(key))), ...parseLabels(flags.list("label-add"), "--label-add") },
    topology: [...new Set([...spec.topology.filter((text) => !flags.list("topology-rm").includes(text)), ...flags.list("topology-add")])],
  };
}
