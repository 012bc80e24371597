import { SwarmError } from "../../lib/index.js";
import type { BuildJob } from "./build-job.js";
import type { StepRecord } from "./build-cache.js";
import { parseTriggers } from "./core/dockerfile.js";
import { shellOf, variablesOf, type ConfigJson } from "./core/image-config.js";
import type { CopyInstruction, Instruction, InstructionOf, From } from "./core/instructions.js";
import { parseMount, type MountFlag } from "./core/mount-flag.js";
import { joinPath } from "./core/paths.js";
import { baseOf, sourceOf } from "./core/plan.js";
import { expandText, expandWord } from "./core/shell-words.js";
import { prepareCopy, type CopyStep, type PreparedCopy } from "./copy-step.js";
import { idOf, keyOf, shortId, withDefaultPath, type ImageState } from "./image-state.js";
import { LayerTar } from "./layer-tar.js";
import { ignoreRules } from "./core/ignore.js";
import type { StepOutput } from "./output.js";
import { RootView } from "./root-view.js";
import { runCommandOf, runStep } from "./run-step.js";
import { applyInstruction } from "../images/changes.js";
import { hostPlatform, parsePlatform } from "../registry/manifest.js";
import { inChunks } from "./tar-records.js";

/** Known in every stage without an ARG, and in no history and no cache key. */
const proxyArgs = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY", "ftp_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"];

interface StepLayer { readonly diffId: string; readonly sizeBytes: number }
/** The layer that a step made, or what was known to be the same; undefined: nothing has changed. */
type Make = (output: StepOutput) => Promise<(StepLayer & { readonly aliases?: readonly string[]; readonly createdBy?: string }) | StepRecord | undefined>;

/** Carries out one stage, step by step. */
export class StageBuild {
  #args = new Map<string, string>();             // ARGs of this stage, with their values
  #hasCmd = false;                               // CMD of this stage outlives a later ENTRYPOINT; the base's does not
  constructor(private readonly job: BuildJob, private readonly index: number, private readonly image: string, private readonly platform: string | undefined, private readonly metaArgs: ReadonlyMap<string, string>, private readonly platformArgs: ReadonlyMap<string, string>) {}

