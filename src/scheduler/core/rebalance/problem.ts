/**
 * What is to be rebalanced: a snapshot in typed arrays, rows by number, so that a worker thread gets it by copying buffers. Nothing here is changed by planning.
 * Amounts of all dimensions are of equal rank; GPUs are apart, because a share of a GPU must come from one device.
 */
export interface RebalanceProblem {
  readonly dimensions: number;
  readonly nodes: {
    readonly count: number;
    /** [node * dimensions + dimension]; below zero on a node that shrank under its tasks. */
    readonly free: Float64Array;
    readonly total: Float64Array;
    /** 1: ready, may be given tasks. Tasks of others may be moved away. */
    readonly receives: Uint8Array;
    readonly gpuStart: Int32Array;
    readonly gpuCount: Uint8Array;
    readonly deviceFree: Int32Array;      // thousandths
    readonly deviceModel: Int16Array;
  };
  readonly requests: {
    /** [request * dimensions + dimension] */
    readonly amounts: Float64Array;
    readonly gpuCount: Uint8Array;
    /** Of each device, thousandths; below 1000 only with one device. */
    readonly gpuMillis: Int32Array;
    /** By request: the models that will do; undefined = any. */
    readonly gpuModels: readonly (readonly number[] | undefined)[];
    /** By request: the nodes that pass its constraints, a bit each; undefined = all. */
    readonly eligible: readonly (Uint32Array | undefined)[];
  };
  readonly tasks: {
    readonly count: number;
    /** Row of its node, nowhere = -1: it waits for one. */
    readonly node: Int32Array;
    readonly request: Int32Array;
    readonly service: Int32Array;
    /** Bit i: it holds device i of its node. */
    readonly gpuMask: Int32Array;
    /** 1: wanted, and nothing forbids to move it. A task that waits is placed whether it is movable or not. */
    readonly movable: Uint8Array;
  };
  /** By service: as many tasks on one node at most, 0 = any number. A node that has more keeps them. */
  readonly serviceLimit: Int32Array;
}

export const nowhere = -1;

/** What a move is good for. */
export type Reason =
  | { readonly kind: "empties"; readonly node: number }                          // the last of these leaves `node` without tasks
  | { readonly kind: "frees"; readonly node: number }                            // asked for by name
  | { readonly kind: "makes-room"; readonly task: number }                       // `task` takes its place, in this plan
  | { readonly kind: "places"; readonly task: number }                           // it waited: not a move, but what the moves were for
  | { readonly kind: "evens-service"; readonly service: number; readonly before: number; readonly after: number }     // its tasks on the node that it leaves, and then on the one that it goes to
  | { readonly kind: "evens-load"; readonly before: number; readonly after: number }                                  // the fuller node's share reserved, before, and the larger of the two after
  | { readonly kind: "tidies"; readonly gain: number }      // what stays free on both nodes is of more use: in GPUs, or average nodes
  | { readonly kind: "steps-aside" };                                            // two that change places need a third place for a moment

export interface Move {
  readonly task: number;
  readonly from: number;
  readonly to: number;
  readonly gpuMask: number;
  readonly why: Reason;
}

export type Strategy =
  | { readonly kind: "pack" }                            // as few nodes in use as possible
  | { readonly kind: "spread" }                          // services, then load, even over the nodes
  | { readonly kind: "free"; readonly node: number }     // this node empty
  | { readonly kind: "admit" };                          // tasks that wait get a place

export interface RebalanceLimits {
  /** Tasks that move, each time counted. undefined: any number. */
  readonly maxMoves?: number;
  /** Node rows looked at, about: bounds the time, and is no time, so that a plan is a function of its arguments. */
  readonly maxWork?: number;
}

export interface RebalancePlan {
  /** In an order in which every one fits when it is made, the old place still held. Places of tasks that waited are among them (`why.kind` is "places", `from` nowhere). */
  readonly moves: readonly Move[];
  readonly nodesInUseBefore: number;
  readonly nodesInUseAfter: number;
  /** Tasks that should have moved and could not: with "free" those left on the node, with "admit" those that still wait. */
  readonly left: readonly number[];
  /** The work ran out before the planner was done: more may be won by planning again afterwards. */
  readonly isCut: boolean;
}
