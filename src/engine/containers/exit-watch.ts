import { watch, type FSWatcher } from "node:fs";
import type { Timer } from "../../lib/index.js";
import type { Lifecycle, LifecycleParts } from "./lifecycle.js";
import { checkRunning } from "./take-over.js";

const sweepMs = 2_000;
const sweepWithoutWatchMs = 200;

/** Notices that containers have ended: by their exit files as they appear, and by a look at all now and then for what no file tells. */
export class ExitWatch {
  #watcher: FSWatcher | undefined;
  #sweep: Timer | undefined;
  #sweepMs = sweepMs;
  #isClosed = false;

  constructor(private readonly parts: LifecycleParts, private readonly lifecycle: Lifecycle) {}

  open(): void {
    const { log, paths } = this.parts;
    const lost = (error: unknown) => { this.#sweepMs = sweepWithoutWatchMs; log.warn("exits of containers cannot be watched, so they are polled; fs.inotify.max_user_instances may be too small", { error }); };
    try {
      this.#watcher = watch(paths.exits, { persistent: false }, (_, name) => { if (name?.endsWith(".json")) this.#notice(name.slice(0, -5)); });
      this.#watcher.on("error", lost);
    } catch (error) { lost(error); }
  }

  scheduleSweep(): void {
    if (this.#isClosed) return;
    const { table, clock, log } = this.parts;
    this.#sweep = clock.after(this.#sweepMs, () => {
      void (async () => {
        for (const entry of table.entries()) {
          if (entry.record.phase !== "running" || this.#isClosed) continue;
          try { await checkRunning(entry, this.parts, this.lifecycle); } catch (error) { log.error("looking after a container failed", { container: entry.record.config.id, error }); }
        }
        this.scheduleSweep();
      })();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#watcher?.close();
    this.#sweep?.cancel();
  }

  #notice(id: string): void {
    const { table, log } = this.parts;
    const entry = table.get(id);
    if (!entry || entry.record.phase !== "running" || this.#isClosed) return;
    void this.lifecycle.readExit(id).then((exit) => (exit ? this.lifecycle.ended(entry, exit) : undefined)).catch((error: unknown) => log.error("reading a container's exit failed", { container: id, error }));
  }
}
