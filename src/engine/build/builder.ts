import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { KeyedLock, SwarmError, messageOf } from "../../lib/index.js";
import type { BuildRequest } from "../api/index.js";
import { decompress } from "../content/decompress.js";
import type { Held } from "../images/garbage.js";
import { layersOf } from "../images/record.js";
import type { ImageRecord } from "../images/record.js";
import { familiar, parseReference } from "../images/reference.js";
import { hostPlatform, parsePlatform } from "../registry/manifest.js";
import { removeTree } from "../runtime/remove-tree.js";
import { BuildCache, type CacheEntry } from "./build-cache.js";
import { HeldByJob, type BuildJob, type BuildParts } from "./build-job.js";
import { CacheMounts } from "./cache-mounts.js";
import { TreeOrigin, contentDigest } from "./copy-origin.js";
import { parseDockerfile, type Dockerfile } from "./core/dockerfile.js";
import { parseIgnoreFile, ignoreRules } from "./core/ignore.js";
import type { ConfigJson, HistoryJson } from "./core/image-config.js";
import type { Instruction } from "./core/instructions.js";
import { cleanPath } from "./core/paths.js";
import { planBuild } from "./core/plan.js";
import { planPrune } from "./core/prune.js";
import { expandWord } from "./core/shell-words.js";
import { prune, readContext, resolveNode, textOf, type DirectoryNode } from "./file-tree.js";
import { imageConfigOf, shortId, type ImageState } from "./image-state.js";
import { BuildOutputs } from "./output.js";
import { fetchContext } from "./remote-context.js";
import { buildLabel } from "./run-step.js";
import { ScratchRoots } from "./scratch-roots.js";
import { StageBuild } from "./stage-build.js";

const dockerfileMaxBytes = 8 * 1024 * 1024;
const contextMaxBytes = 64 * 1024 ** 3;
/** What the cache keeps beyond the images' own layers; the longest unused goes first. */
const cacheMaxBytes = 20 * 1024 ** 3;

/** Builds images from Dockerfiles with the engine's own containers, layers and images. */
export class Builder {
  #jobs = new Map<BuildJob, AbortController>();
  #running = new Set<Promise<unknown>>();
  #stateImages = new Map<string, ImageRecord>();
  #stepLock = new KeyedLock();
  #turns = new Turns(availableParallelism());

  private constructor(private readonly parts: BuildParts, private readonly cache: BuildCache, private readonly mounts: CacheMounts, private readonly roots: ScratchRoots) {}

