import { strict as assert } from "node:assert";
import { fileURLToPath } from "node:url";
import { readScenarios, replay, rewrite } from "./scenarios.js";

// transcript.ts says what the files may hold. UPDATE_TRANSCRIPTS=1 writes what happens into them: read the difference.
const directory = fileURLToPath(new URL("./", import.meta.url));
if (process.env.UPDATE_TRANSCRIPTS !== undefined) rewrite(directory);

describe("transcripts of the core", () => {
  for (const scenario of readScenarios(directory)) if (scenario.title !== undefined) it(`${scenario.file}: ${scenario.title}`, () => { assert.equal(replay(scenario), scenario.text); });
});
