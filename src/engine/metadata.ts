import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { Level } from "level";
import { SwarmError, messageOf } from "../lib/index.js";
import type { ContainerRecord } from "./containers/record.js";
import type { ImageRecord } from "./images/record.js";

/** The engine's local database: which images there are, what they are called, and the containers. */
export interface Metadata {
  images(): Promise<ImageRecord[]>;
  references(): Promise<Map<string, string>>;              // normalized reference -> image id
  /** Both or neither, synced: an image that was reported as present is there after a power cut. */
  putImage(image: ImageRecord, references: readonly string[]): Promise<void>;
  removeImage(references: readonly string[], imageId?: string): Promise<void>;
  containers(): Promise<ContainerRecord[]>;
  putContainer(record: ContainerRecord): Promise<void>;
  removeContainer(id: string): Promise<void>;
  close(): Promise<void>;
}

export async function openMetadata(path: string): Promise<Metadata> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const db = new Level<string, unknown>(path, { valueEncoding: "json" });
  try { await db.open(); } catch (error) {
    const cause = (error as Error).cause ?? error;
    throw new SwarmError("FAILED_PRECONDITION", `Cannot open the engine's database "${path}": ${messageOf(cause)}; is another swarmd using this state directory?`, { cause: error });
  }
  const images = db.sublevel<string, ImageRecord>("images", { valueEncoding: "json" });
  const references = db.sublevel<string, string>("references", { valueEncoding: "json" });
  const containers = db.sublevel<string, ContainerRecord>("containers", { valueEncoding: "json" });
  return {
    images: () => images.values().all(),
    references: async () => new Map(await references.iterator().all()),
    async putImage(image, names) {
      const batch = db.batch().put(image.id, image, { sublevel: images });
      for (const name of names) batch.put(name, image.id, { sublevel: references });
      await batch.write({ sync: true });
    },
    async removeImage(names, imageId) {
      const batch = db.batch();
      for (const name of names) batch.del(name, { sublevel: references });
      if (imageId) batch.del(imageId, { sublevel: images });
      await batch.write({ sync: true });
    },
    containers: () => containers.values().all(),
    // Not synced: a killed daemon loses nothing that was handed to the kernel, and after a power cut no container runs anyway.
    putContainer: (record) => containers.put(record.config.id, record),
    removeContainer: (id) => containers.del(id),
    close: () => db.close(),
  };
}
