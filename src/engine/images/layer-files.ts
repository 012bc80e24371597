import type { LayerStore } from "../snapshots/layers.js";
import type { SnapshotDriver } from "../snapshots/driver.js";

/** What images need of the storage driver. */
export type LayerFiles = Pick<SnapshotDriver, "name" | "layerSize" | "unpack" | "keepOnly"> & {
  /** For inspect's GraphDriver: where the image's layers lie. */
  describeImage?(chain: readonly string[]): Readonly<Record<string, string>>;
};

/** The first layer store behind the driver's interface: its layers do not depend on those below. */
export const layerFilesOf = (layers: LayerStore): LayerFiles => ({
  name: "overlay",
  layerSize: (chain) => layers.sizeBytes(chain.at(-1)!),
  unpack: (chain, source, onProgress) => layers.unpack(chain.at(-1)!, source, onProgress),
  async keepOnly(chains) {
    const used = new Set(chains.flat());
    for (const diffId of await layers.list()) if (!used.has(diffId)) await layers.delete(diffId);
  },
});
