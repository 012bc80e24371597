import type { EndpointSet, Network, NetworkAttachment, NodeAttachmentSet, PortConfig } from "../model/index.js";

/**
 * Networking of one host as the agent sees it: give it the desired state, and namespaces to attach; it makes the kernel agree and
 * keeps auditing. It knows network namespaces and peers, not containers. Kernel state outlives the daemon: a new one adopts it.
 */
export interface Overlay {
  /** The whole desired state as the agent knows it; called again on each change. Coalesced; resolves when the kernel agrees. */
  apply(state: OverlayState): Promise<void>;
  /**
   * Makes (or adopts) the namespace of a task and attaches it to its networks, addresses, routes, DNS and load balancing set.
   * Idempotent. With no attachments the namespace gets the node's own bridge and a way outside.
   */
  attach(sandbox: SandboxSpec): Promise<Sandbox>;
  /** Removes the namespace with everything in it. Not there: nothing. */
  detach(sandboxId: string): Promise<void>;
  /** Sandbox ids that exist in the kernel, to remove what no task owns after a restart. */
  list(): Promise<string[]>;
  /** Stops serving DNS and auditing; the kernel keeps forwarding. */
  close(): Promise<void>;
  /** Takes all of Skein's networking off this host (leave). */
  destroy(): Promise<void>;
}

export interface OverlayState {
  readonly nodeId: string;
  readonly dataPort: number;                               // VXLAN UDP port
  readonly networks: readonly Network[];
  readonly endpoints: readonly EndpointSet[];
  readonly nodeAttachments: readonly NodeAttachmentSet[];
}

export interface SandboxSpec {
  readonly id: string;                                     // the task's id
  readonly attachments: readonly NetworkAttachment[];
  /** Ports of mode HOST to forward from this host; publishedPort 0 is chosen. */
  readonly hostPorts: readonly PortConfig[];
  readonly hostname: string;
  readonly extraHosts: readonly string[];                  // "name:ip"
  readonly dns: readonly string[];                         // upstream servers; empty: the host's
}

export interface Sandbox {
  readonly netnsPath: string;
  readonly resolvConf: string;                             // contents
  readonly hosts: string;                                  // contents
  readonly hostPorts: readonly PortConfig[];               // as bound
}
