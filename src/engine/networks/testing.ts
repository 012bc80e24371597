import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { isBridgeName, isHostLink, tableOf, tagOf } from "./core/names.js";

/** Whatever an engine on this state directory has left in the kernel's networking here, also one that was killed. */
export function removeNetworkTraces(stateDir: string): void {
  const tag = tagOf(stateDir);
  for (const name of readdirSync("/sys/class/net")) if (name === `skein-${tag}` || isBridgeName(tag, name) || isHostLink(tag, name)) spawnSync("ip", ["link", "del", name]);
  spawnSync("nft", ["delete", "table", "inet", tableOf(tag)]);
}