  async run(): Promise<ImageState> {
    const { dockerfile, plan } = this.job;
    const stage = dockerfile.stages[this.index]!;
    let number = plan.firstStep.get(this.index) ?? plan.steps;
    const base = baseOf(dockerfile.stages, this.index, this.image);
    const below = base.kind === "stage" ? await this.job.stage(base.index) : undefined;
    const start = await this.#step(number++, stage.from, async (output) => {
      const from = await this.#from(below, output);
      await output.write(` ---> ${shortId(idOf(from.state))}\n`);
      if (from.triggers.length > 0) await output.write(`# Executing ${from.triggers.length} build trigger${from.triggers.length > 1 ? "s" : ""}\n`);
      return from;
    });
    let { state } = start;
    for (const trigger of start.triggers) state = await this.#instruction(trigger, state, undefined);
    for (const instruction of stage.instructions) state = await this.#instruction(instruction, state, number++);
    return state;
  }

  async #from(below: ImageState | undefined, output: StepOutput): Promise<{ state: ImageState; triggers: Instruction[] }> {
    if (below) return { state: { ...below, config: withDefaultPath(withoutTriggers(below.config)) }, triggers: parseTriggers(below.config.OnBuild ?? []) };
    const { request, parts } = this.job;
    if (this.image === "scratch") {
      const wanted = this.platform ?? request.platform;
      const platform = wanted ? parsePlatform(wanted) : hostPlatform();
      return { state: { config: withDefaultPath({}), chain: [], layers: [], history: [], author: undefined, platform, created: new Date(parts.clock.now()).toISOString() }, triggers: [] };
    }
    const { triggers, ...image } = await this.job.image(this.image, this.platform, (id, status, currentBytes, totalBytes) => output.status({ kind: "status", id, status, currentBytes, totalBytes }));
    return { state: { ...image, config: withDefaultPath(withoutTriggers(image.config)) }, triggers: parseTriggers(triggers) };
  }

  /** Opens the step's block of output; whatever fails in it is told with its line. */
  async #step<T>(number: number | undefined, { text, line }: Pick<From, "text" | "line">, work: (output: StepOutput) => Promise<T>): Promise<T> {
    this.job.signal.throwIfAborted();
    const output = this.job.outputs.open();
    try {
      if (number !== undefined) await output.write(`Step ${number}/${this.job.plan.steps} : ${text}\n`);
      return await work(output);
    } catch (error) {
      if (error instanceof SwarmError && error.name === "SwarmError" && !this.job.signal.aborted && !/^dockerfile parse error/.test(error.message)) throw new SwarmError(error.code, `${error.message} (line ${line} of the Dockerfile)`, { cause: error });
      throw error;
    } finally { output.end(); }
  }

  async #instruction(instruction: Instruction, state: ImageState, number: number | undefined): Promise<ImageState> {
    const { job } = this;
    switch (instruction.kind) {
      case "run": return this.#run(instruction, state, number);
      case "copy": case "add": return this.#copy(instruction, state, number);
      case "workdir": return this.#workdir(instruction, state, number);
      default: return this.#step(number, instruction, async (output) => {
        const change = this.#change(instruction, state);
        const key = keyOf("config", state.chain, state.config, state.author, change.createdBy, change.config);
        const found = job.request.noCache ? undefined : job.cache.find(key) ?? this.#fromImages(state, key, change.createdBy);
        const record = found ?? job.cache.add({ key, aliases: [], chain: state.chain, layer: undefined, createdBy: change.createdBy }, { isReplaced: job.request.noCache ?? false });
        const next = this.#after({ ...state, config: change.config, author: change.author ?? state.author }, change.createdBy, record.createdAtMs, undefined);
        if (found) await output.write(" ---> Using cache\n");
        await output.write(` ---> ${shortId(idOf(next))}\n`);
        return next;
      });
    }
  }

  /** Instructions that only change what the image says of itself. */
  #change(instruction: Exclude<Instruction, { kind: "run" | "copy" | "add" | "workdir" }>, state: ImageState): { config: ConfigJson; createdBy: string; author?: string } {
    const { config } = state;
    const shell = shellOf(config);
    const nop = (what: string): string => `${shell.join(" ")} #(nop)  ${what}`;
    const word = this.#words(state);
    switch (instruction.kind) {
      case "arg": {
        const shown = instruction.args.map(({ name, value }) => {
          const expanded = value === undefined ? undefined : word(value);
          this.#declare(word(name), expanded);
          return expanded === undefined ? name : `${name}=${expanded}`;
        });
        return { config, createdBy: nop(`ARG ${shown.join(" ")}`) };
      }
      case "maintainer": return { config, author: instruction.value, createdBy: nop(`MAINTAINER ${instruction.value}`) };
      default: {
        const changed = applyInstruction({ config, isCmdSet: this.#hasCmd }, instruction, this.#expansion(state))!;
        this.#hasCmd = changed.isCmdSet;
        return changed;
      }
    }
  }

  async #run(instruction: InstructionOf<"run">, state: ImageState, number: number | undefined): Promise<ImageState> {
    const { job } = this;
    const word = this.#words(state);
    const mounts = instruction.mounts.map((text) => {
      const mount = parseMount(text, instruction.line);
      const target = mount.target === "" ? "" : joinPath(state.config.WorkingDir || "/", word(mount.target));
      return { ...mount, id: mount.id === "" ? target : word(mount.id), source: word(mount.source), target, from: mount.from === undefined ? undefined : word(mount.from) };
    });
    const sources = new Map<string, ImageState>();
    for (const { from } of mounts) if (from !== undefined && !sources.has(from)) sources.set(from, await this.#source(from));
    const command = runCommandOf(instruction, state);
    const declared = [...this.#args].filter(([name]) => !state.config.Env?.some((each) => each.startsWith(`${name}=`))).sort(([a], [b]) => (a < b ? -1 : 1));
    const proxies = proxyArgs.flatMap((name) => (job.request.buildArgs[name] !== undefined && !this.#args.has(name) ? [`${name}=${job.request.buildArgs[name]}`] : []));
    const environment = declared.map(([name, value]) => `${name}=${value}`);
    const bound = await Promise.all(mounts.filter((mount) => mount.type === "bind").map(async (mount) => (mount.from === undefined ? await job.contextDigest(mount.source) : sources.get(mount.from)!.chain.join(" "))));
    const flags = [...instruction.mounts.map((mount) => `--mount=${mount}`), ...(instruction.network === "default" ? [] : [`--network=${instruction.network}`])].join(" ");
    const script = command.script ? ` ${JSON.stringify(command.script.content)}` : "";
    const createdBy = `${environment.length > 0 ? `|${environment.length} ${environment.join(" ")} ` : ""}${flags === "" ? "" : `RUN ${flags} `}${command.argv.join(" ")}${script}`;
    const { Env, User, WorkingDir, Volumes } = state.config;
    const key = keyOf("run", state.chain, { Env, User, WorkingDir, Volumes }, command, environment, instruction.network, flags, bound);
    for (const name of proxyArgs) if (job.request.buildArgs[name] !== undefined) job.consumedArgs.add(name);
    const source = async (mount: MountFlag) => (mount.from === undefined ? undefined : sources.get(mount.from));
    return job.turn(() => this.#made(instruction, number, state, key, createdBy, (output) => runStep({ instruction, command, environment: [...environment, ...proxies], mounts, source }, state, job, output), (work) => job.cacheMounts.locked(mounts, work)));
  }

  async #copy(instruction: InstructionOf<"copy" | "add">, state: ImageState, number: number | undefined): Promise<ImageState> {
    const { job } = this;
    const word = this.#words(state);
    const expanded: CopyInstruction = {
      ...instruction, sources: instruction.sources.map((each) => (instruction.heredocs.some((heredoc) => each.includes("<<") && each.includes(heredoc.name)) ? each : word(each))), target: word(instruction.target),
      chown: instruction.chown === undefined ? undefined : word(instruction.chown), chmod: instruction.chmod === undefined ? undefined : word(instruction.chmod),
      checksum: instruction.checksum === undefined ? undefined : word(instruction.checksum), excludes: instruction.excludes.map(word),
    };
    const from = instruction.from === undefined ? undefined : word(instruction.from);
    const source = from === undefined ? undefined : await this.#source(from);
    const name = instruction.kind === "add" ? "ADD" as const : "COPY" as const;
    const step: CopyStep = { name, instruction: expanded, line: instruction.line, source, expandText: (text) => expandText(text, this.#expansion(state)) };
    let prepared: PreparedCopy;
    try { prepared = await prepareCopy(step, job); } catch (error) {
      return this.#step(number, instruction, async () => { throw error; });
    }
    const { heredocs, from: _, ...plain } = expanded;
    const target = joinPath(state.config.WorkingDir || "/", expanded.target);
    const attributes = { ...plain, target, isDirectory: /(^|\/)\.{0,2}$/.test(expanded.target), heredocs: source ? heredocs.map((each) => [each.name, each.isExpanded ? step.expandText(each.content) : each.content]) : [] };
    const createdBy = (digest: string): string => `${shellOf(state.config).join(" ")} #(nop) ${name} ${expanded.chown === undefined ? "" : `--chown=${expanded.chown} `}${expanded.chmod === undefined ? "" : `--chmod=${expanded.chmod} `}${digest} in ${target} `;
    const keyFor = (content: unknown): string => keyOf("copy", name, state.chain, attributes, content);
    if (prepared.digest !== undefined) {
      // The sources' own names are in the digest as far as they matter.
      const digest = prepared.digest;
      return this.#made(instruction, number, state, keyFor(digest), createdBy(digest), async () => prepared.write(state));
    }
    // Files of a stage: the same stage gives the same files; another may, which is known once they are read.
    const quick = keyFor(source!.chain);
    return this.#made(instruction, number, state, quick, undefined, async () => {
      const layer = await prepared.write(state);
      const slow = keyFor(layer.digest);
      const known = job.request.noCache ? undefined : job.cache.find(slow);
      if (known) { job.cache.addAlias(known, quick); return known; }
      return { ...layer, aliases: [slow], createdBy: createdBy(layer.digest) };
    });
  }

  async #workdir(instruction: InstructionOf<"workdir">, state: ImageState, number: number | undefined): Promise<ImageState> {
    const { job } = this;
    const path = joinPath(state.config.WorkingDir || "/", this.#words(state)(instruction.value));
    const user = state.config.User ?? "";
    const next = { ...state, config: { ...state.config, WorkingDir: path } };
    return this.#made(instruction, number, next, keyOf("workdir", state.chain, path, user), `${shellOf(state.config).join(" ")} #(nop) WORKDIR ${path}`, () => job.roots.with(state.chain, async (root) => {
      const view = new RootView(root);
      const tar = new LayerTar(view, { owner: undefined, mode: undefined, ignore: ignoreRules([]), nowSeconds: Math.floor(job.parts.clock.now() / 1000), signal: job.signal });
      const parts: Buffer[] = [];
      for await (const part of tar.directory(path, await view.user(user))) parts.push(part);
      return parts.length === 0 ? undefined : this.#store(state, Buffer.concat(parts));
    }));
  }

  async #store(state: ImageState, tar: Buffer): Promise<StepLayer> {
    const { images, blobs, layers } = this.job.parts;
    return images.during(async () => {
      const { digest, sizeBytes } = await blobs.put(inChunks((async function* () { yield tar; })()));
      await layers.unpack([...state.chain, digest], () => blobs.stream(digest));
      this.job.held.add({ chain: [...state.chain, digest], layers: [{ digest, sizeBytes, mediaType: "" }] });
      return { diffId: digest, sizeBytes };
    });
  }

  /**
   * A step that may make a layer: from the cache, from an image that was given as one, or carried out. Two that are the same wait for each other.
   * All waiting is done before the step's block of output is open; see BuildOutputs.
   */
  async #made(instruction: Instruction, number: number | undefined, state: ImageState, key: string, createdBy: string | undefined, make: Make, prepared: <T>(work: () => Promise<T>) => Promise<T> = (work) => work()): Promise<ImageState> {
    const { job } = this;
    const isReplaced = job.request.noCache ?? false;
    const finish = async (record: StepRecord, output: StepOutput): Promise<ImageState> => {
      const next = this.#after(state, record.createdBy, record.createdAtMs, record.layer);
      job.held.add(next);
      await output.write(` ---> ${shortId(idOf(next))}\n`);
      return next;
    };
    return job.stepLock.run(key, async () => {
      const found = isReplaced ? undefined : job.cache.find(key) ?? this.#fromImages(state, key, createdBy);
      if (found) return this.#step(number, instruction, async (output) => { await output.write(" ---> Using cache\n"); return finish(found, output); });
      return prepared(() => this.#step(number, instruction, async (output) => {
        const made = await make(output);
        if (made && "key" in made) return finish(made, output);
        const layer = made && { diffId: made.diffId, blob: { digest: made.diffId, sizeBytes: made.sizeBytes, mediaType: "" } };
        const record = job.cache.add({
          key, aliases: made?.aliases ?? [], chain: layer ? [...state.chain, layer.diffId] : state.chain, layer, createdBy: made?.createdBy ?? createdBy ?? instruction.text,
        }, { isReplaced });
        // Before the next step begins: whatever ends the daemon from then on, this one was not in vain.
        await job.cache.saved();
        return finish(record, output);
      }));
    });
  }

  /** --cache-from: an image whose history goes on from this state with the same step. */
  #fromImages(state: ImageState, key: string, createdBy: string | undefined): StepRecord | undefined {
    if (createdBy === undefined) return undefined;
    const at = state.history.length;
    for (const image of this.job.cacheImages) {
      const step = image.history[at];
      const isSame = step?.created_by === createdBy && state.chain.every((diffId, i) => image.chain[i] === diffId)
        && state.history.every((each, i) => each.created_by === image.history[i]!.created_by && Boolean(each.empty_layer) === Boolean(image.history[i]!.empty_layer));
      if (!isSame) continue;
      const [diffId, blob] = step.empty_layer ? [] : [image.chain[state.chain.length], image.layers[state.chain.length]];
      if (!step.empty_layer && (diffId === undefined || !blob)) continue;
      const layer = diffId === undefined || !blob ? undefined : { diffId, blob };
      this.job.held.add(image);
      return this.job.cache.add({ key, aliases: [], chain: layer ? [...state.chain, layer.diffId] : state.chain, layer, createdBy }, { isReplaced: false, createdAtMs: Date.parse(step.created) || 0 });
    }
    return undefined;
  }

  #after(state: ImageState, createdBy: string, createdAtMs: number, layer: StepRecord["layer"]): ImageState {
    const created = new Date(createdAtMs).toISOString();
    return {
      ...state, created, chain: layer ? [...state.chain, layer.diffId] : state.chain, layers: layer ? [...state.layers, layer.blob] : state.layers,
      history: [...state.history, { created, created_by: createdBy, ...(layer ? {} : { empty_layer: true }) }],
    };
  }

  #declare(name: string, fallback: string | undefined): void {
    const { buildArgs } = this.job.request;
    this.job.consumedArgs.add(name);
    const value = buildArgs[name] ?? fallback ?? this.metaArgs.get(name) ?? this.platformArgs.get(name);
    if (value === undefined) this.#args.delete(name); else this.#args.set(name, value);
  }

  async #source(from: string): Promise<ImageState> {
    const source = sourceOf(this.job.dockerfile.stages, this.index, from);
    return source.kind === "stage" ? this.job.stage(source.index) : this.job.image(source.reference, undefined, () => {});
  }

  #expansion(state: ImageState) { return { variables: variablesOf(state.config.Env ?? [], this.#args), escape: this.job.dockerfile.escape }; }
  #words(state: ImageState): (text: string) => string { const options = this.#expansion(state); return (text) => expandWord(text, options); }
}

function withoutTriggers(config: ConfigJson): ConfigJson {
  const { OnBuild: _, ...rest } = config;
  return rest;
}
