import { eachContainer } from "../../docker/each-container.js";
import { parseCount } from "../../parse/number.js";
import { stopFlags } from "./stop.js";

export default eachContainer("Stops and starts containers.", (client, name, { flags }) =>
  client.json("POST", `/containers/${name}/restart`, { query: { t: flags.has("time") ? parseCount(flags.text("time")!, "--time") : undefined, signal: flags.text("signal") } }), stopFlags);
