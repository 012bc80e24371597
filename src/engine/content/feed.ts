import type { Writable } from "node:stream";

/** Writes everything from `source` at the pace of `sink`, then ends it. Rejects when the sink breaks or the source does. */
export async function feed(source: AsyncIterable<Uint8Array>, sink: Writable): Promise<void> {
  let broken: Error | undefined;
  let wake: (() => void) | undefined;
  const onError = (error: Error) => { broken = error; wake?.(); };
  const onWake = () => wake?.();
  sink.on("error", onError).on("drain", onWake).on("close", onWake);
  for await (const chunk of source) {
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
