import { size } from "./print/inspect.js";
import type { Terminal } from "./terminal.js";

/** A bar on a terminal for an upload; nothing elsewhere. */
export function uploadView(terminal: Terminal, isQuiet: boolean): { show(sent: number, total: number): void; end(): void } {
  if (isQuiet || !terminal.errIsTty) return { show() {}, end() {} };
  let drawnAt = 0;
  return {
    show(sent, total) {
      if (performance.now() - drawnAt < 100) return;
      drawnAt = performance.now();
      const share = total ? Math.min(1, sent / total) : 0;
      const filled = Math.round(share * 24);
      terminal.err(`\r\u001b[K${total ? `${"█".repeat(filled)}${"░".repeat(24 - filled)} ${size(sent)} of ${size(total)}` : size(sent)}`);
    },
    end() { if (drawnAt) terminal.err("\r\u001b[K"); },
  };
}
