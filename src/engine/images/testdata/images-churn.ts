// A daemon that pulls, tags, pushes, commits, saves, removes and prunes images and volumes until it is killed. Arguments: its EngineConfig as JSON; a registry with team/demo:1.
import { silentLogger, systemClock } from "../../../lib/index.js";
import { openEngine } from "../../engine.js";
import { containerConfig } from "../../testing.js";
import type { EngineConfig } from "../../config.js";

const config = JSON.parse(process.argv[2]!) as EngineConfig;
const registry = process.argv[3]!;
const engine = await openEngine({ ...config, log: silentLogger, clock: systemClock });
console.log("ready");
const { images, volumes } = engine;
for (let round = 0; ; round++) {
  // What another daemon left may be in the way: a refusal is part of the story.
  const tried = async (action: () => Promise<unknown>) => action().catch((error: Error) => { if (error.name !== "SwarmError") throw error; });
  await tried(() => images.pull(`${registry}/team/demo:1`));
  await tried(() => images.tag(`${registry}/team/demo:1`, `${registry}/team/copy:${round}`));
  const spec = containerConfig({ image: `${registry}/team/demo:1`, args: ["true"], mounts: [{ type: "volume", name: `v${round}`, target: "/srv", readOnly: false }] });
  await tried(async () => {
    await engine.create(spec);
    await engine.commit(spec.id, { reference: `${registry}/team/made:${round}` });
    await Promise.all([images.push(`${registry}/team/made:${round}`), images.push(`${registry}/team/copy:${round}`)]);
    for await (const _ of images.save([`${registry}/team/made:${round}`]));
  });
  await tried(() => engine.remove(spec.id, { force: true }));
  for (const image of await images.list()) await tried(() => images.remove(image.id, { force: true }));
  await tried(() => images.prune({ isAll: true }));
  await tried(() => volumes.prune({ isAll: true }));
}
