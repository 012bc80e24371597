import { macOf, newNetwork, newNetworkSpec, type Endpoint, type EndpointSet, type Network, type PortConfig } from "../../model/index.js";
import type { SandboxSpec } from "../api.js";

/** Short ways to write states in tests. */
export const network = (id: string, octet: number, fields: { isInternal?: boolean; isIngress?: boolean } = {}): Network => newNetwork({
  id, spec: newNetworkSpec({ name: id, ...fields }), subnet: `10.9.${octet}.0/24`, gateway: `10.9.${octet}.1`, vni: 4096 + octet,
});

export const endpoint = (taskName: string, addr: string, host: { id: string; addr: string }, isReady = true): Endpoint => ({
  taskId: taskId(taskName), taskName, addr, mac: macOf(addr), nodeId: host.id, vtep: host.addr, isReady,
});

export const endpointSet = (networkId: string, serviceName: string, vip: string, endpoints: Endpoint[], ports: PortConfig[] = [], aliases: string[] = []): EndpointSet => ({
  networkId, serviceId: `service-${serviceName}`, serviceName, vip, aliases, ports, endpoints,
});

export const taskId = (name: string): string => `task${name.replace(/[^a-z0-9]/g, "x")}x`.padEnd(20, "0");

export const sandbox = (name: string, attachments: readonly (readonly [networkId: string, addr: string])[], fields: Partial<SandboxSpec> = {}): SandboxSpec => ({
  id: taskId(name), hostname: name.replaceAll(".", "-"), hostPorts: [], extraHosts: [], dns: [],
  attachments: attachments.map(([networkId, addr]) => ({ networkId, addr: `${addr}/24`, mac: macOf(addr), aliases: [] })), ...fields,
});
