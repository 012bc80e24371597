import type { Command, FlagSpec } from "../command.js";
import { confirm, yesFlag } from "../confirm.js";
import { parseKeyValue } from "../parse/key-value.js";
import { size } from "../print/inspect.js";
import { filtersParameter } from "./client.js";
import { nodeFlag } from "./container-flags.js";

export interface Pruned { readonly SpaceReclaimed?: number; readonly [list: string]: unknown }

/** `NOUN prune`: asks, removes what nothing uses, and says what went. `allFilter` is the filter that --all sets. */
export function pruneCommand(path: string, what: string, options: { all?: { readonly help: string; readonly filter: Readonly<Record<string, string>> } } = {}): Command {
  const flags: FlagSpec[] = [
    ...(options.all ? [{ name: "all", short: "a", kind: "switch" as const, help: options.all.help }] : []),
    { name: "filter", short: "f", kind: "list", value: "KEY=VALUE", help: "Only what matches: until, label" }, yesFlag, nodeFlag,
  ];
  return {
    usage: "[OPTIONS]", about: `Removes ${what} from one host.`, args: { min: 0 }, flags,
    async run(input) {
      await confirm(input, `Remove ${what}?`);
      const filters = [...input.flags.list("filter").map((text) => { const [key, value] = parseKeyValue(text, "--filter"); return { key, value }; }), ...(options.all && input.flags.on("all") ? Object.entries(options.all.filter).map(([key, value]) => ({ key, value })) : [])];
      const answer = await input.connection.docker(input.flags.text("node")).json<Pruned>("POST", path, { query: { filters: filtersParameter(filters) } });
      for (const list of Object.values(answer)) if (Array.isArray(list)) for (const each of list as (string | { Deleted?: string; Untagged?: string })[]) input.terminal.out(`${typeof each === "string" ? each : each.Deleted ?? each.Untagged ?? ""}\n`);
      if (answer.SpaceReclaimed !== undefined) input.terminal.err(`${size(answer.SpaceReclaimed)} freed\n`);
    },
  };
}
