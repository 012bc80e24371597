import { eachContainer } from "../../docker/each-container.js";

export default eachContainer("Thaws frozen containers.", (client, name) => client.json("POST", `/containers/${name}/unpause`));
