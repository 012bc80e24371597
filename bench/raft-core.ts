/**
 * raft-core: processor time of raft-ts's state machine for one 256-byte proposal: three replicas in one thread, without disk, network or encoding.
 *
 *   npm run bench -- raft-core
 *
 * Proposals are made in batches; then messages are carried until everybody has applied them. Published for etcd/raft in Go, another harness: 10.5 µs.
 */
import { RaftCore, type Config, type Message } from "raft-ts/core";
import { median, report } from "./report.js";

const proposals = Number(process.env["PROPOSALS"] ?? 200_000);
const rounds = Number(process.env["ROUNDS"] ?? 3);
const config: Config = { members: [1, 2, 3].map((id) => ({ id, isLearner: false, context: new Uint8Array(0) })), outgoing: [], removed: [] };

class Replicas {
  private readonly cores = config.members.map(({ id }) => new RaftCore({
    id, electionTicks: 10, heartbeatTicks: 2, maxMessageBytes: 1 << 20, maxInflight: 256, maxInflightBytes: 1 << 26, maxUncommittedBytes: 1 << 26, maxApplyBytes: 1 << 20, promotionLag: 100,
    random: () => id, log: () => {}, state: { hardState: { term: 1, vote: 0, commit: 0 }, config, base: { index: 0, term: 0 }, entries: [], applied: 0, recovering: false },
  }));
  private readonly leader: RaftCore;

  constructor() {
    while (!this.cores.some((core) => core.role === "leader")) { for (const core of this.cores) core.tick(); this.carry(); }
    this.leader = this.cores.find((core) => core.role === "leader")!;
  }

  /** Until nobody has anything more to do. */
  private carry(): void {
    for (let isBusy = true; isBusy;) {
      isBusy = false;
      const messages: Message[] = [];
      for (const core of this.cores) {
        while (core.isDirty) {
          isBusy = true;
          const { messages: now, write, committed } = core.ready();
          messages.push(...now);
          if (write) { messages.push(...write.messages); core.persisted(write.id); }
          if (committed.length > 0) core.applied(committed[committed.length - 1]!.index);
        }
      }
      for (const message of messages) this.cores[message.to - 1]!.step(message);
    }
  }

  propose(count: number, batch: number): void {
    const data = new Uint8Array(256);
    for (let made = 0; made < count; made += batch) {
      for (let i = 0; i < batch; i++) if (this.leader.propose(data).kind !== "appended") throw new Error("a proposal was refused");
      this.carry();
      // So that the log does not grow without end.
      if (made % 1024 < batch) for (const core of this.cores) { const { applied } = core.log; core.snapshotTaken({ index: applied, term: core.log.term(applied)!, config }, applied); }
    }
    if (this.leader.log.commit < count) throw new Error("not everything was committed");
  }
}

for (const batch of [1, 16, 256]) {
  const micros = Array.from({ length: rounds }, () => {
    const replicas = new Replicas();
    replicas.propose(proposals / 4, batch);
    const before = process.cpuUsage().user;
    replicas.propose(proposals, batch);
    return (process.cpuUsage().user - before) / proposals;
  });
  report({ bench: "raft-core", case: `batches of ${batch}`, metric: "processor time per proposal", value: median(micros), unit: "µs" });
}
