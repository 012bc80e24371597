import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { unmount } from "../runtime/mounts.js";

/** Whether something is mounted at `path`. What is mounted and dead (a FUSE file system whose process was killed) is unmounted. */
export async function isMountPoint(path: string): Promise<boolean> {
  try {
    const [own, above] = await Promise.all([stat(path), stat(dirname(path))]);
    return own.dev !== above.dev;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOTCONN") throw error;
    await unmount(path);
    return false;
  }
}
