import type { Writable } from "node:stream";

/** Writes everything from `source` at the pace of `sink`, then ends it. Rejects when the sink breaks or the source does; the latter is told to `onSourceError` first. */
export async function feed(source: AsyncIterable<Uint8Array>, sink: Writable, onSourceError: (error: unknown) => void = () => {}): Promise<void> {
  let broken: Error | undefined;
  let wake: (() => void) | undefined;
  const onError = (error: Error) => { broken = error; wake?.(); };
  const onWake = () => wake?.();
  sink.on("error", onError).on("drain", onWake).on("close", onWake);
  for await (const chunk of heard(source, onSourceError)) {
    if (broken) throw broken;
    if (sink.destroyed) throw new Error("the reader went away");
    if (!sink.write(chunk)) {
      await new Promise<void>((resolve) => { wake = resolve; if (broken || sink.destroyed) resolve(); });
      wake = undefined;
    }
  }
  if (broken) throw broken;
  await new Promise<void>((resolve, reject) => sink.end((error?: Error | null) => (error ? reject(error) : resolve())));
}

async function* heard(source: AsyncIterable<Uint8Array>, onError: (error: unknown) => void): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      let next: IteratorResult<Uint8Array>;
      try { next = await iterator.next(); } catch (error) { onError(error); throw error; }
      if (next.done) return;
      yield next.value;
    }
  } finally { await iterator.return?.(); }
}
