import { pruneCommand } from "../../docker/prune-command.js";

export default pruneCommand("/containers/prune", "containers that do not run");
