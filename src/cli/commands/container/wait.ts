import { eachContainer } from "../../docker/each-container.js";

export default eachContainer("Waits until containers have ended, and prints their exit codes.", async (client, name, { signal }) =>
  (await client.json<{ StatusCode: number }>("POST", `/containers/${name}/wait`, { signal })).StatusCode);
