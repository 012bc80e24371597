import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** The nearest folder above `from` that holds proto/: the checkout's root, whether run from src/ or dist/. */
export function packageRoot(from: string): string {
  for (let directory = dirname(from); ; directory = dirname(directory)) {
    if (existsSync(join(directory, "proto/swarm/v1"))) return directory;
    if (directory === dirname(directory)) throw new Error(`no folder above "${from}" holds proto/swarm/v1: the installation is incomplete`);
  }
}
