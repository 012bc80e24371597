/**
 * A simulator for whole Raft groups: production code – driver, core, log, snapshots – on a clock, a network and disks that exist only in memory, from one seed. In: a seed. Out: whether every
 * promise held, a hash of everything that happened, and a story when it is wanted. It knows nothing of gRPC, and is not part of the published package.
 */
export { runSeed, Simulation, type Result, type RunOptions } from "./simulation.js";
export { makePlan, type Fault, type FaultKind, type Plan } from "./plan.js";
export { shrink, type Shrunk } from "./shrink.js";
export { checkLinearizable, type Operation, type Verdict } from "./linearizability.js";
export { World } from "./world.js";
export { Network, fairWeather, type Weather } from "./network.js";
export { SimulatedDisk } from "./disk.js";
export { simulatedClock } from "./clock.js";
export { Life } from "./life.js";
export { Random } from "./random.js";
