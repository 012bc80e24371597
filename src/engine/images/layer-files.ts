import type { SnapshotDriver } from "../snapshots/driver.js";

/** What images need of the storage driver. */
export type LayerFiles = Pick<SnapshotDriver, "name" | "layerSize" | "unpack" | "keepOnly" | "describeImage">;
