import { SwarmError, sleep, systemClock } from "../../lib/index.js";
import { stateOf } from "../../model/index.js";
import type { ListTasksResponse } from "../../gen/swarm/v1/ListTasksResponse.js";
import type { PlannedMove } from "../../gen/swarm/v1/PlannedMove.js";
import type { RebalanceResponse } from "../../gen/swarm/v1/RebalanceResponse.js";
import type { Command, CommandInput } from "../command.js";
import { confirm, yesFlag } from "../confirm.js";
import { exitCode } from "../exit-codes.js";
import { choose } from "../parse/key-value.js";
import { parseCount } from "../parse/number.js";
import { nodeUseLines } from "../print/node-use.js";
import { table } from "../print/table.js";

const strategies = { default: "REBALANCE_DEFAULT", pack: "REBALANCE_PACK", spread: "REBALANCE_SPREAD", free: "REBALANCE_FREE" } as const;

export default {
  usage: "[OPTIONS] [NODE]",
  about: "Moves running tasks to where they fit better: onto fewer nodes (pack), evenly over all (spread), or off one node (free). Shows the plan first; each move starts the task's successor before the task stops.",
  args: { min: 0, max: 1 },
  flags: [
    { name: "strategy", kind: "text", value: "STRATEGY", help: "pack, spread, or free with a NODE; left out: as the cluster places" },
    { name: "max-moves", kind: "text", value: "NUMBER", help: "At most so many moves, those that buy most" },
    { name: "dry-run", kind: "switch", help: "Only show the plan" },
    { name: "apply", kind: "switch", help: "Make the moves without asking" },
    { name: "detach", short: "d", kind: "switch", help: "Do not wait until the moves are made" },
    { name: "format", kind: "text", value: "FORMAT", help: "table (for people) or json (the whole plan)" },
    yesFlag,
  ],
  examples: [
    ["swarmctl rebalance --dry-run", "What would change, and what it buys"],
    ["swarmctl rebalance --strategy spread --max-moves 10 --apply", "The ten moves that even out most"],
    ["swarmctl rebalance --strategy free node-3", "Empty a node without draining it"],
  ],
  notes: "Without --dry-run or --apply it shows the plan and asks; where nobody can be asked it only shows it.\nTasks of services created with --no-move, and those of global services, stay. A move is given up, and the task stays where it is, when its successor fails or does not run within 5 minutes.",
  async run(input) {
    const { flags, args, terminal, connection } = input;
    const strategy = choose(flags.text("strategy") ?? (args.length > 0 ? "free" : "default"), "--strategy", strategies);
    if (strategy === "REBALANCE_FREE" && args.length === 0) throw new SwarmError("INVALID_ARGUMENT", 'Cannot free a node: none is named; write "swarmctl rebalance --strategy free NODE".');
    if (strategy !== "REBALANCE_FREE" && args.length > 0) throw new SwarmError("INVALID_ARGUMENT", `Cannot use node "${args[0]}" here: only --strategy free takes a node.`);
    if (flags.on("dry-run") && flags.on("apply")) throw new SwarmError("INVALID_ARGUMENT", "Cannot both show and make the moves: leave out --dry-run or --apply.");
    const isJson = choose(flags.text("format") ?? "table", "--format", { table: false, json: true } as const);
    const maxMoves = flags.text("max-moves") === undefined ? 0 : parseCount(flags.text("max-moves")!, "--max-moves", { min: 1 });
    const request = { strategy, node: args[0] ?? "", maxMoves, apply: false };
    const applies = flags.on("apply") || (flags.on("yes") && !flags.on("dry-run"));

    let plan = await connection.control<RebalanceResponse>("rebalance", { ...request, apply: applies });
    if (!isJson) show(input, plan, args[0]);
    if (!applies && !flags.on("dry-run") && !isJson && terminal.canAsk && plan.moves.length > 0) {
      await confirm(input, `Make ${counted(plan.moves.length, "move")}?`);
      plan = await connection.control<RebalanceResponse>("rebalance", { ...request, apply: true });
    }
    if (isJson) terminal.out(`${JSON.stringify(plan, undefined, 2)}\n`);
    if (!plan.isApplied || plan.moves.length === 0) {
      if (!isJson && plan.moves.length > 0) terminal.err("Nothing was moved; --apply makes these moves.\n");
      return exitCode.done;
    }
    if (flags.on("detach")) return exitCode.done;
    try {
      return await waitForMoves(input, plan.moves);
    } catch (error) {
      if (input.signal.aborted) terminal.err('The moves go on without this command; "swarmctl service ps" shows them.\n');
      throw error;
    }
  },
} satisfies Command as Command;

/** `node`: the one that is to be freed. */
function show({ terminal }: CommandInput, plan: RebalanceResponse, node: string | undefined): void {
  if (plan.unmovableTasks > 0) terminal.err(`${counted(plan.unmovableTasks, "task")} cannot be moved (no-move, global, or moving already).\n`);
  if (plan.moves.length === 0) return terminal.out(`Nothing to move: ${node === undefined ? "no move would make it better" : `node ${node} has no task that could run elsewhere`}.\n`);
  terminal.out(table(plan.moves, [
    { title: "TASK", value: (move) => move.taskName },
    { title: "FROM", value: (move) => move.fromNode },
    { title: "TO", value: (move) => move.toNode },
    { title: "WHAT IT BUYS", value: (move) => move.gain },
  ], terminal));
  terminal.out(`\n${nodeUseLines(terminal, plan.before, plan.after).join("\n")}\n`);
  const used = (nodes: RebalanceResponse["before"]) => nodes.filter(({ tasks }) => tasks > 0).length;
  const left = node === undefined ? undefined : plan.after.find(({ nodeId, nodeName }) => nodeId === node || nodeName === node)?.tasks;
  if (left !== undefined && left > 0) terminal.out(`\n${counted(left, "task")} ${left === 1 ? "stays" : "stay"} on node ${node}.\n`);
  terminal.out(`\n${counted(plan.moves.length, "move")}${plan.isLimited ? " (more would follow without --max-moves)" : ""}; nodes in use: ${used(plan.before)} → ${used(plan.after)}\n`);
}

/** Until every task of the plan is gone from its node or stays for good. */
async function waitForMoves({ connection, terminal, signal }: CommandInput, moves: readonly PlannedMove[]): Promise<number> {
  const open = new Map(moves.map((move) => [move.taskId, move]));
  let stayed = 0;
  while (open.size > 0) {
    const { tasks } = await connection.control<ListTasksResponse>("listTasks", { filters: [] }, { signal });
    const present = new Map(tasks.flatMap(({ task }) => (task ? [[task.id, task] as const] : [])));
    for (const [id, move] of open) {
      const task = present.get(id);
      const isGone = !task || task.desiredState !== "RUNNING" || stateOf(task) !== "RUNNING";
      if (!isGone && task.move) continue;
      open.delete(id);
      if (!isGone) stayed++;
      terminal.err(isGone ? `${move.taskName}: ${move.fromNode} → ${move.toNode} (${moves.length - open.size}/${moves.length})\n` : `${move.taskName}: stays on ${move.fromNode}, its successor did not run on ${move.toNode}; see "swarmctl service ps"\n`);
    }
    if (open.size > 0) await sleep(systemClock, 500, signal);
  }
  return stayed > 0 ? exitCode.notConverged : exitCode.done;
}

const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? "" : "s"}`;
