import { randomInt } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { RaftError, RaftNode, type Member, type Raft, type RaftMetrics, type RaftStatus, type Transport } from "raft-ts";
import { SwarmError, messageOf, type ErrorCode, type Logger } from "../lib/index.js";
import { notLeaderMessage, type ReplicatedStore } from "../store/index.js";
import type { ManagerMember } from "./control-api/index.js";
import { openSealer, writeDurably } from "./raft-key.js";

/** What the raft group knows of a member: where to reach it, and whose it is. */
export interface MemberContext { readonly nodeId: string; readonly addr: string }

export interface ReplicationOptions {
  readonly store: ReplicatedStore;
  readonly self: MemberContext;
  /** Log, snapshots, key and id live here. */
  readonly directory: string;
  /** "recover": the others are lost, this member goes on alone. */
  readonly start: "bootstrap" | "join" | "recover";
  readonly log: Logger;
  /** Made once the raft id is known. */
  readonly transport: (raftId: number) => Transport;
  /** For tests: shorter elections. */
  readonly tickMs?: number;
}

/** The replicated store as a manager sees it: who leads, who belongs, and how fresh this copy is. */
export interface Replication {
  readonly raftId: number;
  /** It leads, and has applied all that was committed before: its store takes transactions. */
  readonly isLeader: boolean;
  readonly leader: (MemberContext & { readonly isSelf: boolean }) | undefined;
  readonly leaderlessMs: number;
  readonly members: readonly ManagerMember[];
  readonly isMember: boolean;
  readonly status: RaftStatus;
  readonly metrics: RaftMetrics;
  /** Called at each change of leader, role or membership; not at once. Returns the handle that ends it. */
  onChange(listener: () => void): () => void;
  /** Resolves once this store holds everything that was committed before the call; rejects when no majority confirms in time. */
  catchUp(timeoutMs: number): Promise<void>;
  /** Leader only. Adds a member, or gives it its new address; resolves when it votes. ABORTED: the id was removed before. */
  addMember(raftId: number, member: MemberContext): Promise<void>;
  /** Leader only, and not for itself. */
  removeMember(nodeId: string): Promise<void>;
  transferLeadership(): Promise<void>;
  close(): Promise<void>;
}

/** The only file that knows both raft and the store: committed entries go in, transactions go out, RaftErrors become SwarmErrors. */
export async function openReplication(options: ReplicationOptions): Promise<Replication> {
  const { store, self, directory, log } = options;
  const raftId = await readOrChooseId(join(directory, "raft.json"));
  const sealer = await openSealer(join(directory, "raft.key"), { isNew: !await isFilled(join(directory, "raft")) });
  const context = encodeContext(self);
  const raft: Raft = await RaftNode.open({
    id: raftId,
    directory: join(directory, "raft"),
    stateMachine: {
      apply: (entries) => store.applyEntries(entries),
      snapshot: () => store.snapshot(),
      restore: (chunks, index) => store.restore(chunks, index),
    },
    transport: options.transport(raftId),
    start: options.start === "bootstrap" ? { kind: "bootstrap", context } : options.start === "recover" ? { kind: "recover", context } : { kind: "join" },
    sealer,
    log: (level, message, fields) => log[level](message, fields),
    ...(options.tickMs === undefined ? {} : { tickMs: options.tickMs }),
  });

  const isLeader = () => { const status = raft.status(); return status.role === "leader" && status.isReady; };
  store.setProposer({
    get isLeader() { return isLeader(); },
    async propose(data) {
      try { await raft.propose(data); } catch (error) { throw fromRaftError(error); }
    },
  });

  /** A refusal for want of a majority, with the names of those that do not answer. */
  const missingNamed = (error: unknown): SwarmError | undefined => {
    if (!(error instanceof RaftError) || error.missing.length === 0) return undefined;
    const names = raft.status().members.filter(({ id }) => error.missing.includes(id)).map((member) => {
      const nodeId = decodeContext(member)?.nodeId ?? String(member.id);
      return `"${store.view((tx) => tx.get("node", nodeId)?.description?.hostname) || nodeId}"`;
    });
    return new SwarmError("FAILED_PRECONDITION", `the managers that would remain have no majority without ${names.join(" and ")}, which ${names.length === 1 ? "does" : "do"} not answer; bring back what is missing first`, { cause: error });
  };

  return {
    raftId,
    get status() { return raft.status(); },
    get metrics() { return raft.metrics(); },
    get isLeader() { return isLeader(); },
    get leader() {
      const { leader, members } = raft.status();
      const member = members.find(({ id }) => id === leader);
      const known = member && decodeContext(member);
      return known && { ...known, isSelf: member.id === raftId };
    },
    get leaderlessMs() { return raft.status().leaderlessMs; },
    get members() {
      return raft.status().members.flatMap((member) => {
        const known = decodeContext(member);
        return known ? [{ ...known, raftId: member.id, isLearner: member.isLearner, isReachable: member.id === raftId || member.isActive, ...(member.progress && { progress: member.progress }) }] : [];
      });
    },
    get isMember() { return raft.status().members.some(({ id }) => id === raftId); },
    onChange(listener) {
      let isFirst = true;
      const stop = raft.onChange(() => { if (!isFirst) listener(); });
      isFirst = false;
      return stop;
    },
    async catchUp(timeoutMs) {
      const signal = AbortSignal.timeout(timeoutMs);
      try {
        await raft.waitApplied(await raft.readIndex({ signal }), signal);
      } catch (error) {
        const reason = signal.aborted || (error instanceof RaftError && error.kind === "quorum") ? `a majority of managers did not answer within ${timeoutMs / 1000} s` : fromRaftError(error).message;
        throw new SwarmError("UNAVAILABLE", reason, { cause: error });
      }
    },
    async addMember(id, member) {
      const present = raft.status().members.find((m) => m.id === id);
      try {
        if (!present || present.isLearner) await raft.addMember({ id, context: encodeContext(member) });
        else if (decodeContext(present)?.addr !== member.addr) await raft.updateMember(id, encodeContext(member));
      } catch (error) {
        if (error instanceof RaftError && error.kind === "removed") throw new SwarmError("ABORTED", `Cannot add node "${member.nodeId}" to the raft group: it was a member before and was removed; it must come with a new raft id`, { cause: error });
        throw fromRaftError(error);
      }
    },
    async removeMember(nodeId) {
      for (const member of raft.status().members) {
        if (decodeContext(member)?.nodeId !== nodeId) continue;
        try { await raft.removeMember(member.id); } catch (error) { throw missingNamed(error) ?? fromRaftError(error); }
      }
    },
    async transferLeadership() {
      try { await raft.transferLeadership(); } catch (error) { throw fromRaftError(error); }
    },
    close: () => raft.close(),
  };
}

