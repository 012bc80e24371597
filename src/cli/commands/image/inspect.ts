import { inspectOnHost } from "../../docker/inspect-on-host.js";

export default inspectOnHost("image", (client, name) => client.json("GET", `/images/${name}/json`));
