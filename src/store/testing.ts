import { silentLogger, systemClock, type Clock, type Logger, type SwarmError } from "../lib/index.js";
import type { Proposer } from "./api.js";
import { createStore, type ReplicatedStore } from "./store.js";

/** A store without raft: this process is the leader, and a proposal is committed a microtask later. */
export interface TestStore extends ReplicatedStore {
  /** false: `update` is refused, as on a follower. */
  isLeader: boolean;
  /** Set: proposals fail with this instead of being committed. */
  failure: SwarmError | undefined;
  /** Keeps proposals in flight until `release`. */
  hold(): void;
  release(): void;
}

export function createTestStore(options: { clock?: Clock; log?: Logger } = {}): TestStore {
  const store = createStore({ clock: options.clock ?? systemClock, log: options.log ?? silentLogger }) as TestStore;
  let held: (() => void)[] | undefined;
  store.isLeader = true;
  store.failure = undefined;
  store.hold = () => { held ??= []; };
  store.release = () => { const waiting = held ?? []; held = undefined; for (const commit of waiting) commit(); };
  const proposer: Proposer = {
    get isLeader() { return store.isLeader; },
    propose: (data) => new Promise((resolve, reject) => {
      const commit = () => {
        if (store.failure) return reject(store.failure);
        store.applyEntries([{ index: store.index + 1, data }]);
        resolve();
      };
      if (held) held.push(commit); else queueMicrotask(commit);
    }),
  };
  store.setProposer(proposer);
  return store;
}
