import { open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { SwarmError, messageOf } from "../lib/index.js";

/** What a node was told when it joined, and who the managers are: all that a restart needs beside the certificate. */
export interface NodeSettings {
  /** host:port that others reach this node at. */
  readonly advertiseAddr: string;
  /** host:port that the manager process listens on, when there is one. */
  readonly listenAddr: string;
  readonly managers: readonly string[];
  /** The manager process was a member once: it resumes rather than joins. */
  readonly isManagerMember: boolean;
}

const pathOf = (stateDir: string) => join(stateDir, "node.json");

export async function loadSettings(stateDir: string): Promise<NodeSettings | undefined> {
  let text: string;
  try { text = await readFile(pathOf(stateDir), "utf8"); } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try { return JSON.parse(text) as NodeSettings; } catch (error) {
    throw new SwarmError("DATA_LOSS", `Cannot read "${pathOf(stateDir)}": ${messageOf(error)}; leave the cluster with "swarmctl leave --force" and join again`, { cause: error });
  }
}

export async function saveSettings(stateDir: string, settings: NodeSettings): Promise<void> {
  const path = pathOf(stateDir);
  const file = await open(`${path}.new`, "w", 0o600);
  try {
    await file.writeFile(JSON.stringify(settings, undefined, 2));
    await file.sync();
  } finally { await file.close(); }
  await rename(`${path}.new`, path);
}

export const removeSettings = (stateDir: string): Promise<void> => rm(pathOf(stateDir), { force: true });
