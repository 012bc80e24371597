import type { GetVolumeResponse } from "../../../gen/swarm/v1/GetVolumeResponse.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { inspectCommand } from "../../inspect-command.js";
import { present } from "../../present.js";
import { clusterFlag, isOfCluster } from "../../spec/volume-flags.js";

export default inspectCommand("volume", async (connection, ref, flags) => {
  if (!isOfCluster(flags)) return connection.docker(flags.text("node")).json<object>("GET", `/volumes/${encodeURIComponent(ref)}`);
  const { volume, use } = await connection.control<GetVolumeResponse>("getVolume", { ref });
  return { ...present(volume, "volume"), use };
}, [clusterFlag, nodeFlag]);
