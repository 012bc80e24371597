import { Metadata, type Client } from "@grpc/grpc-js";
import { SwarmError, codeOf, messageOf, type Clock } from "../lib/index.js";
import { call, type CallContext, type ServiceName } from "../rpc/index.js";
import { notLeaderMessage } from "../store/index.js";
import type { ReadInfo } from "../gen/swarm/v1/ReadInfo.js";
import { busyMessage, type Replication } from "./replication.js";

/** A call as it came in: enough to make it again on the leader. `method` as clients name it: "createService". */
export interface RoutedCall { readonly service: ServiceName; readonly method: string; readonly request: object; readonly context: CallContext }

export interface LeaderForward {
  /** Runs here on the leader, else is called on the leader; waits a little for one. What may have been stored is never sent twice. */
  write<T>(routed: RoutedCall, run: () => Promise<T>): Promise<T>;
  /** As fresh as the leader where one can be reached, else from this copy, which is said in `read`. */
  read<T extends object>(routed: RoutedCall, run: () => T): Promise<T & { read: ReadInfo }>;
  /** Asks what only the leader knows (its loops' state): here on the leader, else there; again when leadership moves meanwhile. Nothing is stored. */
  query<T>(routed: RoutedCall, run: () => Promise<T>): Promise<T>;
}

export interface LeaderForwardOptions {
  readonly nodeId: string;
  readonly clock: Clock;
  readonly replication: Pick<Replication, "isLeader" | "leader" | "leaderlessMs" | "onChange" | "catchUp">;
  readonly index: () => number;
  readonly client: (service: ServiceName, addr: string) => Client;
  /** How long a write waits for a leader, default 4 s: an election takes 1–2. */
  readonly writePatienceMs?: number;
  /** How long a read waits for a leader before it is answered from this copy, default 1 s. */
  readonly readPatienceMs?: number;
}

const forwardedKey = "x-swarm-forwarded";
const callerKey = "x-swarm-caller";
const peerKey = "x-swarm-peer";
const writeTimeoutMs = 60_000;
const readTimeoutMs = 15_000;
/** A what-if of a large cluster takes seconds, in slices beside everything else. */
const queryTimeoutMs = 120_000;
/** After the leader changed during a call: its answer may still be on its way. */
const graceMs = 500;

/** Who asked in the first place: a manager that forwards says so, and managers are believed. */
export function originOf(context: CallContext): { readonly isForwarded: boolean; readonly nodeId: string | undefined; readonly peer: string } {
  const { caller, metadata, peer } = context;
  const text = (key: string) => String(metadata.get(key)[0] ?? "");
  if (caller.kind === "node" && caller.role === "MANAGER" && text(forwardedKey) !== "") return { isForwarded: true, nodeId: text(callerKey) || undefined, peer: text(peerKey) };
  return { isForwarded: false, nodeId: caller.kind === "node" ? caller.nodeId : undefined, peer };
}

