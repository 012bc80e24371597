import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { SwarmError, messageOf } from "../../../lib/index.js";
import type { Command } from "../../command.js";
import type { CreateServiceResponse } from "../../../gen/swarm/v1/CreateServiceResponse.js";
import { present } from "../../present.js";
import { createSpec } from "../../spec/create-spec.js";
import { explainFlags, explainNotes, explainOnly } from "../../spec/explain-only.js";
import { createFlags, sharedFlags } from "../../spec/service-flags.js";
import { isWaiting, waitFlags, waitForService, waitNotes } from "../../wait/wait-for-service.js";

export default {
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG…]",
  about: "Runs a new service: as many tasks as asked, each a container of IMAGE. Everything after IMAGE is the container's command.",
  args: { min: 1, max: Infinity },
  stopsAtFirstWord: true,
  flags: [...createFlags, ...sharedFlags, ...waitFlags, ...explainFlags],
  examples: [
    ["swarmctl service create --name web --replicas 3 --publish 8080:80 nginx", "Three tasks, reached on every host's port 8080"],
    ["swarmctl service create --name db --mount type=volume,source=data,target=/var/lib/db --constraint node.labels.disk==ssd db:16", "A volume, on nodes with a label"],
    ["swarmctl service create --name train --replicas 4 --gang --gpu 2:A100 --reserve-disk 50g --priority 100 --project ml train:3", "Eight GPUs of one model, all at once or not yet"],
    ["swarmctl service create --explain-only --replicas 8 --reserve-memory 4g app", "Would it fit? Exit code 0 or 3, and nothing is submitted"],
    ["swarmctl service create --name probe --mode global --network front busybox ping web", "One task on every node, on a network"],
  ],
  notes: `${waitNotes}\n${explainNotes}`,
  async run(input) {
    const { flags, args, connection, terminal, environment } = input;
    const spec = createSpec({
      flags, words: args, environment, readFile,
      randomSuffix: () => randomBytes(3).toString("hex"),
    });
    if (flags.on("explain-only")) return explainOnly(input, spec, "");
    const answer = await connection.control<CreateServiceResponse>("createService", { spec });
    const service = present(answer.service, "service");
    for (const warning of answer.warnings) terminal.err(`swarmctl: warning: ${warning}\n`);
    terminal.out(`${service.id}\n`);
    if (isWaiting(input)) return waitForService(input, service.id, service.spec?.name ?? spec.name);
  },
} satisfies Command as Command;

function readFile(path: string): string {
  try { return readFileSync(path, "utf8"); } catch (error) {
    throw new SwarmError("NOT_FOUND", `Cannot read the file "${path}" of --env-file: ${messageOf(error)}.`, { cause: error });
  }
}
