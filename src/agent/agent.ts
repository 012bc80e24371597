import { join } from "node:path";
import type { TaskEngine } from "../engine/index.js";
import type { NodeUpdate } from "../gen/swarm/v1/NodeUpdate.js";
import { backoffMs, messageOf, sleep, SwarmError, type Clock, type Logger } from "../lib/index.js";
import type { NodeDescription } from "../model/index.js";
import type { Overlay } from "../overlay/index.js";
import type { Connector } from "./connector.js";
import { AgentDatabase } from "./database.js";
import { AgentSession } from "./session.js";
import { UsageSampler, type HostUsage } from "./usage-sampler.js";
import { Worker } from "./worker.js";

export interface AgentOptions {
  readonly nodeId: string;
  readonly engine: TaskEngine;
  readonly overlay: Overlay;
  readonly connector: Connector;
  /** The node's state directory; the agent's database is `<stateDir>/agent/db`. */
  readonly stateDir: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** [0, 1) */
  readonly random: () => number;
  /** This host's underlay address; "" = as the manager sees the connection. */
  readonly addr: string;
  /** Asked for at each session and every 20 s. */
  readonly describe: () => Promise<NodeDescription>;
  /** The paths of the device nodes that go with GPUs of this host; absent: none. */
  readonly gpuDeviceNodes?: (ids: readonly string[]) => Promise<readonly string[]>;
  /** What the host and its tasks use now; absent: nothing is reported. */
  readonly usage?: () => Promise<HostUsage>;
  /** The node object (role!), the managers or the cluster's settings, at each session and whenever they change. */
  readonly onNodeUpdate?: (update: NodeUpdate) => void;
}

export interface AgentStatus {
  readonly isConnected: boolean;
  /** The manager of the session, or the last one tried. */
  readonly manager: string;
  readonly sessionId: string;
  /** Why there is no session; "" while there is one. */
  readonly error: string;
  readonly tasks: number;
  /** As last heard, also from before a restart. */
  readonly managers: readonly string[];
}

export interface Agent {
  status(): AgentStatus;
  /** Ends the session and this process's part; containers go on. */
  stop(): Promise<void>;
  /** Says goodbye to the cluster, stops and removes all tasks (until the signal fires), forgets everything and stops. */
  leave(signal?: AbortSignal): Promise<void>;
}

const backoff = { baseMs: 100, maxMs: 8_000 } as const;
/** A session that ends sooner (a full disk here, a manager that cannot serve) was no success: tries become rarer. */
const stableSessionMs = 5_000;

/** See index.ts. Resolves once what runs on this host is taken over; a manager need not be in reach. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { clock, log, random, connector } = options;
  const database = await AgentDatabase.open(join(options.stateDir, "agent/db"), log);
  const stopping = new AbortController();
  const sampler = options.usage && new UsageSampler({ sample: options.usage, clock, log });
  let session: AgentSession | undefined;
  let state = { isConnected: false, manager: "", sessionId: "", error: "not connected yet" };

  const worker = await Worker.start({ ...options, database, onReport: () => session?.report() }).catch(async (error) => { sampler?.stop(); await database.close(); throw error; });
  if (worker.managers.length > 0) connector.update(worker.managers);

  const onNodeUpdate = (update: NodeUpdate) => {
    connector.update(update.managers);
    worker.configure({ dataPort: update.dataPort || 4789, managers: update.managers });
    options.onNodeUpdate?.(update);
  };

  async function runSessions(): Promise<void> {
    for (let attempt = 0; !stopping.signal.aborted; attempt += 1) {
      let welcomedAt: number | undefined;
      try {
        const { addr, client } = connector.next();
        state = { ...state, manager: addr };
        try {
          session = new AgentSession({
            ...options, client, worker, onNodeUpdate, usage: () => sampler?.report(),
            onWelcome: (sessionId) => {
              welcomedAt = clock.monotonic();
              state = { isConnected: true, manager: addr, sessionId, error: "" };
              log.info("The agent has a session", { manager: addr, session: sessionId });
            },
          });
          await session.run();
          throw new SwarmError("UNAVAILABLE", "the manager ended the session");
        } finally {
          session = undefined;
          client.close();
        }
      } catch (error) {
        if (stopping.signal.aborted) break;
        const why = { manager: state.manager, error };
        if (state.isConnected) log.warn("The agent lost its session; trying other managers, tasks go on meanwhile", why);
        else log.info("The agent could not open a session; trying again", why);
        state = { ...state, isConnected: false, sessionId: "", error: messageOf(error) };
      }
      if (welcomedAt !== undefined && clock.monotonic() - welcomedAt >= stableSessionMs) attempt = 0;
      await sleep(clock, backoffMs(attempt, backoff, random), stopping.signal).catch(() => {});
    }
    state = { ...state, isConnected: false, sessionId: "", error: "the agent has stopped" };
  }
  const sessions = runSessions();

  async function stop(leave?: { signal: AbortSignal | undefined }): Promise<void> {
    if (stopping.signal.aborted) return sessions;
    stopping.abort(new SwarmError("CANCELLED", "the agent is stopping"));
    sampler?.stop();
    session?.end({ goodbye: leave !== undefined });
    // The manager ends its half when it has read the goodbye; a silent one is not waited for.
    const timer = clock.after(2_000, () => session?.cancel());
    await sessions;
    timer.cancel();
    // After the goodbye: the managers replace the tasks and send them no more traffic while they stop here.
    if (leave) await worker.drain(leave.signal);
    await worker.stop();
    await database.close();
  }

  return {
    status: () => ({ ...state, tasks: worker.taskCount, managers: worker.managers }),
    stop: () => stop(),
    leave: (signal) => stop({ signal }),
  };
}
