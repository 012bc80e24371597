import { once } from "node:events";
import type { ProcessStreams } from "../../engine/index.js";
import type { RawConnection } from "../http/raw-connection.js";
import { DetachScanner } from "./detach-keys.js";
import { frame } from "./frames.js";

export interface JoinOptions {
  readonly hasStdin: boolean;
  /** Frames say which stream; without, both flow together as they come. */
  readonly isMultiplexed: boolean;
  /** Only a terminal's input is searched for them. */
  readonly detachKeys?: Buffer;
  /** A process that nobody looks at: the connection stays for stdin until the process has ended. */
  readonly onDetach?: () => void;
}

/** Joins a client's connection with a process's streams until the output has ended, the client has gone, or the detach keys were typed. */
export async function joinStreams(connection: RawConnection, streams: ProcessStreams, options: JoinOptions): Promise<void> {
  const leave = () => streams.close();
  connection.signal.addEventListener("abort", leave, { once: true });
  const input = options.hasStdin && streams.stdin ? forwardInput(connection, streams.stdin, options, leave) : discard(connection);
  try {
    for await (const { stream, bytes } of streams.output) {
      if (!(await connection.write(options.isMultiplexed ? frame(stream, bytes) : bytes))) break;
    }
  } finally {
    connection.signal.removeEventListener("abort", leave);
    streams.close();
    connection.end();
    await input;
  }
}

async function forwardInput(connection: RawConnection, stdin: NonNullable<ProcessStreams["stdin"]>, options: JoinOptions, leave: () => void): Promise<void> {
  const scanner = options.detachKeys ? new DetachScanner(options.detachKeys) : undefined;
  try {
    for await (const chunk of connection.input.iterator({ destroyOnReturn: false })) {
      const typed = chunk as Buffer;
      const { forward, isDetached } = scanner ? scanner.feed(typed) : { forward: typed, isDetached: false };
      if (forward.length > 0 && !stdin.write(forward)) await Promise.race([once(stdin as never, "drain"), once(connection.signal as never, "abort")]).catch(() => {});
      if (isDetached) { options.onDetach?.(); leave(); return; }
    }
    if (scanner && scanner.rest().length > 0) stdin.write(scanner.rest());
    stdin.end();
  } catch {
    // The client's connection broke: output notices it too, and the process's input stays open for others.
  }
}

async function discard(connection: RawConnection): Promise<void> {
  connection.input.on("error", () => {});
  connection.input.resume();
}
