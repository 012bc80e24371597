import { SwarmError } from "../../lib/index.js";
import type { OverlayMount } from "./spawner-frames.js";
import { requireSpawner } from "./spawner.js";

/** Mounts layers, and a writable one on top, at `target`; what is mounted inside appears nowhere else. No process is started for it. */
export async function mountOverlay(mount: OverlayMount): Promise<void> {
  const answer = await requireSpawner().mountOverlay(mount);
  if (answer.code !== 0) throw new SwarmError("INTERNAL", `cannot mount its root filesystem: ${answer.why}`);
}

/** Everything that is mounted at these paths; what is not mounted is fine. */
export async function unmount(...paths: readonly string[]): Promise<void> {
  if (paths.length === 0) return;
  const answer = await requireSpawner().unmount(paths);
  if (answer.code !== 0) throw new SwarmError("INTERNAL", `cannot unmount ${answer.why}`);
}
