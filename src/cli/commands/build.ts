import { readFileSync, statSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import type { Ignore } from "@balena/dockerignore";
import dockerignore from "@balena/dockerignore";
import { SwarmError, messageOf } from "../../lib/index.js";
import type { Command, CommandInput } from "../command.js";
import { jsonLines } from "../docker/client.js";
import { nodeFlag } from "../docker/container-flags.js";
import { packPath } from "../docker/pack.js";
import { showProgress, type Progress } from "../docker/progress-view.js";
import { readBuildSecrets } from "../parse/build-secret.js";
import { parseLabels } from "../parse/key-value.js";

export default {
  usage: "[OPTIONS] DIRECTORY|-|URL",
  about: "Builds an image of a Dockerfile and the directory around it, on one host.",
  args: { min: 1 },
  flags: [
    { name: "tag", short: "t", kind: "list", value: "NAME[:TAG]", help: "The image's name" },
    { name: "file", short: "f", kind: "text", value: "FILE", help: "The Dockerfile (default DIRECTORY/Dockerfile)" },
    { name: "target", kind: "text", value: "STAGE", help: "Build up to this stage" },
    { name: "build-arg", kind: "list", value: "NAME=VALUE", help: "Value of an ARG; NAME alone takes yours" },
    { name: "secret", kind: "list", value: "id=NAME,src=FILE|env=VARIABLE", help: "For RUN --mount=type=secret,id=NAME; in no layer and not in the history" },
    { name: "label", kind: "list", value: "KEY=VALUE", help: "Label of the image" },
    { name: "cache-from", kind: "list", value: "IMAGE", help: "Image whose steps may be used again" },
    { name: "no-cache", kind: "switch", help: "Run every step" },
    { name: "pull", kind: "switch", help: "Look for newer base images" },
    { name: "network", kind: "text", value: "MODE", help: "Network of RUN steps" },
    { name: "add-host", kind: "list", value: "NAME:IP", help: "Line for /etc/hosts of RUN steps" },
    { name: "quiet", short: "q", kind: "switch", help: "Print only the id" },
    nodeFlag,
  ],
  examples: [["swarmctl build -t app:1 .", "The Dockerfile here"], ["swarmctl build --node w1 -t app:1 --target test .", "One stage, on the node w1"],
    ["swarmctl build --secret id=token,src=token.txt -t app:1 .", "With a secret for RUN --mount=type=secret,id=token"]],
  async run(input) {
    const { flags, args: [where], connection, terminal, signal, environment } = input;
    const isQuiet = flags.on("quiet");
    const context = contextOf(where!, input);
    const buildArguments = Object.fromEntries(flags.list("build-arg").map((text) => { const at = text.indexOf("="); return at < 0 ? [text, environment[text] ?? null] : [text.slice(0, at), text.slice(at + 1)]; }));
    const query = new URLSearchParams();
    for (const tag of flags.list("tag")) query.append("t", tag);
    const single = {
      dockerfile: context.dockerfile, remote: context.remote, target: flags.text("target"), buildargs: JSON.stringify(buildArguments), labels: JSON.stringify(parseLabels(flags.list("label"), "--label")),
      cachefrom: JSON.stringify(flags.list("cache-from")), nocache: flags.on("no-cache") || undefined, pull: flags.on("pull") || undefined, networkmode: flags.text("network"), extrahosts: flags.list("add-host").join(",") || undefined, rm: true,
    };
    for (const [key, value] of Object.entries(single)) if (value !== undefined) query.set(key, String(value));
    const response = await connection.docker(flags.text("node")).upload("POST", `/build?${query.toString()}`, context.tar, { signal, headers: secretsHeader(readBuildSecrets(flags.list("secret"), environment)) });
    const aux = await showProgress(jsonLines<Progress>(response), terminal, isQuiet);
    const id = aux.findLast((each) => each?.ID)?.ID;
    if (isQuiet && id) terminal.out(`${id}\n`);
  },
} satisfies Command as Command;

/** In the head, since the body is the context. */
function secretsHeader(secrets: Readonly<Record<string, Buffer>>): Record<string, string> {
  const texts = Object.fromEntries(Object.entries(secrets).map(([id, value]) => [id, value.toString("base64")]));
  return Object.keys(texts).length === 0 ? {} : { "x-build-secrets": Buffer.from(JSON.stringify(texts)).toString("base64") };
}

interface Context { readonly tar: AsyncIterable<Uint8Array>; readonly dockerfile: string | undefined; readonly remote?: string }

async function* nothing(): AsyncGenerator<Uint8Array> { /* the context is fetched by the daemon */ }

function contextOf(where: string, { flags, terminal }: CommandInput): Context {
  const file = flags.text("file");
  if (where === "-") return { tar: terminal.input as AsyncIterable<Uint8Array>, dockerfile: file };
  if (/^(https?|git):\/\/|^git@/.test(where)) return { tar: nothing(), dockerfile: file, remote: where };
  const refuse = (why: string): never => { throw new SwarmError("INVALID_ARGUMENT", `Cannot build "${where}": ${why}`); };
  try { if (!statSync(where).isDirectory()) refuse("it is no directory; name the directory, and the Dockerfile by --file."); } catch (error) { if (error instanceof SwarmError) throw error; refuse(`${messageOf(error)}.`); }
  const dockerfile = relative(resolve(where), resolve(file ?? join(where, "Dockerfile")));
  if (dockerfile.startsWith("..")) refuse(`its Dockerfile "${file}" lies outside of it; move it inside.`);
  try { statSync(join(where, dockerfile)); } catch { refuse(`there is no file "${dockerfile}" in it; name the Dockerfile by --file.`); }
  const ignored = ignoreOf(where, dockerfile);
  // The engine itself needs these two, whatever they say.
  const needed = new Set([dockerfile, ".dockerignore", `${dockerfile}.dockerignore`]);
  return { tar: packPath(where, "", { isWanted: (path) => needed.has(path) || !ignored?.ignores(path) }), dockerfile };
}

function ignoreOf(where: string, dockerfile: string): Ignore | undefined {
  for (const name of [`${dockerfile}.dockerignore`, ".dockerignore"]) {
    try { return dockerignore.default().add(readFileSync(join(where, name), "utf8")); } catch (error) { if ((error as { code?: string }).code !== "ENOENT") throw error; }
  }
  return undefined;
}
