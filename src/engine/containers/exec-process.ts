import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { SwarmError } from "../../lib/index.js";
import type { ContainerPaths } from "../paths.js";
import { environmentOf } from "../runtime/bundle.js";
import { heldCapabilities } from "../runtime/capabilities.js";
import { userOf } from "./prepare.js";

export interface ExecProcessOptions {
  readonly command: readonly string[];
  readonly user?: string;
  readonly env?: readonly string[];
  readonly workdir?: string;
  readonly privileged?: boolean;
  readonly tty?: boolean;
}

interface OciProcess { readonly env: readonly string[]; readonly cwd: string; readonly user: { readonly uid: number; readonly gid: number; readonly additionalGids: readonly number[]; readonly umask?: number }; readonly capabilities: { readonly bounding: readonly string[] } }

/** process.json for a command in a container that runs: the container's own process, but for what is asked otherwise. */
export async function execProcess(paths: ContainerPaths, options: ExecProcessOptions, boundingCapabilities: bigint): Promise<object> {
  const { process: own } = JSON.parse(await readFile(join(paths.bundle, "config.json"), "utf8")) as { process: OciProcess };
  if (options.workdir && !options.workdir.startsWith("/")) throw new SwarmError("INVALID_ARGUMENT", `the working directory "${options.workdir}" is not absolute; begin it with "/"`);
  const user = options.user ? await userOf(options.user, [], paths.rootfs) : own.user;
  const bounding = options.privileged ? heldCapabilities(boundingCapabilities) : own.capabilities.bounding;
  const effective = user.uid === 0 ? bounding : [];
  // HOME is the container's first user's: for another the runtime finds it, if nothing says otherwise.
  return {
    ...own,
    terminal: options.tty ?? false, args: options.command,
    env: environmentOf(own.env, options.tty ? ["TERM=xterm"] : [], options.env ?? []),
    cwd: options.workdir || own.cwd,
    user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids, umask: own.user.umask ?? 0o022 },
    capabilities: { bounding, effective, permitted: effective },
  };
}
