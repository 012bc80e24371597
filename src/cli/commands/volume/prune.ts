import { pruneCommand } from "../../docker/prune-command.js";

export default pruneCommand("/volumes/prune", "volumes that no container has", { all: { help: "Named ones too, not only anonymous ones", filter: { all: "true" } } });
