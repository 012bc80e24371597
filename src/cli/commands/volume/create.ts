import type { CreateVolumeResponse } from "../../../gen/swarm/v1/CreateVolumeResponse.js";
import { SwarmError } from "../../../lib/index.js";
import { newVolumeSpec } from "../../../model/index.js";
import type { Command, CommandInput } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { choose, parseKeyValue, parseLabels } from "../../parse/key-value.js";
import { present } from "../../present.js";
import { clusterVolumeFlags, isOfCluster, scopes, sharings } from "../../spec/volume-flags.js";

export default {
  usage: "[OPTIONS] [NAME]",
  about: "Creates a volume on one host (without a name, one is made up); with --cluster one that services mount wherever they run.",
  args: { min: 0, max: 1 },
  flags: [
    { name: "driver", short: "d", kind: "text", value: "NAME", help: "local, the default" },
    { name: "opt", short: "o", kind: "list", value: "KEY=VALUE", help: "Driver option, such as type=tmpfs" },
    { name: "label", short: "l", kind: "list", value: "KEY=VALUE", help: "Label" },
    ...clusterVolumeFlags,
    nodeFlag,
  ],
  examples: [
    ["swarmctl volume create --cluster data", "Its data stay on one node, and the task that mounts it goes there"],
    ["swarmctl volume create --cluster --scope multi --sharing all --opt type=nfs --opt o=addr=192.0.2.9 --opt device=:/export files", "A shared file system on every node"],
    ["swarmctl volume create --cluster --group pg --topology node.labels.disk==ssd pg-1", "One of several, on nodes with a label"],
  ],
  async run(input) {
    const { flags, args, connection, terminal } = input;
    const labels = parseLabels(flags.list("label"), "--label");
    const options = Object.fromEntries(flags.list("opt").map((each) => parseKeyValue(each, "--opt")));
    if (isOfCluster(flags)) return createInCluster(input, options, labels);
    const { Name } = await connection.docker(flags.text("node")).json<{ Name: string }>("POST", "/volumes/create", {
      body: { Name: args[0] ?? "", Driver: flags.text("driver") ?? "local", DriverOpts: options, Labels: labels },
    });
    terminal.out(`${Name}\n`);
  },
} satisfies Command as Command;

async function createInCluster({ flags, args, connection, terminal }: CommandInput, options: Record<string, string>, labels: Record<string, string>): Promise<void> {
  if (args[0] === undefined) throw new SwarmError("INVALID_ARGUMENT", "A volume of the cluster needs a name: services mount it by it.");
  const spec = newVolumeSpec({
    name: args[0], driver: flags.text("driver") ?? "local", options, labels, topology: flags.list("topology"), group: flags.text("group") ?? "",
    scope: choose(flags.text("scope") ?? "single", "--scope", scopes), sharing: choose(flags.text("sharing") ?? "none", "--sharing", sharings),
  });
  const { volume, warnings } = await connection.control<CreateVolumeResponse>("createVolume", { spec });
  for (const warning of warnings) terminal.err(`swarmctl: warning: ${warning}\n`);
  terminal.out(`${present(volume, "volume").id}\n`);
}
