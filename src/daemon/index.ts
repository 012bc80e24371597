/**
 * swarmd: reads the configuration, builds everything and wires it. Two processes on a manager, one on a worker:
 *
 *   main.ts            the node process: engine, Docker API, local socket   options.ts        flags → Config, the one place of defaults
 *   local-node.ts      init, join, leave, info                     lock.ts           one daemon a state directory
 *   membership.ts      agent, overlay, certificate and role        enroll.ts         certificates: first and renewed
 *   engine-doors.ts    this node's engine for its managers, and all nodes' for this one while it is a manager
 *   manager-child.ts   supervises the manager process              manager-process.ts the manager process itself
 *
 * Nothing imports it but bin/swarmd.
 */
export { main } from "./main.js";
