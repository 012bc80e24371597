import { anyModel, unlimited, wholeGpu, type ClusterState } from "../state/index.js";
import { formatThousandths } from "./amount-text.js";
import type { Filter } from "./filter.js";

/** A share of one device, or whole devices, of the models that are asked for. A share of one device is no share of another: 0.3 free on each of two are not 0.6. */
export const gpusFilter: Filter = {
  name: "gpu",
  concerns: ({ requests, groups }, g) => requests.gpuCount[groups.request[g]!]! > 0,
  room(state, g, n) {
    const r = state.groups.request[g]!;
    const count = state.requests.gpuCount[r]!;
    if (count === 0) return unlimited;
    const { places } = devicesFor(state, r, n);
    return Math.floor(places / count);
  },
  refusals(state, g, n) {
    const r = state.groups.request[g]!;
    const { requests, gpuModels } = state;
    const count = requests.gpuCount[r]!, millis = requests.gpuMillis[r]!;
    const { devices, places, largest } = devicesFor(state, r, n);
    if (count === 0 || places >= count) return [];
    const set = requests.gpuModels[r]!;
    const models = set === anyModel ? "" : ` of ${requests.modelSets[set]!.map((model) => gpuModels.names[model]).join(" or ")}`;
    const cause = `${millis >= wholeGpu ? "whole GPUs" : "share of a GPU"}${models}`;
    const wanted = millis >= wholeGpu ? `${count} whole GPU${count === 1 ? "" : "s"}${models}` : `${formatThousandths(millis)} of one GPU${models}`;
    if (devices === 0) return [{ filter: "gpu", cause, detail: `needs ${wanted}, node has none`, needed: millis >= wholeGpu ? count : millis, free: 0 }];
    return millis >= wholeGpu
      ? [{ filter: "gpu", cause, detail: `needs ${wanted}, ${places} ${places === 1 ? "is" : "are"} free`, needed: count, free: places }]
      : [{ filter: "gpu", cause, detail: `needs ${wanted}, most free on one is ${formatThousandths(largest)}`, needed: millis, free: largest }];
  },
};

/** Devices of node `n` that `r` allows, how many of its shares or whole devices fit on them, and the largest share that is free on one. */
function devicesFor({ nodes, requests }: ClusterState, r: number, n: number): { devices: number; places: number; largest: number } {
  const start = nodes.gpuStart[n]!, end = start + nodes.gpuCount[n]!, millis = requests.gpuMillis[r]!;
  let devices = 0, places = 0, largest = 0;
  for (let i = start; i < end; i++) {
    if (!requests.allowsModel(r, nodes.deviceModel[i]!)) continue;
    devices++;
    const free = Math.max(0, nodes.deviceFree[i]!);
    places += Math.floor(free / millis);
    if (free > largest) largest = free;
  }
  return { devices, places, largest };
}
