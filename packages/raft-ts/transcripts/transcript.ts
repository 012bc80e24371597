/**
 * Transcripts: scenarios of the core as text. A line that begins with "$" is a command, the indented lines behind it are what it led to; "#" begins a comment.
 *
 *   $ group 1 2 3 [electionTicks=10 patience=9 …]    a new group of voters; "4?" is a learner. Ends the one before
 *   $ join 4                          an empty node that waits to be added
 *   $ campaign 1                      1 begins an election (with its pre-vote) without waiting
 *   $ elect 1                         … and everything is delivered: 1 leads, quietly
 *   $ tick 1 [COUNT]                  time passes on 1;   $ timeout 1: until it campaigns;   $ patience 1 TICKS: its election timeout is so much longer
 *   $ propose 1 WORD…                 an entry each;   $ forward 2 7 WORD: 2 hands a proposal, its number 7, on to its leader
 *   $ change 1 add-learner 4          also add-voter, promote, demote, remove, update 2 priority=3; several at once behind commas: "add-learner 4, remove 2"
 *   $ read 1 7                        asks for a read index under the number 7
 *   $ transfer 1 2                    1 hands leadership to 2
 *   $ snapshot 1 [keep=N]             1 takes a snapshot of what it applied and compacts its log
 *   $ crash 1, $ start 1              what was not written is lost;   $ damage 1 COUNT: its disk loses so many entries while it is down;   $ wipe 1: it starts again with an empty one
 *   $ hold 1 writes|applies|restores  from now on they wait for "$ write 1 [COUNT]", "$ apply 1 [COUNT]" and "$ restore 1";   $ release 1
 *   $ deliver [from=1] [to=2] [type=append] [count=1]      messages that are on their way, oldest first; also drop and repeat (deliver and keep)
 *   $ settle                          delivers all until there is nothing more
 *   $ cut 1 2 | 1>2, $ heal           what goes between them is lost (in one direction)
 *   $ send 1 2 append term=2 prev=1@1 entries=2@2:x,3@2:y commit=1     a message of the transcript's own, delivered at once
 *   $ unreachable 1 2                 1's transport says that 2 cannot be reached
 *   $ state [1…], $ log 1, $ config 1, $ progress 1, $ network     look; nothing changes
 *
 * With "quietly" at its end a command tells only how the nodes stand that it changed.
 */
import { LostLogError } from "../src/core/raft.js";
import type { RaftId } from "../src/api.js";
import type { ConfigChange, Entry, Message, ProposeResult } from "../src/core/types.js";
import { describeConfig, describeMessage, describeResult } from "./describe.js";
import { World, type Limits, type Node } from "./world.js";

export class Transcript {
  private world = new World({});

  /** What the command led to, a line each. An error of the core is such a line; one of the transcript itself is thrown. */
  run(line: string): string[] {
    const words = line.split(/\s+/), isQuiet = words.at(-1) === "quietly";
    if (isQuiet) words.pop();
    const before = this.standings();
    const { world } = this;
    world.lines = [];
    let said: string[];
    try { said = this.command(words[0]!, words.slice(1)); } catch (error) {
      if (!(error as Error).message.startsWith("Raft invariant broken") && !(error instanceof LostLogError)) throw error;
      said = [`error: ${(error as Error).message}`];
    }
    const happened = this.world === world && !isQuiet && words[0] !== "elect" ? world.lines : [];
    const after = this.standings();
    const changed = ["state", "group", "elect"].includes(words[0]!) ? [] : [...after].filter(([id, now]) => before.get(id) !== now).map(([, now]) => now);
    return [...happened, ...said, ...changed];
  }

  private standings(): Map<RaftId, string> { return new Map([...this.world.nodes.keys()].map((id) => [id, this.world.describe(id)])); }

