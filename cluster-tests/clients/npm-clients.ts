import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { packageRoot } from "../../src/rpc/index.js";
import { run } from "../run.js";

const directory = join(packageRoot(dirname(fileURLToPath(import.meta.url))), "cluster-tests/clients");
let installed: Promise<void> | undefined;

/** The clients from npm, installed once by this process beside their package.json; programs that use them are run from there. */
export async function npmClients(): Promise<string> {
  installed ??= (async () => {
    const { code, stderr } = await run("npm", ["ci", "--prefix", directory, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], { timeoutMs: 180_000 });
    if (code !== 0) throw new Error(`npm ci in ${directory}: exit code ${code}: ${stderr}`);
  })();
  await installed;
  return directory;
}
