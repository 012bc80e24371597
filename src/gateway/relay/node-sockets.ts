import { mkdir, readdir, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream";
import { connect, type ConnectionOptions } from "node:tls";
import { messageOf, type Clock, type Logger, type Timer } from "../../lib/index.js";
import { tlsContextOf, type TlsIdentity } from "../../ca/index.js";
import { listenOnSocketFile } from "../../rpc/index.js";
import { managerPort, peerOf } from "./manager-port.js";

/** A node as the managers know it. */
export interface NodePlace { readonly id: string; readonly hostname: string; readonly addr: string }

export interface NodeSocketsOptions {
  /** Gets NAME.sock for each node. */
  readonly directory: string;
  /** The cluster's nodes now; rejects while no manager answers, then the sockets stay as they are. */
  readonly nodes: () => Promise<readonly NodePlace[]>;
  /** This manager's certificate now. */
  readonly identity: () => TlsIdentity;
  readonly clock: Clock;
  readonly log: Logger;
  readonly port?: number;                  // managerPort
}

export interface NodeSockets {
  /** Looks at the nodes at once instead of in a few seconds. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

const refreshMs = 5_000;
const handshakeMs = 5_000;

interface Listening { readonly server: Server; readonly sockets: Set<Socket>; place: NodePlace }

/**
 * A manager's doors to the engines of all nodes: <run-dir>/nodes/NAME.sock speaks the Docker API of the node NAME, for root on this host. Bytes are
 * passed on as they are; the far end must prove to be that very node. With two nodes of one name the later one is called by its id.
 */
export async function serveNodeSockets(options: NodeSocketsOptions): Promise<NodeSockets> {
  const { directory, log, clock, port = managerPort } = options;
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const listening = new Map<string, Listening>();
  let timer: Timer | undefined;
  let isClosed = false;
  let turn: Promise<void> = Promise.resolve();

  const pass = (name: string, near: Socket) => {
    const entry = listening.get(name)!;
    entry.sockets.add(near);
    near.on("close", () => entry.sockets.delete(near)).on("error", () => {});
    const { place } = entry;
    const refuse = (why: string) => { log.warn("a node's engine cannot be reached", { node: place.hostname, reason: why }); near.end(unreachable(place, why)); };
    // allowHalfOpen is Node's own, which the types of tls leave to net.
    const settings: ConnectionOptions & { allowHalfOpen: boolean } = { ...tlsContextOf(options.identity()), host: place.addr, port, servername: "", checkServerIdentity: () => undefined, allowHalfOpen: true };
    const far = connect(settings);
    const bound = clock.after(handshakeMs, () => far.destroy(new Error(`no answer from ${place.addr}:${port} within ${handshakeMs} ms`)));
    let isJoined = false;
    far.once("error", (error) => { bound.cancel(); if (!isJoined) refuse(messageOf(error)); });
    near.once("close", () => { if (!isJoined) far.destroy(); });
    far.once("secureConnect", () => {
      bound.cancel();
      const peer = peerOf(far);
      if (peer?.nodeId !== place.id) { far.destroy(); refuse(`at ${place.addr} is node "${peer?.nodeId ?? "?"}"`); return; }
      isJoined = true;
      far.setNoDelay(true);
      // Each direction ends alone: a client may close its input and still read.
      pipeline(near, far, () => {});
      pipeline(far, near, () => {});
    });
  };

  const open = async (name: string, place: NodePlace): Promise<void> => {
    const path = join(directory, `${name}.sock`);
    const server = createServer({ allowHalfOpen: true }, (socket) => pass(name, socket));
    await listenOnSocketFile(server, { path, flag: "--run-dir" });
    server.on("error", (error) => log.error("listener failed", { socket: path, error }));
    listening.set(name, { server, sockets: new Set(), place });
  };

  const shut = async (name: string): Promise<void> => {
    const entry = listening.get(name);
    listening.delete(name);
    if (!entry) return;
    const closed = new Promise<void>((resolve) => entry.server.close(() => resolve()));
    for (const socket of entry.sockets) socket.destroy();
    await closed;
  };

  const look = async (): Promise<void> => {
    if (isClosed) return;
    try {
      const wanted = namesOf(await options.nodes());
      for (const name of [...listening.keys()]) if (!wanted.has(name)) await shut(name);
      for (const [name, place] of wanted) {
        const present = listening.get(name);
        if (present) present.place = place; else await open(name, place);
      }
    } catch (error) { log.debug("the nodes could not be listed", { error }); }
  };
  const refresh = () => (turn = turn.then(look));
  const schedule = () => { timer = clock.after(refreshMs, () => { void refresh().then(() => { if (!isClosed) schedule(); }); }); };
  await refresh();
  schedule();

  return {
    refresh,
    async close() {
      isClosed = true;
      timer?.cancel();
      await turn;
      for (const name of [...listening.keys()]) await shut(name);
      for (const name of await readdir(directory).catch(() => [])) await rm(join(directory, name), { force: true });
    },
  };
}

/** A socket's name for each node that can be reached. */
export function namesOf(nodes: readonly NodePlace[]): Map<string, NodePlace> {
  const names = new Map<string, NodePlace>();
  for (const node of [...nodes].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    if (node.addr === "") continue;
    const isPlain = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/.test(node.hostname);
    names.set(isPlain && !names.has(node.hostname) ? node.hostname : node.id, node);
  }
  return names;
}

/** The answer of a node that cannot be asked, as the Docker API says it. */
function unreachable(place: NodePlace, why: string): string {
  const body = JSON.stringify({ message: `Node "${place.hostname}" cannot be reached: ${why}; see "swarmctl node ls"` });
  return `HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`;
}
