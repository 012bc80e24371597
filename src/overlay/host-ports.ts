import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { SwarmError } from "../lib/index.js";
import type { PortConfig } from "../model/index.js";
import { isForwardable, protocolOf } from "./core/host-rules.js";

const chosenFirst = 30_000;
const chosenLast = 32_767;

/**
 * Host-mode ports of one sandbox with each number settled. `taken` are "tcp/8080" of this host's other sandboxes. A port that a
 * program listens on is refused: the forwarding would silently take its connections away.
 */
export async function settleHostPorts(id: string, ports: readonly PortConfig[], taken: ReadonlySet<string>): Promise<PortConfig[]> {
  const settled: PortConfig[] = [];
  const used = new Set(taken);
  for (const port of ports) {
    if (port.mode !== "HOST") continue;
    const protocol = protocolOf(port);
    const isFree = async (number: number) => !used.has(`${protocol}/${number}`) && await canBind(protocol, number);
    let number = port.publishedPort;
    if (number === 0) {
      for (number = chosenFirst; number <= chosenLast; number++) if (await isFree(number)) break;
      if (number > chosenLast) {
        throw new SwarmError("RESOURCE_EXHAUSTED", `Cannot publish port ${port.targetPort}/${protocol} of task "${id}" on this host: ` +
          `all of ${chosenFirst}–${chosenLast} are in use; name a port with published=.`);
      }
    } else if (!isForwardable(port)) {
      throw new SwarmError("INVALID_ARGUMENT",
        `Cannot publish port ${port.publishedPort}:${port.targetPort}/${port.protocol.toLowerCase()} of task "${id}" on this host: ports are 1–65535, tcp or udp.`);
    } else if (!await isFree(number)) {
      throw new SwarmError("FAILED_PRECONDITION", `Cannot publish port ${number}/${protocol} of task "${id}" on this host: ` +
        `${used.has(`${protocol}/${number}`) ? "another container has it" : "a program on the host listens on it"}; stop that or publish another port.`);
    }
    used.add(`${protocol}/${number}`);
    settled.push({ ...port, publishedPort: number });
  }
  return settled;
}

function canBind(protocol: "tcp" | "udp", port: number): Promise<boolean> {
  return new Promise((resolve) => {
    if (protocol === "tcp") {
      const server = createServer();
      server.once("error", () => resolve(false));
      server.listen({ port, host: "0.0.0.0", exclusive: true }, () => server.close(() => resolve(true)));
    } else {
      const socket = createSocket("udp4");
      socket.once("error", () => { socket.close(); resolve(false); });
      socket.bind({ port, address: "0.0.0.0", exclusive: true }, () => socket.close(() => resolve(true)));
    }
  });
}
