import { mkdir, readFile, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { SwarmError, type Logger } from "../../lib/index.js";
import type { CgroupLayout } from "./cgroups.js";
import { CompiledSeccomp } from "./compiled-seccomp.js";
import { findProgram, Runtime, versionOf } from "./runtime.js";
import { tryRuntime, type TrialParts } from "./trial-bundle.js";

export interface RuntimesOptions {
  /** "auto": the fastest that works here; a name or a path: that one. */
  readonly wanted: string;
  /** Where runtimes keep their containers: the first is runc's, as long as there has been an engine. */
  readonly root: string;
  readonly trialDirectory: string;
  readonly cacheDirectory: string;
  readonly cgroups: CgroupLayout;
  readonly cgroupParent: string;
  readonly monitorPath: string;
  readonly bootId: string;
  readonly log: Logger;
}

/** Best first. */
const known = ["crun", "runc"];
const installHint = "install Debian's package crun or runc, or name another runtime";

interface Tried { readonly key: string; readonly version: string; readonly problem: string | undefined }

/** The OCI runtimes of this host that work, and the one that containers get unless they ask for another. */
export class Runtimes {
  readonly #compiled: CompiledSeccomp;

  private constructor(readonly preferred: Runtime, private readonly working: readonly Runtime[], private readonly broken: ReadonlyMap<string, string>, parts: ConstructorParameters<typeof CompiledSeccomp>[0]) {
    this.#compiled = new CompiledSeccomp(parts);
  }

  /** Each one that is installed has run a container here, in this boot or now. */
  static async open(options: RuntimesOptions): Promise<Runtimes> {
    const { wanted, log, cgroups, monitorPath, cgroupParent } = options;
    const trial: TrialParts = { directory: options.trialDirectory, monitorPath, cgroups, cgroupParent };
    const names = wanted === "auto" || known.includes(wanted) ? known : [wanted, ...known];
    await clearTrials(options.trialDirectory);
    const record = await TrialRecord.read(join(options.trialDirectory, "runtimes.json"));
    const broken = new Map<string, string>();
    const found = await Promise.all(names.map(async (asked) => {
      const name = basename(asked);
      const path = await findProgram(asked, process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin");
      if (!path) { broken.set(name, "it is not installed"); return undefined; }
      const { size, mtimeMs } = await stat(path);
      const key = [path, size, mtimeMs, options.bootId, cgroupParent].join(" ");
      const root = name === "runc" ? options.root : `${options.root}-${name}`;
      const tried = record.get(key) ?? await tryPath(path, key, { root, cgroups, monitorPath }, trial);
      record.put(tried);
      if (tried.problem === undefined) return new Runtime(path, tried.version, { root, cgroups, monitorPath });
      broken.set(name, tried.problem);
      log.info("an OCI runtime does not work on this host", { runtime: name, path, reason: tried.problem });
      return undefined;
    }));
    await record.save();
    const working = found.filter((runtime) => runtime !== undefined);
    const preferred = wanted === "auto" ? working[0] : working.find((runtime) => runtime.name === basename(wanted));
    if (!preferred) {
      const why = wanted === "auto" ? `no OCI runtime works here (${[...broken].map(([name, problem]) => `${name}: ${problem}`).join("; ")})` : `the OCI runtime "${wanted}" cannot be run (${broken.get(basename(wanted))})`;
      throw new SwarmError("FAILED_PRECONDITION", `Cannot start the engine: ${why}; ${installHint}`);
    }
    for (const { root } of working) await mkdir(root, { recursive: true, mode: 0o700 });
    return new Runtimes(preferred, working, broken, { ...trial, cacheDirectory: options.cacheDirectory, log });
  }

  list(): { readonly name: string; readonly path: string; readonly version: string }[] { return this.working.map(({ name, path, version }) => ({ name, path, version })); }
  all(): readonly Runtime[] { return this.working; }

  /** "" or undefined: the preferred one. */
  named(name: string | undefined): Runtime {
    if (!name) return this.preferred;
    const runtime = this.working.find((each) => each.name === name || each.path === name);
    if (runtime) return runtime;
    const names = this.working.map((each) => each.name).join(", ");
    throw new SwarmError("INVALID_ARGUMENT", `unknown or invalid runtime name: ${name.slice(0, 100)}${this.broken.has(name) ? ` (${this.broken.get(name)})` : ""}; on this host there is ${names}`);
  }

  /** Which one has this container now: what was started before the preference changed stays where it is. */
  async holding(id: string): Promise<Runtime> {
    for (const runtime of this.working) if (await runtime.holds(id)) return runtime;
    return this.preferred;
  }

  /** config.json as this runtime takes it best. */
  async adapt(config: OciConfig, runtime: Runtime): Promise<object> {
    const { seccomp, ...linux } = config.linux;
    if (!runtime.isCrun || !seccomp) return config;
    const filter = await this.#compiled.filterOf(seccomp, runtime);
    return filter ? { ...config, linux, annotations: { ...config.annotations, "run.oci.seccomp_bpf_data": filter } } : config;
  }
}

/** What of config.json depends on the runtime. */
export interface OciConfig {
  readonly linux: { readonly seccomp?: object; readonly [setting: string]: unknown };
  readonly annotations?: Readonly<Record<string, string>>;
  readonly [setting: string]: unknown;
}

/** What a daemon left that was killed during a trial; the containers are found with all others that nobody knows. */
async function clearTrials(directory: string): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) if (name.startsWith("trial-")) await rm(join(directory, name), { recursive: true, force: true });
}

async function tryPath(path: string, key: string, options: { root: string; cgroups: CgroupLayout; monitorPath: string }, trial: TrialParts): Promise<Tried> {
  const asked = await versionOf(path);
  if ("error" in asked) return { key, version: "", problem: asked.error };
  return { key, version: asked.version, problem: await tryRuntime(new Runtime(path, asked.version, options), trial) };
}

/** Trials of this boot, on disk: a restarted daemon starts without them. */
class TrialRecord {
  #isChanged = false;
  private constructor(private readonly path: string, private readonly tried: Map<string, Tried>) {}

  static async read(path: string): Promise<TrialRecord> {
    try {
      const entries = JSON.parse(await readFile(path, "utf8")) as Tried[];
      return new TrialRecord(path, new Map(entries.map((entry) => [entry.key, entry])));
    } catch { return new TrialRecord(path, new Map()); }   // none yet, or half written: tried again
  }

  /** A failure may have been the moment's: it is tried again. */
  get(key: string): Tried | undefined { const tried = this.tried.get(key); return tried?.problem === undefined ? tried : undefined; }

  put(entry: Tried): void {
    if (this.tried.get(entry.key) === entry) return;
    this.tried.set(entry.key, entry);
    this.#isChanged = true;
  }

  async save(): Promise<void> {
    if (!this.#isChanged) return;
    await writeFile(`${this.path}.new`, JSON.stringify([...this.tried.values()]), { mode: 0o600 });
    await rename(`${this.path}.new`, this.path);
  }
}
