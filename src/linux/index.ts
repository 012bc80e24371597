/**
 * Links, addresses, routes, neighbours, nftables and kernel settings. In: steps for iproute2, bridge, nft and sysctl (the overlay's), whole changes of links and
 * namespaces (netlink/, the engine's), and questions about what is there. Out: success or one SwarmError that names the refused step; observations as plain values.
 * It decides nothing: what to change is decided by pure code elsewhere, from what is observed here.
 */
export { createKernel, type Kernel } from "./kernel.js";
export { netnsDir, netnsPathOf, type KernelStep } from "./step.js";
export type { KernelAddress, KernelForwarding, KernelLink, KernelNeighbour, KernelObservation } from "./observation.js";
export { openHostLinks } from "./netlink/open.js";
export type { BridgePort, HostLink, HostLinks, HostRoute, MacvlanMode, NamespaceChange, NamespacePort, PortElement } from "./netlink/host-links.js";
export { parseResolvConf, readUpstreamServers } from "./resolv-conf.js";
export { rulesFingerprint } from "./rules-fingerprint.js";
export { run, type ProgramRunner, type RunOptions, type RunResult } from "./spawn.js";
