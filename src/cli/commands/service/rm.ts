import type { Command } from "../../command.js";
import type { GetServiceResponse } from "../../../gen/swarm/v1/GetServiceResponse.js";
import { confirm, yesFlag } from "../../confirm.js";
import { forEachWord } from "../../each.js";
import { exitCode } from "../../exit-codes.js";
import { present, readTo } from "../../present.js";
import { waitForRemoval } from "../../wait/wait-for-service.js";

export default {
  usage: "[OPTIONS] SERVICE…",
  about: "Removes services: their tasks stop, within their grace periods, and they are forgotten.",
  args: { min: 1, max: Infinity },
  flags: [yesFlag, { name: "detach", short: "d", kind: "switch", help: "Return at once, do not wait until the tasks have stopped" }],
  async run(input) {
    const { args, connection, terminal, flags } = input;
    await confirm(input, `Remove ${args.length === 1 ? `the service "${args[0]}"` : `${args.length} services`} and stop ${args.length === 1 ? "its" : "their"} tasks?`);
    const removed: { id: string; name: string }[] = [];
    let code: number = exitCode.done;
    const wait = async () => {
      if (flags.on("detach")) return;
      for (const { id, name } of removed) {
        const each = await waitForRemoval(input, id);
        if (each === exitCode.notConverged) terminal.err(`swarmctl: Service "${name}" is being removed, but some tasks have not stopped yet; "swarmctl task ls" shows them.\n`);
        code = Math.max(code, each);
      }
    };
    try {
      await forEachWord(args, async (ref) => {
        const service = present((await readTo("remove", connection.control<GetServiceResponse>("getService", { ref }))).service, "service");
        await connection.control("removeService", { ref: service.id });
        removed.push({ id: service.id, name: service.spec?.name ?? ref });
        terminal.out(`${service.spec?.name ?? ref}\n`);
      });
    } finally { await wait(); }
    return code;
  },
} satisfies Command as Command;
