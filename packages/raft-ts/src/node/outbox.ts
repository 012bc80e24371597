// Messages on their way out: those of one turn leave in one call to the transport for each member, so that a turn costs one frame, however many writes it completed.
import type { RaftId } from "../api.js";
import { encodeMessage } from "../codec.js";
import type { Message } from "../core/types.js";
import type { NodeContext } from "./context.js";

const settled = Promise.resolve();

export class Outbox {
  private readonly queues = new Map<RaftId, Message[]>();
  private isFlushDue = false;

  constructor(private readonly node: NodeContext, private readonly sendSnapshot: (message: Extract<Message, { type: "snapshot" }>) => void) {}

  add(messages: readonly Message[]): void {
    for (const message of messages) {
      if (message.type === "snapshot") { this.sendSnapshot(message); continue; }
      const queue = this.queues.get(message.to);
      if (!queue) { this.queues.set(message.to, [message]); continue; }
      const last = queue[queue.length - 1];
      // "Synced up to" says all that the one before said.
      if (last !== undefined && message.type === "append-response" && last.type === "append-response" && last.term === message.term) {
        if (message.index > last.index) queue[queue.length - 1] = message;
      } else queue.push(message);
    }
  }

  /** Sends in a microtask: when several writes complete at once, after the last of them. */
  flushSoon(): void {
    if (this.isFlushDue) return;
    this.isFlushDue = true;
    // Not queueMicrotask: Node makes an AsyncResource for each call, and that takes as long as all the rest.
    settled.then(this.flushDue).catch((error: Error) => this.node.fail(error));
  }

  private readonly flushDue = (): void => { this.isFlushDue = false; this.flush(); };

  flush(): void {
    if (this.queues.size === 0) return;
    const { transport, counters, config: { sendMessages } } = this.node;
    for (const [to, queue] of this.queues) {
      if (sendMessages) {
        counters.messagesSent += queue.length;
        sendMessages(to, queue);
        continue;
      }
      const encoded: Uint8Array[] = [];
      for (const message of queue) {
        const bytes = encodeMessage(message);
        counters.bytesSent += bytes.length;
        encoded.push(bytes);
      }
      counters.messagesSent += encoded.length;
      transport.send(to, encoded);
    }
    this.queues.clear();
  }
}
