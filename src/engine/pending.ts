import { SwarmError } from "../lib/index.js";
import type { Engine, TaskEngine } from "./api/index.js";

const refuse = (what: string) => (): never => { throw new SwarmError("UNIMPLEMENTED", `${what} is not there yet`); };

type Part<T, Done> = Omit<T, keyof Done>;

/** Parts of the contract that nothing carries out so far; each goes when its part comes. */
export const pending: Part<Engine, TaskEngine & Pick<Engine, "build" | "pruneBuildCache" | "commit" | "images" | "networks" | "volumes" | "events" | "find" | "details" | "restart" | "pause" | "unpause" | "rename" | "update" | "waitFor" | "top" | "stats" | "pruneContainers" | "attach" | "resize" | "execs" | "logFrames" | "size" | "statPath" | "readArchive" | "writeArchive" | "changes" | "export">> = {
  usage: refuse("usage"),
};
