import { SwarmError } from "../../lib/index.js";
import type { PortConfig } from "../../model/index.js";
import type { ReadTx } from "../../store/index.js";
import { nameOf } from "./refs.js";

/**
 * A published ingress port answers on every host: no other service may have it, in either mode. Host-mode ports of several services
 * may be equal; the scheduler keeps their tasks on different nodes.
 */
export function refuseTakenPorts(tx: ReadTx, action: string, serviceId: string, ports: readonly PortConfig[]): void {
  const wanted = ports.filter(({ publishedPort }) => publishedPort !== 0);
  if (wanted.length === 0) return;
  for (const service of tx.list("service")) {
    if (service.id === serviceId) continue;
    for (const held of [...service.spec?.endpoint?.ports ?? [], ...service.endpoint?.ports ?? []]) {
      const clash = wanted.find((port) => port.publishedPort === held.publishedPort && port.protocol === held.protocol && (port.mode === "INGRESS" || held.mode === "INGRESS"));
      if (!clash) continue;
      const holder = `service "${nameOf.service(service)}"${service.isRemoving ? ", which is being removed" : ""}`;
      throw new SwarmError("ALREADY_EXISTS", `${action}: port ${clash.publishedPort}/${clash.protocol.toLowerCase()} is published by ${holder}${held.mode === "HOST" ? " with mode=host" : ""}; choose another port`);
    }
  }
}