  /** Before the images are swept: what the cache needs is kept. */
  static async open(parts: BuildParts): Promise<Builder> {
    const { paths } = parts;
    const builder = new Builder(parts, await BuildCache.open(parts.metadata, parts.clock), await CacheMounts.open(join(paths.build, "mounts"), parts.clock), new ScratchRoots(parts.layers, join(paths.runBuild, "roots")));
    parts.images.addUser(() => builder.#held());
    return builder;
  }

  /** What a killed daemon left: containers of steps, mounted roots, contexts. */
  async sweep(): Promise<void> {
    const { containers, paths, log } = this.parts;
    for (const { config: { id, labels } } of containers.all()) if (labels[buildLabel] !== undefined) await containers.remove(id, { force: true, removeVolumes: true }).catch((error: unknown) => log.warn("removing a container that a build left failed", { container: id, error }));
    await this.roots.sweep();
    await removeTree(join(paths.build, "jobs"), paths.runBuild);
  }

  /** Images that steps' containers start from. */
  stateImage(reference: string): ImageRecord | undefined { return this.#stateImages.get(reference); }

  async build(request: BuildRequest): Promise<string> {
    const ending = new AbortController();
    const signal = AbortSignal.any([request.signal, ending.signal]);
    const id = randomBytes(8).toString("hex");
    const directory = join(this.parts.paths.build, "jobs", id);
    const volatileDirectory = join(this.parts.paths.runBuild, id);
    let isFailed = false;
    const work = (async () => {
      try {
        if (request.squash) throw new SwarmError("UNIMPLEMENTED", "squash is not supported: a last stage with COPY --from of an earlier one has the same effect");
        signal.throwIfAborted();
        await mkdir(directory, { recursive: true, mode: 0o700 });
        await mkdir(volatileDirectory, { recursive: true, mode: 0o711 });
        return await this.#build(request, { directory, volatileDirectory, ending, signal });
      } catch (error) {
        // What was stored for a step that then failed.
        isFailed = true;
        if (request.signal.aborted) throw new SwarmError("CANCELLED", "The build was cancelled; nothing of it is left", { cause: error });
        throw error;
      } finally {
        await removeTree(directory, volatileDirectory);
        if (isFailed) await this.parts.images.collect();
        await this.cache.save().catch((error: unknown) => this.parts.log.warn("the build cache could not be written", { error }));
      }
    })();
    this.#running.add(work);
    try { return await work; } finally { this.#running.delete(work); void this.#trim().catch((error: unknown) => this.parts.log.warn("the build cache could not be trimmed", { error })); }
  }

  /** `inUseBy`: layers of images. */
  async entries(): Promise<CacheEntry[]> {
    const inImages = this.#imageLayers();
    const active = new Set([...this.#jobs.keys()].flatMap((job) => job.held.held().chains.flat()));
    const mounts = await this.mounts.entries();
    return [
      ...this.cache.entries((record) => record.layer !== undefined && active.has(record.layer.diffId), (diffId) => inImages.has(diffId)),
      ...mounts.map((mount) => ({ id: mount.key.slice(0, 25), description: `cache mount ${mount.id}`, sizeBytes: mount.sizeBytes, createdAtMs: mount.createdAtMs, lastUsedAtMs: mount.lastUsedAtMs, uses: mount.uses, isInUse: mount.isInUse, isShared: false })),
    ];
  }

  async prune(options: { isAll?: boolean; untilMs?: number; keepBytes?: number }): Promise<{ deleted: string[]; freedBytes: number }> {
    const mounts = await this.mounts.entries();
    const inImages = this.#imageLayers();
    const records = this.cache.records();
    const plan = planPrune([
      ...records.map((record) => ({ key: record.key, bytes: record.layer && !inImages.has(record.layer.diffId) ? { of: record.layer.diffId, count: record.layer.blob.sizeBytes } : undefined, lastUsedAtMs: record.lastUsedAtMs, isNeeded: record.chain.length > 0 && inImages.has(record.chain.at(-1)!) })),
      ...mounts.map((mount) => ({ key: mount.key, bytes: { of: mount.key, count: mount.sizeBytes }, lastUsedAtMs: mount.lastUsedAtMs, isNeeded: mount.isInUse })),
    ], options);
    const doomed = new Set(plan.keys);
    await this.cache.remove(records.filter((record) => doomed.has(record.key)));
    for (const mount of mounts) if (doomed.has(mount.key)) await this.mounts.remove(mount.key);
    if (doomed.size > 0) await this.parts.images.collect();
    this.parts.events.publish({ type: "builder", action: "prune", actorId: "", attributes: { reclaimed: String(plan.freedBytes) } });
    return { deleted: plan.keys.map((key) => key.slice(0, 25)), freedBytes: plan.freedBytes };
  }

  /** Ends what runs. */
  async close(): Promise<void> {
    for (const ending of this.#jobs.values()) ending.abort(new SwarmError("CANCELLED", "The build was ended: the engine is closing"));
    await Promise.allSettled([...this.#running]);
  }

  async #build(request: BuildRequest, { directory, volatileDirectory, ending, signal }: { directory: string; volatileDirectory: string; ending: AbortController; signal: AbortSignal }): Promise<string> {
    const { images, clock } = this.parts;
    const limits = { totalBytes: contextMaxBytes };
    const context = request.remote ? await fetchContext(request.remote, directory, limits, signal) : await readContext(decompress(request.context), directory, limits, signal);
    const dockerfile = withLabels(parseDockerfile(await dockerfileText(context, request.dockerfile)), request);
    await applyIgnoreFile(context, request.dockerfile);

    const emit = request.isQuiet ? () => {} : request.onOutput;
    const outputs = new BuildOutputs(emit);
    const { metaArgs, platformArgs, stageImages } = stageNames(dockerfile, request);
    const plan = planBuild(dockerfile, stageImages.map(({ image }) => image), request.target);
    const stages = new Map<number, Promise<ImageState>>();
    const bases = new Map<string, Promise<ImageState & { triggers: readonly string[] }>>();
    const digests = new Map<string, Promise<string>>();
    const cacheImages: ImageState[] = [];
    for (const reference of request.cacheFrom) if (images.record(reference)) cacheImages.push(await this.#imageState(reference));
    const held = new HeldByJob();
    for (const image of cacheImages) held.add(image);
    const job: BuildJob = {
      parts: this.parts, request, signal, dockerfile, plan, context, directory, volatileDirectory, cache: this.cache, stepLock: this.#stepLock, cacheMounts: this.mounts, roots: this.roots, outputs, stateImages: this.#stateImages, held, cacheImages,
      consumedArgs: new Set(dockerfile.metaArgs.flatMap(({ args }) => args.map(({ name }) => name))),
      turn: (work) => this.#turns.take(work),
      stage: (index) => memo(stages, index, () => new StageBuild(job, index, stageImages[index]!.image, stageImages[index]!.platform, metaArgs, new Map([...platformArgs, ["TARGETSTAGE", dockerfile.stages[plan.target]!.from.alias ?? "default"]])).run()
        .catch((error: unknown) => { ending.abort(error); throw error; })),
      image: (reference, platform, onStatus) => memo(bases, JSON.stringify([reference, platform]), () => this.#image(reference, platform, request, signal, held, onStatus)),
      contextDigest: (path) => memo(digests, path, async () => { const origin = new TreeOrigin(context); return contentDigest([{ origin, matches: await origin.match(path) }], ignoreRules([])); }),
    };
    this.#jobs.set(job, ending);
    try {
      for (const warning of dockerfile.warnings) outputs.line(`${warning}\n`);
      if (dockerfile.syntax) outputs.line(`[Warning] The frontend "${dockerfile.syntax}" that "# syntax=" names is not fetched: this engine reads the Dockerfile itself\n`);
      let number = 1;
      for (const arg of dockerfile.metaArgs) outputs.line(`Step ${number++}/${plan.steps} : ${arg.text}\n`);
      // All at once; each waits for those that it builds on. The first failure ends the others.
      const ended = await Promise.allSettled(plan.needed.map((index) => job.stage(index)));
      request.signal.throwIfAborted();
      const failures = ended.flatMap((each) => (each.status === "rejected" ? [each.reason as unknown] : []));
      if (failures.length > 0) throw signal.aborted ? signal.reason : failures[0];
      const state = await job.stage(plan.target);
      const unused = Object.keys(request.buildArgs).filter((name) => !job.consumedArgs.has(name) && !/^(HTTPS?|FTP|NO|ALL)_PROXY$/i.test(name)).sort();
      if (unused.length > 0) outputs.line(`[Warning] One or more build-args [${unused.join(" ")}] were not consumed\n`);
      const whole = state.history.length === 0 ? { ...state, created: new Date(clock.now()).toISOString() } : state;
      const image = await images.during(() => images.create({ config: imageConfigOf(whole), layers: whole.layers }));
      if (request.isQuiet) request.onOutput({ kind: "stream", text: `${image.id}\n` });
      emit({ kind: "aux", imageId: image.id });
      outputs.line(`Successfully built ${shortId(image.id)}\n`);
      for (const tag of request.tags) {
        await images.tag(image.id, tag);
        outputs.line(`Successfully tagged ${familiar(parseReference(tag).normalized)}\n`);
      }
      return image.id;
    } finally {
      this.#jobs.delete(job);
      if (this.#jobs.size === 0) this.#stateImages.clear();
    }
  }

  async #image(reference: string, platform: string | undefined, request: BuildRequest, signal: AbortSignal, held: HeldByJob, onStatus: (id: string, status: string, currentBytes: number, totalBytes: number) => void): Promise<ImageState & { triggers: readonly string[] }> {
    const { images } = this.parts;
    const wanted = platform ?? (request.platform || undefined);
    const present = images.record(reference);
    const { os, architecture } = wanted ? parsePlatform(wanted) : hostPlatform();
    const fits = present && (wanted === undefined || (present.os === os && present.arch === architecture));
    if (!fits || request.pull) {
      const parsed = parseReference(reference);
      const credentials = request.credentials?.[parsed.host] ?? (parsed.host === "docker.io" ? request.credentials?.["https://index.docker.io/v1/"] ?? request.credentials?.["index.docker.io"] : undefined);
      await images.pull(reference, { signal, ...(wanted ? { platform: wanted } : {}), ...(credentials ? { credentials } : {}), onProgress: ({ id, status, currentBytes, totalBytes }) => onStatus(id, status, currentBytes, totalBytes) })
        .catch((error: unknown) => { if (error instanceof SwarmError && error.code === "NOT_FOUND") throw new SwarmError("NOT_FOUND", `pull access denied for ${reference}, repository does not exist or may require 'docker login': ${messageOf(error)}`, { cause: error }); throw error; });
    }
    const state = await this.#imageState(reference);
    held.add(state);
    return state;
  }

  async #imageState(reference: string): Promise<ImageState & { triggers: readonly string[] }> {
    const { images } = this.parts;
    const { raw } = await images.inspect(reference);
    const record = images.record(reference)!;
    const config = (raw["config"] ?? {}) as ConfigJson;
    const history = Array.isArray(raw["history"]) ? raw["history"] as HistoryJson[] : [];
    return {
      config, chain: record.diffIds, layers: layersOf(record), history, author: typeof raw["author"] === "string" ? raw["author"] : undefined,
      platform: { os: record.os, architecture: record.arch, ...(record.variant ? { variant: record.variant } : {}) }, created: String(raw["created"] ?? new Date(0).toISOString()), triggers: config.OnBuild ?? [],
    };
  }

  *#held(): Generator<Held> {
    yield* this.cache.held();
    for (const job of this.#jobs.keys()) yield job.held.held();
  }

  #imageLayers(): Set<string> { return new Set(this.parts.images.records().flatMap((image) => image.diffIds)); }

  async #trim(): Promise<void> {
    const entries = await this.entries();
    if (entries.reduce((sum, entry) => sum + (entry.isShared ? 0 : entry.sizeBytes), 0) > cacheMaxBytes) await this.prune({ isAll: true, keepBytes: cacheMaxBytes });
  }
}

async function dockerfileText(context: DirectoryNode, path: string): Promise<string> {
  const name = path || "Dockerfile";
  const clean = cleanPath(name);
  if (clean === ".." || clean.startsWith("../")) throw new SwarmError("INVALID_ARGUMENT", `Forbidden path outside the build context: ${name} ()`);
  const found = resolveNode(context, clean) ?? (name === "Dockerfile" ? resolveNode(context, "dockerfile") : undefined);
  if (!found) throw new SwarmError("INVALID_ARGUMENT", `Cannot locate specified Dockerfile: ${name}: the context does not hold it`);
  if (found.node.kind !== "file") throw new SwarmError("INVALID_ARGUMENT", `Cannot read Dockerfile "${name}": it is a directory`);
  return textOf(found.node.content, dockerfileMaxBytes, `"${name}"`);
}

/** `<Dockerfile>.dockerignore` goes before `.dockerignore`. */
async function applyIgnoreFile(context: DirectoryNode, dockerfile: string): Promise<void> {
  for (const name of [`${cleanPath(dockerfile || "Dockerfile")}.dockerignore`, ".dockerignore"]) {
    const found = resolveNode(context, name);
    if (found?.node.kind !== "file") continue;
    prune(context, parseIgnoreFile(await textOf(found.node.content, dockerfileMaxBytes, `"${name}"`)));
    return;
  }
}

/** `--label`s are a LABEL at the end of the stage that is asked for. */
function withLabels(dockerfile: Dockerfile, request: BuildRequest): Dockerfile {
  const labels = Object.entries(request.labels).sort(([a], [b]) => (a < b ? -1 : 1));
  if (labels.length === 0) return dockerfile;
  const { target } = planBuild(dockerfile, dockerfile.stages.map(({ from }) => from.image), request.target);
  const literal = (text: string): string => text.replace(/[\\`$'"]/g, (char) => (char === "\\" || char === "`" ? (char === dockerfile.escape ? char + char : char) : dockerfile.escape + char));
  const label: Instruction = { kind: "label", line: dockerfile.stages[target]!.from.line, text: `LABEL ${labels.map(([name, value]) => `${name}=${value}`).join(" ")}`, isOldForm: false, pairs: labels.map(([name, value]) => [literal(name), literal(value)]) };
  return { ...dockerfile, stages: dockerfile.stages.map((stage, i) => (i === target ? { ...stage, instructions: [...stage.instructions, label] } : stage)) };
}

/** What FROMs name, with the ARGs before them and the platform's own. */
function stageNames(dockerfile: Dockerfile, request: BuildRequest): { metaArgs: Map<string, string>; platformArgs: Map<string, string>; stageImages: { image: string; platform: string | undefined }[] } {
  const host = hostPlatform();
  const target = request.platform ? parsePlatform(request.platform) : host;
  const named = ({ os, architecture, variant }: { os: string; architecture: string; variant?: string }) => `${os}/${architecture}${variant ? `/${variant}` : ""}`;
  const platformArgs = new Map([
    ["BUILDPLATFORM", named(host)], ["BUILDOS", host.os], ["BUILDARCH", host.architecture], ["BUILDVARIANT", ""],
    ["TARGETPLATFORM", named(target)], ["TARGETOS", target.os], ["TARGETARCH", target.architecture], ["TARGETVARIANT", target.variant ?? ""],
  ]);
  const metaArgs = new Map<string, string>();
  const options = { variables: new Map(platformArgs), escape: dockerfile.escape };
  for (const { args } of dockerfile.metaArgs) for (const { name, value } of args) {
    const given = request.buildArgs[name] ?? (value === undefined ? undefined : expandWord(value, options));
    if (given === undefined) continue;
    metaArgs.set(name, given);
    options.variables.set(name, given);
  }
  const stageImages = dockerfile.stages.map(({ from }) => {
    const image = expandWord(from.image, options);
    if (image === "") throw new SwarmError("INVALID_ARGUMENT", `dockerfile parse error on line ${from.line}: base name (${from.image}) should not be blank`);
    const platform = from.platform === undefined ? undefined : expandWord(from.platform, options);
    return { image, platform: platform || undefined };
  });
  return { metaArgs, platformArgs, stageImages };
}

function memo<K, T>(map: Map<K, Promise<T>>, key: K, make: () => Promise<T>): Promise<T> {
  let present = map.get(key);
  if (!present) {
    present = make();
    present.catch(() => {});
    map.set(key, present);
  }
  return present;
}

class Turns {
  #free: number;
  #waiting: (() => void)[] = [];
  constructor(count: number) { this.#free = count; }

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--; else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try { return await work(); } finally {
      const next = this.#waiting.shift();
      if (next) next(); else this.#free++;
    }
  }
}
