import { eachContainer } from "../../docker/each-container.js";

export default eachContainer("Freezes every process of containers.", (client, name) => client.json("POST", `/containers/${name}/pause`));
