import type { TlsIdentity } from "../ca/index.js";
import type { ErrorCode, LogLevel } from "../lib/index.js";
import type { ManagerStart } from "../manager/index.js";

/** What the node process and its manager child say to each other over the IPC channel. Keys travel here and never in arguments or environment. */
export type ToManager =
  | { readonly kind: "start"; readonly config: ManagerConfig }
  | { readonly kind: "identity"; readonly identity: TlsIdentity }
  | { readonly kind: "stop" };

export type FromManager =
  | { readonly kind: "ready" }
  /** Taken out of the raft group, as a demotion begins; the process ends. */
  | { readonly kind: "removed" }
  | { readonly kind: "failed"; readonly code: ErrorCode; readonly message: string };

export interface ManagerConfig {
  readonly identity: TlsIdentity;
  /** The node's; the manager's own is manager/ in it. */
  readonly stateDir: string;
  readonly runDir: string;
  /** host:port that others reach this manager at. */
  readonly advertiseAddr: string;
  readonly listenHost: string;
  readonly listenPort: number;
  readonly logLevel: LogLevel;
  readonly start: ManagerStart;
}
