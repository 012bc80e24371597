import type { ChannelCredentials, Client } from "@grpc/grpc-js";
import type { TlsIdentity } from "../ca/index.js";
import { dialManager, managerCredentials, type ServiceName } from "../rpc/index.js";

/** Clients of other managers, one for each address and service, on shared connections. */
export class ManagerClients {
  #credentials: ChannelCredentials;
  readonly #clients = new Map<string, Client>();

  constructor(identity: TlsIdentity) { this.#credentials = managerCredentials(identity); }

  get credentials(): ChannelCredentials { return this.#credentials; }

  client<T extends Client = Client>(service: ServiceName, addr: string): T {
    const key = `${service} ${addr}`;
    let client = this.#clients.get(key);
    if (!client) this.#clients.set(key, client = dialManager(service, addr, this.#credentials));
    return client as T;
  }

  /** New connections prove this identity; calls in progress end on the old ones. */
  renew(identity: TlsIdentity): void {
    this.#credentials = managerCredentials(identity);
    this.close();
  }

  /** Closes those whose address is no manager's any more. */
  keepOnly(addrs: ReadonlySet<string>): void {
    for (const [key, client] of this.#clients) {
      if (addrs.has(key.slice(key.indexOf(" ") + 1))) continue;
      client.close();
      this.#clients.delete(key);
    }
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }
}
