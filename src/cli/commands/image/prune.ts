import { pruneCommand } from "../../docker/prune-command.js";

export default pruneCommand("/images/prune", "images that nothing uses", { all: { help: "All that no container was made from, not only those without a name", filter: { dangling: "false" } } });
