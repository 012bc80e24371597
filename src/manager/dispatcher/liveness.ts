import type { Clock, Logger } from "../../lib/index.js";
import { isTerminal, stateOf, type Node, type NodeDescription } from "../../model/index.js";
import type { Store } from "../../store/index.js";
import { LeaseTable } from "./core/lease-table.js";
import { isSame } from "./core/same.js";

/** Tasks of a node that has been away for so long are given up: ORPHANED, whatever became of them there. */
const orphanAfterMs = 24 * 3_600_000;

/** What a session said of its node. */
export interface Heard { readonly nodeId: string; readonly addr: string; readonly description: NodeDescription | undefined; readonly isGone?: boolean }

/**
 * The leader's view of which nodes are alive, written into the store when it changes. Fed by this manager's sessions and by the
 * reports of the other managers; nothing here is kept when leadership ends.
 */
export class Liveness {
  readonly #leases = new LeaseTable();
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #heartbeatMs: () => number;
  #isLeader = false;
  #pending = new Map<string, (node: Node) => Node>();
  #isFlushing = false;
  #lastTick = 0;
  #nextOrphanCheck = 0;

  constructor(options: { store: Store; clock: Clock; log: Logger; heartbeatMs: () => number }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#heartbeatMs = options.heartbeatMs;
  }

  /** Nobody's last heartbeat is known here: each node gets twice the usual time to find a manager and be heard. */
  becomeLeader(): void {
    this.#isLeader = true;
    this.#leases.clear();
    const now = this.#clock.monotonic();
    this.#lastTick = now;
    this.#nextOrphanCheck = now + 60_000;
    this.#store.view((tx) => {
      for (const node of tx.list("node")) if (node.status?.state === "READY" || (node.description && node.status?.state !== "DOWN")) this.#leases.grant(node.id, now, 6 * this.#heartbeatMs());
    });
  }

  loseLeader(): void {
    this.#isLeader = false;
    this.#leases.clear();
    this.#pending.clear();
  }

  heard(report: Heard): void {
    if (!this.#isLeader) return;
    const node = this.#store.view((tx) => tx.get("node", report.nodeId));
    if (!node) { this.#leases.drop(report.nodeId); return; }
    if (report.isGone) {
      this.#leases.drop(report.nodeId);
      this.#change(report.nodeId, (present) => this.#withState(present, "DOWN", "the node left the cluster"));
      return;
    }
    this.#leases.renew(report.nodeId, this.#clock.monotonic(), 3 * this.#heartbeatMs());
    const update = (present: Node): Node => {
      const ready = this.#withState(present, "READY", "", report.addr);
      return report.description && !isSame(present.description, report.description) ? { ...ready, description: report.description } : ready;
    };
    if (update(node) !== node) this.#change(report.nodeId, update);
  }

  /** Called several times a heartbeat. */
  tick(): void {
    if (!this.#isLeader) return;
    const now = this.#clock.monotonic();
    const late = now - this.#lastTick - this.#heartbeatMs();
    // This process was paused or starved: heartbeats of that time are still unread in the sockets.
    if (late > 0) this.#leases.extendAll(late + this.#heartbeatMs());
    this.#lastTick = now;
    for (const nodeId of this.#leases.expired(now)) {
      const node = this.#store.view((tx) => tx.get("node", nodeId));
      if (!node || node.status?.state === "DOWN") { this.#leases.drop(nodeId); continue; }
      this.#change(nodeId, (present) => (this.#leases.has(nodeId) && this.#leases.expired(this.#clock.monotonic()).includes(nodeId)
        ? this.#withState(present, "DOWN", `no heartbeat for ${(3 * this.#heartbeatMs() / 1000).toFixed(1)} s`) : present));
    }
    if (now >= this.#nextOrphanCheck) {
      this.#nextOrphanCheck = now + 60_000;
      const nowMs = this.#clock.now();
      const lost = this.#store.view((tx) => tx.list("node").filter((n) => n.status?.state === "DOWN" && nowMs - n.status.sinceMs > orphanAfterMs).map((n) => n.id));
      for (const nodeId of lost) this.orphanTasks(nodeId, "its node has been down for more than 24 h");
    }
  }

  /** Gives up the tasks of a node that will not report on them. */
  orphanTasks(nodeId: string, reason: string): void {
    if (!this.#isLeader) return;
    const isLost = this.#store.view((tx) => tx.tasksOfNode(nodeId).some((task) => !isTerminal(stateOf(task))));
    if (!isLost) return;
    void this.#store.update((tx) => {
      for (const task of tx.tasksOfNode(nodeId)) {
        if (isTerminal(stateOf(task))) continue;
        tx.update("task", { ...task, status: { ...task.status!, state: "ORPHANED", timestampMs: this.#clock.now(), appliedAtMs: this.#clock.now(), message: "", err: `Gave up the task: ${reason}` } });
      }
    }).catch((error) => this.#log.warn("Could not give up the tasks of a lost node; trying again in a minute", { node: nodeId, error }));
  }

  #withState(node: Node, state: "READY" | "DOWN", message: string, addr = node.status?.addr ?? ""): Node {
    const status = node.status;
    if (status?.state === state && status.addr === addr) return node;
    const sinceMs = status?.state === state ? status.sinceMs : this.#clock.now();
    return { ...node, status: { state, message, addr, sinceMs } };
  }

  #change(nodeId: string, update: (node: Node) => Node): void {
    this.#pending.set(nodeId, update);
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    queueMicrotask(() => void this.#flush());
  }

  /** One transaction at a time; what arrives meanwhile goes into the next. A failed write comes again with the next heartbeat or tick. */
  async #flush(): Promise<void> {
    try {
      while (this.#pending.size > 0 && this.#isLeader) {
        const batch = this.#pending;
        this.#pending = new Map();
        const changed = await this.#store.update((tx) => {
          const states: { node: string; state: string; message: string }[] = [];
          for (const [nodeId, update] of batch) {
            const node = tx.get("node", nodeId);
            const next = node && update(node);
            if (!next || next === node) continue;
            tx.update("node", next);
            if (next.status?.state !== node.status?.state) states.push({ node: nodeId, state: next.status!.state, message: next.status!.message });
          }
          return states;
        });
        for (const fields of changed) this.#log.info("Node changed its state", fields);
      }
    } catch (error) {
      this.#log.debug("Could not store the state of nodes", { error });
    } finally {
      this.#isFlushing = false;
    }
  }
}
