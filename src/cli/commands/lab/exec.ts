import { labExec } from "../../../lab/index.js";
import type { Command } from "../../command.js";
import { labNameFlag, labNameOf } from "../../lab-name.js";

export default {
  usage: "[OPTIONS] HOST -- COMMAND [ARG…]",
  about: "Runs a command on a lab's host, with this terminal; its exit code is the command's.",
  args: { min: 1, max: Infinity },
  stopsAtFirstWord: true,
  flags: [labNameFlag],
  examples: [["swarmctl lab exec m1 -- ip addr", "One host's addresses"], ["swarmctl lab exec w1 -- sh", "A shell there"]],
  async run(input) {
    const [host, ...rest] = input.args;
    return labExec(labNameOf(input), host!, rest[0] === "--" ? rest.slice(1) : rest);
  },
} satisfies Command as Command;
