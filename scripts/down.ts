/** npm run down: the demo with its hosts, their disks, its context and its images in .cache. Nothing there: nothing to do. */
import { existsSync, readdirSync, rmSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { ContextStore } from "../src/cli/index.js";
import { labDown, labList } from "../src/lab/index.js";
import { messageOf } from "../src/lib/index.js";
import { demo, imageCache, root } from "./demo.js";
import { Steps } from "./steps.js";

const steps = new Steps();

async function main(): Promise<void> {
  const wasUp = labList().some((row) => row.lab === demo.lab);
  // Also where no lab is listed: a crash may have left parts of one.
  await steps.step(wasUp ? "the lab's hosts" : "what may be left of a lab", () => labDown(demo.lab));
  const contexts = ContextStore.inHome(process.env);
  if (contexts.list().some((context) => context.name === demo.lab)) contexts.remove(demo.lab);
  rmSync(imageCache, { recursive: true, force: true });
  const cache = join(root, ".cache");
  if (existsSync(cache) && readdirSync(cache).length === 0) rmdirSync(cache);
  console.log(wasUp ? "The demo cluster is gone, with everything on it." : "There was no demo cluster.");
}

main().catch((error: unknown) => {
  process.stderr.write(`\nNot everything is gone: ${messageOf(error)}\n`);
  process.exitCode = 1;
});
