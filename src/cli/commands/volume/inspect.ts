import { inspectOnHost } from "../../docker/inspect-on-host.js";

export default inspectOnHost("volume", (client, name) => client.json("GET", `/volumes/${name}`));
