import { SwarmError } from "../lib/index.js";
import type { Engine, TaskEngine } from "./api/index.js";

const refuse = (what: string) => (): never => { throw new SwarmError("UNIMPLEMENTED", `${what} is not there yet`); };

type Part<T, Done> = Omit<T, keyof Done>;

/** Parts of the contract that nothing carries out so far; each goes when its part comes. */
export const pending: Part<Engine, TaskEngine & Pick<Engine, "images" | "volumes" | "events" | "find" | "details" | "restart" | "pause" | "unpause" | "rename" | "update" | "waitFor" | "pruneContainers">> = {
  execs: { create: refuse("exec"), start: refuse("exec"), inspect: refuse("exec"), resize: refuse("exec"), of: () => [] },
  networks: { list: refuse("networks"), get: refuse("networks"), create: refuse("networks"), remove: refuse("networks"), connect: refuse("networks"), disconnect: refuse("networks"), prune: refuse("networks") },
  attach: refuse("attach"), resize: refuse("resize"), top: refuse("top"), stats: refuse("stats"), size: refuse("size"), statPath: refuse("statPath"),
  readArchive: refuse("readArchive"), writeArchive: refuse("writeArchive"), changes: refuse("changes"), export: refuse("export"), commit: refuse("commit"), build: refuse("build"),
  pruneBuildCache: refuse("pruneBuildCache"), usage: refuse("usage"),
};