  private command(verb: string, words: readonly string[]): string[] {
    const { world } = this;
    const id = Number(words[0]), count = (at: number, otherwise: number) => (words[at] === undefined ? otherwise : Number(words[at]));
    switch (verb) {
      case "group": this.group(words); return [];
      case "join": world.join(id); return [];
      case "campaign": world.campaign(id); return [];
      case "elect": world.campaign(id); world.settle(); if (world.core(id).role !== "leader") throw new Error(`${id} does not lead`); return [];
      case "tick": world.tick(id, count(1, 1)); return [];
      case "timeout": world.timeOut(id); return [];
      case "patience": world.setTimeout(id, count(1, 0)); return [];
      case "propose": return words.slice(1).flatMap((word) => refusalOf(world.propose(id, word)));
      case "forward": return world.forward(id, count(1, 1), words[2] ?? "") ? [] : ["refused: no leader is known"];
      case "change": return refusalOf(world.change(id, words.slice(1).join(" ").split(",").map((change) => parseChange(change.trim().split(/\s+/)))));
      case "read": return world.read(id, count(1, 1)) ? [] : ["refused: no leader is known"];
      case "transfer": return world.transfer(id, Number(words[1])) ? [] : ["refused"];
      case "snapshot": world.snapshot(id, Number(option(words, "keep") ?? 0)); return [];
      case "crash": world.crash(id); return [];
      case "start": world.start(id); return [];
      case "damage": world.damage(id, count(1, 1)); return [];
      case "wipe": world.wipe(id); return [];
      case "hold": hold(world.node(id), words[1]); return [];
      case "release": { const node = world.node(id); node.holdsWrites = node.holdsApplies = node.holdsRestores = false; world.write(id, Infinity); world.restore(id); world.apply(id, Infinity); return []; }
      case "restore": world.restore(id); return [];
      case "write": world.write(id, count(1, 1)); return [];
      case "apply": world.apply(id, count(1, 1)); return [];
      case "deliver": for (const message of this.take(words, false)) world.deliver(message); return [];
      case "repeat": for (const message of this.take(words, true)) world.deliver(message); return [];
      case "drop": for (const message of this.take(words, false)) world.lose(message); return [];
      case "settle": world.settle(); return [];
      case "cut": for (const [from, to] of linksOf(words)) world.cut(from, to); return [];
      case "heal": world.heal(); return [];
      case "send": world.deliver(parseMessage(words)); return [];
      case "unreachable": world.unreachable(id, Number(words[1])); return [];
      case "state": return (words.length > 0 ? words.map(Number) : [...world.nodes.keys()]).map((each) => world.describe(each));
      case "config": return [describeConfig(world.core(id).config)];
      case "log": return [world.describeLog(id)];
      case "progress": return world.describeProgress(id);
      case "network": return world.network.map(describeMessage);
      default: throw new Error(`there is no command "${verb}"`);
    }
  }

  private group(words: readonly string[]): void {
    const limits: Record<string, number | string> = {};
    const members = words.flatMap((word) => {
      const [key, value] = word.split("=");
      if (value !== undefined) { limits[key!] = /^\d+$/.test(value) ? Number(value) : value; return []; }
      return [{ id: Number.parseInt(word, 10), isLearner: word.endsWith("?"), context: new Uint8Array(0) }];
    });
    const { patience = 0, ...others } = limits;
    this.world = new World(others as Limits);
    for (const { id } of members) this.world.setTimeout(id, Number(patience));
    this.world.found({ members, outgoing: [], removed: [] });
  }

  /** The messages on their way that the words choose; they are on their way no more unless `keep`. */
  private take(words: readonly string[], keep: boolean): Message[] {
    const from = option(words, "from"), to = option(words, "to"), type = option(words, "type"), count = Number(option(words, "count") ?? Infinity);
    const chosen = this.world.network.filter((m) => (from === undefined || m.from === Number(from)) && (to === undefined || m.to === Number(to)) && (type === undefined || describeMessage(m).split(" ")[1] === type)).slice(0, count);
    if (chosen.length === 0) throw new Error(`no such message is on its way: ${words.join(" ")}`);
    if (!keep) this.world.network = this.world.network.filter((m) => !chosen.includes(m));
    return chosen;
  }
}

