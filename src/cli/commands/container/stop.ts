import { eachContainer } from "../../docker/each-container.js";
import { parseCount } from "../../parse/number.js";
import type { FlagSpec } from "../../command.js";

export const stopFlags: readonly FlagSpec[] = [
  { name: "time", short: "t", kind: "text", value: "SECONDS", help: "From the stop signal to SIGKILL (default the container's, else 10)" },
  { name: "signal", short: "s", kind: "text", value: "SIGNAL", help: "Signal to send first (default the container's)" },
];

export default eachContainer("Stops containers.", (client, name, { flags }) =>
  client.json("POST", `/containers/${name}/stop`, { query: { t: flags.has("time") ? parseCount(flags.text("time")!, "--time") : undefined, signal: flags.text("signal") } }), stopFlags);
