// A process that is killed while it uses a storage driver: unpacks, mounts, writes, commits, removes and collects, again and again.
import { createHash } from "node:crypto";
import { createReadStream, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Spawner } from "../../runtime/spawner.js";
import { LayerDirectory } from "../layer-directory.js";
import { createDriver, type StorageDriverName } from "../open-driver.js";

const [name, home, monitor, directory, chainText] = process.argv.slice(2) as [StorageDriverName, string, string, string, string];
const chain = JSON.parse(chainText) as string[];
await Spawner.open(monitor);
const driver = createDriver(name, await LayerDirectory.open(home, monitor, name === "overlay" ? "overlay" : "files"), monitor);
const root = join(directory, "roots", "churned");
process.stdout.write("ready\n");
for (let round = 0; ; round++) {
  await driver.unpack(chain.slice(0, 1), () => createReadStream(join(directory, "base.tar")));
  await driver.unpack(chain, () => createReadStream(join(directory, "above.tar")));
  await driver.mount("churned", chain, root);
  writeFileSync(join(root, `file-${round}`), String(round));
  await driver.changes("churned", chain);
  await driver.commit("churned", chain, async (tar) => {
    const hash = createHash("sha256");
    let sizeBytes = 0;
    for await (const part of tar) { hash.update(part); sizeBytes += part.length; }
    return { digest: `sha256:${hash.digest("hex")}`, sizeBytes };
  }, { isConsumed: round % 2 === 1 });
  await driver.unmount("churned", root);
  await driver.remove("churned");
  await driver.keepOnly(round % 3 === 0 ? [] : [chain]);
}
