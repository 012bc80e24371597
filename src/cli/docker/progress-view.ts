import { SwarmError } from "../../lib/index.js";
import { size } from "../print/inspect.js";
import type { Terminal } from "../terminal.js";

/** One message of pull, push, load, import and build. */
export interface Progress {
  readonly id?: string;
  readonly status?: string;
  readonly stream?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly aux?: { readonly ID?: string; readonly Digest?: string; readonly Tag?: string; readonly Size?: number };
  readonly error?: string;
}

/**
 * Shows messages as they come and returns those with `aux`. On a terminal one line a layer, redrawn; elsewhere a line when a layer's status changes.
 * `stream` texts go to standard output, as they are what the command is for. An error in the stream is the command's.
 */
export async function showProgress(messages: AsyncIterable<Progress>, terminal: Terminal, isQuiet: boolean): Promise<Progress["aux"][]> {
  const view = layersView(terminal, isQuiet);
  const aux: Progress["aux"][] = [];
  for await (const message of messages) {
    if (message.error !== undefined) throw new SwarmError("FAILED_PRECONDITION", message.error);
    if (message.aux) aux.push(message.aux);
    if (message.stream !== undefined && !isQuiet) { view.settle(); terminal.out(message.stream); }
    if (message.status !== undefined) view.show(message.id ?? "", message.status, message.progressDetail?.current ?? 0, message.progressDetail?.total ?? 0);
  }
  return aux;
}

function layersView(terminal: Terminal, isQuiet: boolean): { show(id: string, status: string, current: number, total: number): void; settle(): void } {
  if (isQuiet) return { show() {}, settle() {} };
  const layers = new Map<string, string>();
  if (!terminal.errIsTty) {
    return { settle() {}, show(id, status) { if (layers.get(id) !== status) { layers.set(id, status); terminal.err(`${id ? `${id}: ` : ""}${status}\n`); } } };
  }
  let drawn = 0;
  let drawnAt = 0;
  return {
    settle() { drawn = 0; layers.clear(); },
    show(id, status, current, total) {
      if (id === "") { drawn = 0; layers.clear(); terminal.err(`${status}\n`); return; }
      const isNews = !layers.get(id)?.startsWith(status);
      layers.set(id, `${status}${total > 0 && current < total ? `  ${barOf(current / total)} ${size(current)} of ${size(total)}` : ""}`);
      // Ten pictures a second are as good as a thousand.
      if (!isNews && performance.now() - drawnAt < 100) return;
      drawnAt = performance.now();
      const lines = [...layers].map(([layer, text]) => `${layer}: ${text}`.slice(0, terminal.columns - 1));
      terminal.err(`${drawn ? `\u001b[${drawn}A\u001b[J` : ""}${lines.join("\n")}\n`);
      drawn = lines.length;
    },
  };
}

const barOf = (share: number): string => { const filled = Math.round(Math.min(1, Math.max(0, share)) * 24); return "█".repeat(filled) + "░".repeat(24 - filled); };