function hold(node: Node, what: string | undefined): void {
  switch (what) {
    case "writes": node.holdsWrites = true; return;
    case "applies": node.holdsApplies = true; return;
    case "restores": node.holdsRestores = true; return;
    default: throw new Error("hold writes, applies or restores");
  }
}

const option = (words: readonly string[], key: string): string | undefined => words.find((word) => word.startsWith(`${key}=`))?.slice(key.length + 1);

const refusalOf = (result: ProposeResult): string[] => (result.kind === "refused" ? [describeResult(result)] : []);

function linksOf(words: readonly string[]): [RaftId, RaftId][] {
  const oneWay = /^(\d+)>(\d+)$/.exec(words[0]!);
  if (oneWay) return [[Number(oneWay[1]), Number(oneWay[2])]];
  const [one, ...others] = words.map(Number);
  return others.flatMap((other): [RaftId, RaftId][] => [[one!, other], [other, one!]]);
}

function parseChange(words: readonly string[]): ConfigChange {
  const kind = words[0] as ConfigChange["kind"], id = Number(words[1]), priority = option(words, "priority");
  const more = { ...(priority !== undefined && { priority: Number(priority) }) };
  switch (kind) {
    case "add-learner": case "add-voter": return { kind, id, context: new Uint8Array(0), ...more, ...(words.includes("stays") && { staysLearner: true }) };
    case "update": return { kind, id, ...more };
    case "promote": case "demote": case "remove": return { kind, id };
    default: throw new Error(`there is no change "${String(kind)}"`);
  }
}

/** "2@1:x": index, term, text; without text an empty entry as a new leader writes it. */
function parseEntry(text: string): Entry {
  const [, index, term, data] = /^(\d+)@(\d+)(?::(.*))?$/.exec(text) ?? [];
  if (index === undefined) throw new Error(`not an entry: ${text}`);
  return { index: Number(index), term: Number(term), kind: data === undefined ? "noop" : "data", data: Buffer.from(data ?? "") };
}

function parseMessage(words: readonly string[]): Message {
  const [from, to, name] = [Number(words[0]), Number(words[1]), words[2]!];
  const number = (key: string, otherwise = 0): number => Number(option(words, key) ?? otherwise);
  const position = (key: string): { index: number; term: number } => { const [index, term] = (option(words, key) ?? "0@0").split("@").map(Number); return { index: index!, term: term! }; };
  const head = { from, to, term: number("term") };
  const last = position("last"), committed = position("committed"), prev = position("prev"), hint = position("hint");
  const list = option(words, "entries"), news = { commit: committed.index, commitTerm: committed.term };
  switch (name) {
    case "vote": case "pre-vote": return { ...head, type: "vote", isPre: name === "pre-vote", lastIndex: last.index, lastTerm: last.term, isTransfer: words.includes("transfer"), ...news };
    case "vote-response": case "pre-vote-response": return { ...head, type: "vote-response", isPre: name === "pre-vote-response", isGranted: words.includes("granted"), ...news };
    case "append": return { ...head, type: "append", prevIndex: prev.index, prevTerm: prev.term, entries: list === undefined ? [] : list.split(",").map(parseEntry), commit: number("commit") };
    case "append-response": return { ...head, type: "append-response", index: number("index") };
    case "append-reject": return { ...head, type: "append-reject", index: number("index"), hintIndex: hint.index, hintTerm: hint.term };
    case "heartbeat": return { ...head, type: "heartbeat", commit: number("commit"), round: number("round", 1) };
    case "heartbeat-response": return { ...head, type: "heartbeat-response", round: number("round", 1), isPromise: words.includes("promise") };
    case "snapshot": return { ...head, type: "snapshot", snapshot: { ...last, config: { members: (option(words, "voters") ?? "").split(",").map((id) => ({ id: Number(id), isLearner: false, context: new Uint8Array(0) })), outgoing: [], removed: [] } } };
    case "hello": return { ...head, type: name, ...news };
    case "timeout-now": case "removed": return { ...head, type: name };
    case "read": return { ...head, type: "read", id: number("id") };
    default: throw new Error(`there is no message "${name}"`);
  }
}
