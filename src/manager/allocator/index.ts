/**
 * Numbers for everything that is on a network. In: networks, services, nodes and NEW tasks of the store. Out: a network's subnet, gateway
 * and VNI; a service's virtual addresses and published ports; a node's address on the ingress network; a task's addresses, which
 * make it PENDING. What there is no room for says so on the task and is tried again when something comes free.
 * core/ is the arithmetic; allocator.ts watches and writes. Programs no kernel, resolves no names.
 */
export { startAllocator, type AllocatorPorts } from "./allocator.js";
