/**
 * Networking of one host: bridges and VXLAN tunnels, forwarding and neighbour rows, namespaces of tasks, balancing of virtual
 * addresses, published ports, NAT and DNS. In: the state that managers derive from the store, and namespaces to attach. Out: a kernel
 * that agrees, and goes on agreeing: it is compared every 30 s. Decisions are in core/ (pure); overlay.ts carries them out.
 * It knows no containers, talks to no manager and gossips with nobody.
 */
export type { Overlay, OverlayState, Sandbox, SandboxSpec } from "./api.js";
export { openOverlay, type HostOverlay, type OverlayConfig, type OverlayStats } from "./overlay.js";
export { DnsServer, type DnsServerOptions } from "./dns/dns-server.js";
export type { DnsClient, DnsTable } from "./core/dns-table.js";
