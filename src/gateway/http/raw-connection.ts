import { once } from "node:events";
import type { Duplex, Readable } from "node:stream";

/** What the client still may send after everything was said; then the connection is cut. */
const lingerMs = 10_000;

/** docker-py loses what it reads together with the head of an upgrade: nothing follows for as long as a client needs to read that. */
const headMs = 2;

/** Bytes both ways, once HTTP is out of the way. The client may end its side and go on reading. */
export interface RawConnection {
  /** What the client sends; ends when it ends its side. */
  readonly input: Readable;
  /** Resolves when the client has taken enough for more to come; false when it has gone. */
  write(bytes: Uint8Array): Promise<boolean>;
  /** All is said. */
  end(): void;
  /** Fires when the client has gone, or after end(). */
  readonly signal: AbortSignal;
}

/** Over a socket that was upgraded. */
export function overSocket(socket: Duplex): RawConnection {
  const leaving = new AbortController();
  socket.once("close", () => leaving.abort());
  const headIsRead = new Promise<void>((resolve) => { setTimeout(resolve, headMs); });
  return {
    input: socket,
    signal: leaving.signal,
    async write(bytes) {
      await headIsRead;
      if (leaving.signal.aborted || socket.writableEnded) return false;
      if (!socket.write(bytes)) await once(socket, "drain", { signal: leaving.signal }).catch(() => {});
      return !leaving.signal.aborted;
    },
    end() {
      if (socket.destroyed) return;
      socket.end();
      // Closing while input is unread would reset a TCP connection and lose what the client has not read yet.
      socket.resume();
      const late = setTimeout(() => socket.destroy(), lingerMs);
      socket.once("close", () => clearTimeout(late));
      if (socket.readableEnded) socket.destroySoon?.();
      else socket.once("end", () => socket.destroySoon?.());
    },
  };
}

declare module "node:stream" {
  interface Duplex { destroySoon?(): void }
}
