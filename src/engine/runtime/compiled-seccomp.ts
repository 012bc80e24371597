import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, type Logger } from "../../lib/index.js";
import type { Runtime } from "./runtime.js";
import { withTrialBundle, type TrialParts } from "./trial-bundle.js";

/** Profiles that are kept on disk; those used longest ago go first. */
const keptFilters = 64;
const instructionBytes = 8;                // struct sock_filter
const maxInstructions = 4096;              // BPF_MAXINSNS

/**
 * Seccomp profiles as crun takes them fastest: compiled. libseccomp takes 10 ms a container for it; here a profile is compiled once, by crun itself: a trial
 * container is created with it, and what crun wrote for that is kept. A profile that cannot be compiled so goes to the runtime as it is.
 */
export class CompiledSeccomp {
  readonly #filters = new Map<string, Promise<string | undefined>>();

  constructor(private readonly parts: TrialParts & { readonly cacheDirectory: string; readonly log: Logger }) {}

  /** Base64 for the annotation run.oci.seccomp_bpf_data; undefined if it has to go as JSON. */
  filterOf(profile: object, runtime: Runtime): Promise<string | undefined> {
    const key = createHash("sha256").update(`${runtime.version} ${process.arch}\0${JSON.stringify(profile)}`).digest("hex");
    let filter = this.#filters.get(key);
    if (!filter) {
      if (this.#filters.size >= keptFilters) this.#filters.delete(this.#filters.keys().next().value!);
      this.#filters.set(key, filter = this.#load(key, profile, runtime).catch((error: unknown) => {
        this.parts.log.warn("a seccomp profile cannot be compiled beforehand, so its containers start more slowly", { runtime: runtime.version, reason: messageOf(error) });
        return undefined;
      }));
    }
    return filter;
  }

  async #load(key: string, profile: object, runtime: Runtime): Promise<string | undefined> {
    // What hands calls to another process, or asks for more than a filter, is the runtime's own business.
    const { listenerPath, flags, syscalls } = profile as { listenerPath?: string; flags?: readonly string[]; syscalls?: readonly { action: string }[] };
    if (listenerPath || flags?.length || syscalls?.some(({ action }) => action === "SCMP_ACT_NOTIFY")) return undefined;
    const path = join(this.parts.cacheDirectory, `${key}.bpf`);
    const kept = await readFile(path).catch(() => undefined);
    if (kept && isFilter(kept)) {
      await utimes(path, new Date(), new Date()).catch(() => {});
      return kept.toString("base64");
    }
    const compiled = await this.#compile(profile, runtime);
    // Without room for it on the disk the next daemon compiles it again.
    await this.#keep(path, compiled).catch((error: unknown) => this.parts.log.warn("a compiled seccomp profile could not be kept", { path, reason: messageOf(error) }));
    return compiled.toString("base64");
  }

  #compile(profile: object, runtime: Runtime): Promise<Buffer> {
    return withTrialBundle(runtime, profile, this.parts, async (id, bundle) => {
      const created = await runtime.run(["create", "--bundle", bundle, id], { timeoutMs: 30_000, leavesChildren: true });
      if (created.code !== 0) throw new Error(created.stderr.trim().split("\n").at(-1) || `create ended with code ${created.code}`);
      const filter = await readFile(join(runtime.root, id, "seccomp.bpf"));
      if (!isFilter(filter)) throw new Error(`what ${runtime.version} compiled is not a filter (${filter.length} bytes)`);
      return filter;
    });
  }

  async #keep(path: string, filter: Buffer): Promise<void> {
    const { cacheDirectory } = this.parts;
    await mkdir(cacheDirectory, { recursive: true, mode: 0o700 });
    await writeFile(`${path}.new`, filter, { mode: 0o600 });
    await rename(`${path}.new`, path);
    const names = (await readdir(cacheDirectory)).filter((name) => /\.bpf(\.new)?$/.test(name));
    if (names.length <= keptFilters) return;
    const ages = await Promise.all(names.map(async (name) => ({ name, usedAtMs: (await stat(join(cacheDirectory, name)).catch(() => undefined))?.mtimeMs ?? 0 })));
    for (const { name } of ages.sort((a, b) => b.usedAtMs - a.usedAtMs).slice(keptFilters)) await rm(join(cacheDirectory, name), { force: true });
  }
}

/** A power cut leaves short or zeroed files: a filter of zeros would forbid nothing known. */
function isFilter(bytes: Buffer): boolean {
  if (bytes.length === 0 || bytes.length % instructionBytes !== 0 || bytes.length > maxInstructions * instructionBytes) return false;
  const last = bytes.readUInt16LE(bytes.length - instructionBytes);
  return last === 0x06;                    // BPF_RET|BPF_K: every filter ends with a verdict
}
