import { eachContainer } from "../../docker/each-container.js";

export default eachContainer("Sends a signal to containers, SIGKILL unless another is named.", (client, name, { flags }) => client.json("POST", `/containers/${name}/kill`, { query: { signal: flags.text("signal") ?? "SIGKILL" } }),
  [{ name: "signal", short: "s", kind: "text", value: "SIGNAL", help: "Name or number" }]);