const isFilled = (directory: string): Promise<boolean> => readdir(directory).then((names) => names.some((name) => name.endsWith(".seg")), () => false);

/** Chosen once and kept: a manager that lost its directory comes back as another member (Raft §6: ids are never used again). */
async function readOrChooseId(path: string): Promise<number> {
  const content = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => { if (error.code === "ENOENT") return undefined; throw error; });
  if (content !== undefined) {
    const raftId = raftIdIn(content);
    if (raftId === undefined) throw new SwarmError("DATA_LOSS", `Cannot start the manager: "${path}" is damaged; remove this manager from the cluster and join again`);
    return raftId;
  }
  const raftId = randomInt(1, 2 ** 47);
  await writeDurably(path, `${JSON.stringify({ raftId })}\n`);
  return raftId;
}

function raftIdIn(content: string): number | undefined {
  try {
    const { raftId } = JSON.parse(content) as { raftId: unknown };
    return Number.isSafeInteger(raftId) && (raftId as number) > 0 ? raftId as number : undefined;
  } catch { return undefined; }
}

const encodeContext = (member: MemberContext): Uint8Array => Buffer.from(JSON.stringify({ nodeId: member.nodeId, addr: member.addr }));

export function decodeContext(member: Pick<Member, "context">): MemberContext | undefined {
  try {
    const { nodeId, addr } = JSON.parse(Buffer.from(member.context).toString("utf8")) as Partial<MemberContext>;
    return typeof nodeId === "string" && typeof addr === "string" ? { nodeId, addr } : undefined;
  } catch { return undefined; }
}

/** Raft took nothing: too much is in flight, or leadership is just being handed over. */
export const busyMessage = "too many changes wait to be stored";

const codes: Readonly<Record<RaftError["kind"], readonly [ErrorCode, string]>> = {
  "not-leader": ["UNAVAILABLE", notLeaderMessage],
  dropped: ["UNAVAILABLE", "leadership was lost before the change was confirmed: it may or may not have been stored; look before you repeat it"],
  unfit: ["FAILED_PRECONDITION", "the change does not fit the managers as they are"],
  "too-large": ["INVALID_ARGUMENT", "the change is too large for one raft entry"],
  quorum: ["FAILED_PRECONDITION", "the managers that would remain could not form a majority; bring the missing ones back first"],
  busy: ["RESOURCE_EXHAUSTED", `${busyMessage}; try again in a moment`],
  removed: ["FAILED_PRECONDITION", "this manager was removed from the raft group"],
  closed: ["UNAVAILABLE", "this manager is stopping; try another"],
  corrupt: ["DATA_LOSS", "this manager's raft log is damaged"],
  storage: ["UNAVAILABLE", "this manager's disk failed; try another manager"],
};

export function fromRaftError(error: unknown): SwarmError {
  if (error instanceof SwarmError) return error;
  if (!(error instanceof RaftError)) return new SwarmError("UNAVAILABLE", messageOf(error), { cause: error });
  const [code, sentence] = codes[error.kind];
  return new SwarmError(code, sentence, { cause: error });
}
