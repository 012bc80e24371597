/**
 * Who may have a certificate: join tokens checked, nodes created and signed, certificates renewed in the role that the store says. In:
 * requests of swarm.v1.Ca. Out: node objects and certificates. How a certificate is made is src/ca's; how a call reaches the leader is
 * leader-forward.ts's.
 */
export { createCaServer, managerAddrs, type CaServer, type CaServerDependencies } from "./ca-server.js";