export function createLeaderForward(options: LeaderForwardOptions): LeaderForward {
  const { clock, replication, nodeId, index } = options;
  const { writePatienceMs = 4_000, readPatienceMs = 1_000 } = options;

  /** The answer of the leader at `addr`; ends early when it is not the leader any more. */
  async function forward<T>(leader: { nodeId: string; addr: string }, { service, method, request, context }: RoutedCall, timeoutMs: number): Promise<T> {
    const origin = originOf(context);
    const metadata = new Metadata();
    metadata.set(forwardedKey, nodeId);
    metadata.set(callerKey, origin.nodeId ?? "");
    metadata.set(peerKey, context.peer);
    const gone = new AbortController();
    const stop = replication.onChange(() => {
      if (replication.leader?.nodeId === leader.nodeId) return;
      clock.after(graceMs, () => gone.abort(new SwarmError("UNAVAILABLE", "another manager may lead by now")));
    });
    try {
      return await call<T>(options.client(service, leader.addr), method, request, { timeoutMs, metadata, signal: AbortSignal.any([context.signal, gone.signal]) });
    } catch (error) {
      throw gone.signal.aborted ? gone.signal.reason : error;
    } finally { stop(); }
  }

  /** Resolves at the next change of leadership, after `ms`, or when the caller goes away. */
  const change = (ms: number, signal: AbortSignal) => new Promise<void>((resolve) => {
    const done = () => { timer.cancel(); stop(); signal.removeEventListener("abort", done); resolve(); };
    const timer = clock.after(ms, done);
    const stop = replication.onChange(done);
    signal.addEventListener("abort", done, { once: true });
  });

  /** A leader that stays busy says so itself; without a leader there is a better sentence. */
  const outOfTime = (until: number, error: unknown) => clock.monotonic() >= until && !messageOf(error).includes(notLeaderMessage);

  const noLeader = (action: string) => new SwarmError("UNAVAILABLE", `${action}: the cluster has no leader that this manager can reach, for ${seconds(replication.leaderlessMs)} now; a majority of the managers must be up and connected; try again, or on another manager`);

  return {
    async write(routed, run) {
      const { signal } = routed.context;
      const until = clock.monotonic() + writePatienceMs;
      for (;;) {
        if (signal.aborted) throw signal.reason;
        const { leader } = replication;
        if (replication.isLeader) {
          try { return await run(); } catch (error) { if (!wasNotProposed(error) || outOfTime(until, error)) throw error; }
        } else if (originOf(routed.context).isForwarded) {
          // Never a second hop: two managers that take each other for the leader would call each other for ever.
          throw new SwarmError("UNAVAILABLE", `Cannot serve the call: ${notLeaderMessage}`);
        } else if (leader && !leader.isSelf) {
          try {
            return await forward(leader, routed, writeTimeoutMs);
          } catch (error) {
            if (isTooLarge(error)) throw new SwarmError("INVALID_ARGUMENT", "Cannot pass the request on to the leader: it is larger than 4 MiB; make it smaller", { cause: error });
            if (!wasNotProposed(error) && !wasNeverSent(error)) throw isLost(error) ? unknownOutcome(error) : error;
            if (outOfTime(until, error)) throw error;
          }
        }
        const leftMs = until - clock.monotonic();
        if (leftMs <= 0) throw noLeader("Cannot write");
        await change(Math.min(leftMs, 100), signal);
      }
    },

    async read(routed, run) {
      const { signal } = routed.context;
      const until = clock.monotonic() + readPatienceMs;
      const stale = (reason: string) => ({ ...run(), read: { isStale: true, reason: `${reason}: this copy may be out of date`, index: index() } });
      for (;;) {
        if (signal.aborted) throw signal.reason;
        const { leader } = replication;
        if (replication.isLeader) {
          try {
            await replication.catchUp(readPatienceMs);
            return { ...run(), read: { isStale: false, reason: "", index: index() } };
          } catch (error) {
            if (codeOf(error) !== "UNAVAILABLE") throw error;
            if (replication.isLeader && clock.monotonic() >= until) return stale(`this manager leads, but ${messageOf(error)}`);
          }
        } else if (originOf(routed.context).isForwarded) {
          throw new SwarmError("UNAVAILABLE", `Cannot serve the call: ${notLeaderMessage}`);
        } else if (leader && !leader.isSelf) {
          try {
            return await forward(leader, routed, readTimeoutMs);
          } catch (error) { if (!isLost(error)) throw error; }
        }
        const leftMs = until - clock.monotonic();
        if (leftMs <= 0) return stale(leader && !leader.isSelf ? "the leader cannot be reached" : `no leader for ${seconds(replication.leaderlessMs)}`);
        await change(Math.min(leftMs, 100), signal);
      }
    },

    async query(routed, run) {
      const { signal } = routed.context;
      const until = clock.monotonic() + writePatienceMs;
      for (;;) {
        if (signal.aborted) throw signal.reason;
        const { leader } = replication;
        let failure: unknown;
        if (replication.isLeader) {
          try { return await run(); } catch (error) { if (codeOf(error) !== "UNAVAILABLE") throw error; failure = error; }
        } else if (originOf(routed.context).isForwarded) {
          throw new SwarmError("UNAVAILABLE", `Cannot serve the call: ${notLeaderMessage}`);
        } else if (leader && !leader.isSelf) {
          try { return await forward(leader, routed, queryTimeoutMs); } catch (error) { if (codeOf(error) !== "UNAVAILABLE") throw error; failure = error; }
        }
        const leftMs = until - clock.monotonic();
        if (leftMs <= 0) throw failure !== undefined && replication.leader ? failure : noLeader("Cannot ask the scheduler");
        await change(Math.min(leftMs, 100), signal);
      }
    },
  };
}

/**
 * Refused before anything was stored: it may be asked again, here or elsewhere. Both sentences also come from a change that was built on one
 * that was refused so, which no replica applies (see the chain of transactions in store.proto).
 */
const wasNotProposed = (error: unknown): boolean => ["UNAVAILABLE", "RESOURCE_EXHAUSTED"].includes(codeOf(error)) && [notLeaderMessage, busyMessage].some((sentence) => messageOf(error).includes(sentence));
/** grpc-js says so when it had no connection to send the call on. */
const wasNeverSent = (error: unknown): boolean => codeOf(error) === "UNAVAILABLE" && /No connection established|Name resolution failed|ECONNREFUSED/.test(messageOf(error));
/** grpc-js's words at the receiving end, which drops such a message before it is read whole. */
const isTooLarge = (error: unknown): boolean => codeOf(error) === "RESOURCE_EXHAUSTED" && messageOf(error).includes("larger than max");
/** The leader, or the way to it, failed. */
const isLost = (error: unknown): boolean => ["UNAVAILABLE", "DEADLINE_EXCEEDED"].includes(codeOf(error));

const unknownOutcome = (error: unknown): SwarmError => (/may or may not have been stored/.test(messageOf(error)) ? error as SwarmError
  : new SwarmError("UNAVAILABLE", `Cannot tell whether the change was stored: the leader was lost during the call (${messageOf(error)}); look before you repeat it`, { cause: error }));

const seconds = (ms: number): string => `${Math.max(1, Math.round(ms / 1000))} s`;
