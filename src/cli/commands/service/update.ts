import { SwarmError, codeOf } from "../../../lib/index.js";
import type { ServiceSpec } from "../../../model/index.js";
import type { Command } from "../../command.js";
import type { GetNetworkResponse } from "../../../gen/swarm/v1/GetNetworkResponse.js";
import type { GetServiceResponse } from "../../../gen/swarm/v1/GetServiceResponse.js";
import { parseNetwork } from "../../parse/network.js";
import { present } from "../../present.js";
import { changeService } from "../../spec/change-service.js";
import { servicesNamed } from "../../spec/placement-flags.js";
import { explainFlags, explainNotes, explainOnly } from "../../spec/explain-only.js";
import { sharedFlags, updateFlags } from "../../spec/service-flags.js";
import { updateSpec } from "../../spec/update-spec.js";
import { isWaiting, waitFlags, waitForService, waitNotes } from "../../wait/wait-for-service.js";

export default {
  usage: "[OPTIONS] SERVICE",
  about: "Changes a service. Tasks are replaced one by one where their containers change; --update-… flags say how. What no flag names stays as it is.",
  args: { min: 1 },
  flags: [...updateFlags, ...sharedFlags, ...waitFlags, ...explainFlags],
  examples: [
    ["swarmctl service update --image web:2 web", "Another image, task by task"],
    ["swarmctl service update --env-add LEVEL=debug --env-rm OLD web", "Environment variables come and go one by one"],
    ["swarmctl service update --affinity-add db:node.labels.zone=80 --tolerate-add dedicated=web web", "Rather in the database's zone, also on nodes that are kept for it"],
    ["swarmctl service update --force web", "Restart every task"],
  ],
  notes: `${waitNotes}\n${explainNotes}`,
  async run(input) {
    const { flags, args, connection, terminal, environment } = input;
    const waiting = new Set(waitFlags.map((flag) => flag.name));
    if (![...updateFlags, ...sharedFlags].some((flag) => !waiting.has(flag.name) && flags.has(flag.name))) {
      throw new SwarmError("INVALID_ARGUMENT", `Nothing to change was given for "${args[0]}": see "swarmctl service update --help"; --force restarts its tasks as they are.`);
    }
    const ids = new Map<string, string>();
    for (const text of [...flags.list("network-add").map((each) => parseNetwork(each, "--network-add").target), ...flags.list("network-rm")]) {
      ids.set(text, present((await connection.control<GetNetworkResponse>("getNetwork", { ref: text })).network, "network").id);
    }
    const services = new Map<string, string>();
    for (const ref of servicesNamed(flags)) {
      // One that was removed meanwhile is still named by its id, and must be possible to take out.
      const found = await connection.control<GetServiceResponse>("getService", { ref }).catch((error: unknown) => { if (codeOf(error) === "NOT_FOUND") return undefined; throw error; });
      services.set(ref, found?.service?.id ?? ref);
    }
    const change = (spec: ServiceSpec) => updateSpec(spec, { flags, environment, networkId: (ref) => ids.get(ref) ?? ref, serviceId: (ref) => services.get(ref) ?? ref });
    if (flags.on("explain-only")) {
      const before = present((await connection.control<GetServiceResponse>("getService", { ref: args[0]! })).service, "service");
      return explainOnly(input, change(present(before.spec, "service's spec")), before.id);
    }
    const service = await changeService(input, args[0]!, change);
    terminal.out(`${service.id}\n`);
    if (isWaiting(input)) return waitForService(input, service.id, service.spec?.name ?? args[0]!);
  },
} satisfies Command as Command;
