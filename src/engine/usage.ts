import type { DiskUsage, Engine, Volume } from "./api/index.js";

export interface UsageParts {
  readonly engine: Pick<Engine, "images" | "details" | "size">;
  readonly volumes: { usage(): Promise<Volume[]> };
  readonly builder: { entries(): Promise<DiskUsage["buildCache"]> };
}

/** Bytes on disk by kind. A container that goes meanwhile is left out. */
export async function diskUsage({ engine, volumes, builder }: UsageParts): Promise<DiskUsage> {
  const containers = async () => (await Promise.all((await engine.details()).map(async ({ id }) => {
    const size = await engine.size(id).catch(() => undefined);
    return size ? [{ id, ...size }] : [];
  }))).flat();
  const [images, sizes, all, buildCache] = await Promise.all([engine.images.usage(), containers(), volumes.usage(), builder.entries()]);
  return { ...images, containers: sizes, volumes: all.map(({ name, sizeBytes, users }) => ({ name, sizeBytes: sizeBytes ?? 0, users: users.length })), buildCache };
}
