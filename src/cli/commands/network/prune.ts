import { pruneCommand } from "../../docker/prune-command.js";

export default pruneCommand("/networks/prune", "networks of one host that no container is on");
