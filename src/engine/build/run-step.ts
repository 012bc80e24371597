import { randomBytes } from "node:crypto";
import { chmod, chown, lstat, mkdir, readdir, rmdir, stat, unlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { SwarmError } from "../../lib/index.js";
import type { ContainerConfig, EngineMount } from "../api/index.js";
import { resolveInRoot } from "../containers/root-path.js";
import { parseImageConfig } from "../images/config.js";
import { runProgram } from "../runtime/program.js";
import { removeTree } from "../runtime/remove-tree.js";
import type { BuildJob } from "./build-job.js";
import type { MountFlag } from "./core/mount-flag.js";
import { shellOf } from "./core/image-config.js";
import { chompHeredoc, parseHeredocWord } from "./core/lines.js";
import type { InstructionOf } from "./core/instructions.js";
import { idOf, imageConfigOf, shortId, type ImageState } from "./image-state.js";
import type { StepOutput } from "./output.js";
import { TreeOrigin } from "./copy-origin.js";
import { ignoreRules } from "./core/ignore.js";
import { LayerTar } from "./layer-tar.js";
import { RootView } from "./root-view.js";
import { BuildStepError } from "./step-error.js";
import { unpackInto } from "./unpack.js";

/** A command of Linux has at most so many bytes in one argument (MAX_ARG_STRLEN). */
const argumentMaxBytes = 128 * 1024 - 1;
export const buildLabel = "com.skein.build";

export interface RunCommand { readonly argv: readonly string[]; /** A program of the Dockerfile's own (heredoc with #!), by name. */ readonly script: { readonly name: string; readonly content: string } | undefined }

/** What RUN really runs. */
export function runCommandOf(instruction: InstructionOf<"run">, state: ImageState): RunCommand {
  const { command, heredocs } = instruction;
  if (command.form === "exec") {
    if (heredocs.length > 0) throw new SwarmError("INVALID_ARGUMENT", "parsing produced an invalid run command: the JSON form takes no heredoc");
    return { argv: command.argv, script: undefined };
  }
  const shell = shellOf(state.config);
  const checked = (line: string): RunCommand => {
    if (Buffer.byteLength(line) > argumentMaxBytes) throw new SwarmError("INVALID_ARGUMENT", `the command has ${Buffer.byteLength(line)} bytes; Linux takes ${argumentMaxBytes} in one argument: put it into a file of the context`);
    return { argv: [...shell, line], script: undefined };
  };
  const [first] = heredocs;
  if (!first) return checked(command.line);
  if (heredocs.length === 1 && parseHeredocWord(command.line)) {
    const content = first.isChomped ? chompHeredoc(first.content) : first.content;
    if (content.startsWith("#!")) return { argv: [...shell, `/dev/pipes/${first.name.replaceAll("/", "_")}`], script: { name: first.name.replaceAll("/", "_"), content } };
    return checked(content);
  }
  return checked(`${command.line}\n${heredocs.map((each) => `${each.content}${each.name}`).join("\n")}`);
}

export interface RunStep {
  readonly instruction: InstructionOf<"run">;
  readonly command: RunCommand;
  /** ARGs, for the command alone. */
  readonly environment: readonly string[];
  readonly mounts: readonly MountFlag[];
  /** Where the files of a mount come from. */
  readonly source: (mount: MountFlag) => Promise<ImageState | undefined>;
}

/** Runs the command in a container and makes a layer of what it changed. Nothing of the container is left, however it ends. */
export async function runStep(step: RunStep, state: ImageState, job: BuildJob, output: StepOutput): Promise<{ diffId: string; sizeBytes: number }> {
  const id = randomBytes(32).toString("hex");
  const { containers, layers, paths } = job.parts;
  const imageId = idOf(state) || `sha256:${"0".repeat(64)}`;
  job.stateImages.set(imageId, {
    id: imageId, digests: [], blobs: [], layers: state.layers, sizeBytes: 0,
    ...parseImageConfig(Buffer.from(JSON.stringify(imageConfigOf(state))), "of the build"),
  });
  const cleanUps: (() => Promise<unknown>)[] = [];
  try {
    return await withMounts(step, job, cleanUps, async (mounts, secretVariables) => {
      await containers.create(containerConfig(id, imageId, step, state, job, mounts, secretVariables));
      cleanUps.push(() => discard(id, job));
      const { rootfs } = paths.container(id);
      const stubs = await stubsOf(rootfs, mounts.map((mount) => mount.target));
      await output.write(` ---> Running in ${shortId(id)}\n`);
      const exit = await runToEnd(id, job, output);
      job.signal.throwIfAborted();
      if (exit.exitCode !== 0) {
        const { command } = step.instruction;
        const shown = command.form === "exec" ? command.argv.join(" ") : [...shellOf(state.config), command.line].join(" ");
        throw new BuildStepError(`The command '${shown}' returned a non-zero code: ${exit.exitCode}${exit.isOomKilled ? " (it was killed because the memory limit was reached)" : ""}`, exit.exitCode, step.instruction.line);
      }
      await removeStubs(stubs);
      return job.parts.images.during(async () => {
        const layer = await containers.exclusively(id, async () => {
          await layers.unmount(id, rootfs);
          return layers.commit(id, state.chain, (tar) => job.parts.blobs.put(tar), { isConsumed: true });
        });
        job.held.add({ chain: [...state.chain, layer.diffId], layers: [{ digest: layer.diffId, sizeBytes: layer.sizeBytes, mediaType: "" }] });
        await containers.remove(id, { force: true, removeVolumes: true });
        cleanUps.pop();
        await output.write(` ---> Removed intermediate container ${shortId(id)}\n`);
        return layer;
      });
    });
  } finally {
    for (const cleanUp of cleanUps.reverse()) await cleanUp().catch((error: unknown) => job.parts.log.warn("cleaning up after a build step failed", { error }));
  }
}

/** A container that has filled the disk cannot be noted as being removed: its files go first then. */
async function discard(id: string, { parts: { containers, layers, paths } }: BuildJob): Promise<void> {
  const remove = () => containers.remove(id, { force: true, removeVolumes: true });
  await remove().catch(async () => {
    await containers.exclusively(id, async () => {
      await layers.unmount(id, paths.container(id).rootfs);
      await layers.remove(id);
    });
    await remove();
  });
}

async function runToEnd(id: string, job: BuildJob, output: StepOutput) {
  const { containers } = job.parts;
  // Both before the start: no byte and no end is missed.
  const exited = containers.waitFor(id, "next-exit");
  exited.catch(() => {});
  const streams = await job.parts.attach(id, { stdin: false, stdout: true, stderr: true });
  const onAbort = () => { void containers.kill(id, "SIGKILL").catch(() => {}); };
  try {
    job.signal.throwIfAborted();
    await containers.start(id);
    job.signal.addEventListener("abort", onAbort, { once: true });
    if (job.signal.aborted) onAbort();
    const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
    for await (const { stream, bytes } of streams.output) await output.write(decoders[stream].decode(bytes, { stream: true }));
    return await exited;
  } finally {
    job.signal.removeEventListener("abort", onAbort);
    streams.close();
  }
}

function containerConfig(id: string, imageId: string, step: RunStep, state: ImageState, job: BuildJob, mounts: readonly EngineMount[], secretVariables: readonly (readonly [string, string])[]): ContainerConfig {
  const { request } = job;
  const mode = step.instruction.network === "default" ? request.networkMode ?? "default" : step.instruction.network;
  // A secret as a variable is read by a shell from its file: no list of variables, which others may see, holds it.
  const reading = secretVariables.map(([name, path]) => `${name}="$(cat '${path}'; printf x)"; export ${name}="\${${name}%x}"; `).join("");
  const argv = reading === "" ? step.command.argv : ["/bin/sh", "-c", `${reading}exec "$@"`, "sh", ...step.command.argv];
  return {
    id, name: `build-${id.slice(0, 12)}`, image: imageId, command: argv, env: step.environment, hostname: "", labels: { [buildLabel]: "step" }, mounts,
    user: state.config.User ?? "",
    limits: { cpuMillis: 0, memoryBytes: request.memoryBytes ?? 0, pids: 0 }, reservations: { cpuMillis: 0, memoryBytes: 0, pids: 0 },
    resources: { ...(request.cpuShares ? { cpuShares: request.cpuShares } : {}), ...(request.cpusetCpus ? { cpusetCpus: request.cpusetCpus } : {}) },
    ...(request.shmSizeBytes ? { shmSizeBytes: request.shmSizeBytes } : {}), ...(request.ulimits ? { ulimits: request.ulimits } : {}),
    health: { test: ["NONE"], intervalMs: 0, timeoutMs: 0, startPeriodMs: 0, startIntervalMs: 0, retries: 0 },
    logDriver: { name: "none", options: {} },
    network: { mode: mode === "" || mode === "default" ? "bridge" : mode, endpoints: {}, ports: [], ...(request.extraHosts ? { extraHosts: request.extraHosts } : {}) },
  };
}

async function withMounts<T>(step: RunStep, job: BuildJob, cleanUps: (() => Promise<unknown>)[], work: (mounts: readonly EngineMount[], secretVariables: readonly (readonly [string, string])[]) => Promise<T>): Promise<T> {
  const mounts: EngineMount[] = [];
  const variables: (readonly [string, string])[] = [];
  const privateDirectory = async (): Promise<string> => {
    const directory = join(job.volatileDirectory, randomBytes(6).toString("hex"));
    await mkdir(directory, { recursive: true, mode: 0o711 });
    cleanUps.push(() => removeTree(directory));
    return directory;
  };
  const lendRoot = async (mount: MountFlag, source: ImageState | undefined): Promise<string> => {
    const root = source ? await job.roots.mount(source.chain) : await job.roots.mount([]);
    cleanUps.push(() => root.release());
    if (!source) await unpackContext(job, root.path);
    return resolveInRoot(root.path, mount.source);
  };
  if (step.command.script) {
    const path = join(await privateDirectory(), "script");
    await writeFile(path, step.command.script.content);
    await chmod(path, 0o755);
    mounts.push({ type: "bind", source: path, target: `/dev/pipes/${step.command.script.name}`, readOnly: true });
  }
  const next = async (index: number): Promise<T> => {
    const mount = step.mounts[index];
    if (!mount) return work(mounts, variables);
    const { target } = mount;
    switch (mount.type) {
      case "tmpfs": mounts.push({ type: "tmpfs", target, ...(mount.sizeBytes ? { sizeBytes: mount.sizeBytes } : {}) }); break;
      case "secret": {
        const value = job.request.secrets?.[mount.id];
        if (value === undefined) {
          if (mount.isRequired) throw new SwarmError("INVALID_ARGUMENT", `secret ${mount.id}: not found: the step requires it; give it with --secret id=${mount.id}`);
          break;
        }
        const path = join(await privateDirectory(), "secret");
        await writeFile(path, value, { mode: 0o600 });
        await chown(path, mount.uid, mount.gid);
        // One that is a variable only is no file in the image's own directories, and whoever runs the command reads it.
        const isFile = target !== "";
        await chmod(path, isFile ? mount.mode ?? 0o400 : 0o444);
        const inside = isFile ? target : `/dev/secrets/${index}`;
        mounts.push({ type: "bind", source: path, target: inside, readOnly: true });
        if (mount.environmentName !== undefined) {
          if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(mount.environmentName) || inside.includes("'")) throw new SwarmError("INVALID_ARGUMENT", `secret ${mount.id}: "${mount.environmentName}" is no name for a variable`);
          variables.push([mount.environmentName, inside]);
        }
        break;
      }
      case "bind": {
        const path = await lendRoot(mount, mount.from === undefined ? undefined : await step.source(mount));
        if (!await stat(path).catch(() => undefined)) throw new SwarmError("INVALID_ARGUMENT", `failed to mount "${mount.source}" at "${target}": it is not in ${mount.from === undefined ? "the build context" : `"${mount.from}"`}`);
        mounts.push({ type: "bind", source: path, target, readOnly: mount.isReadOnly });
        break;
      }
      case "cache": {
        const source = mount.from === undefined ? undefined : await step.source(mount);
        const fill = source && { key: `${source.chain.join(" ")} ${mount.source}`, fill: (directory: string) => job.roots.with(source.chain, async (root) => {
          const copied = await runProgram("cp", ["--archive", "--", `${await resolveInRoot(root, mount.source)}/.`, directory]);
          if (copied.code !== 0) throw new SwarmError("INVALID_ARGUMENT", `failed to fill the cache mount at "${target}": ${copied.stderr.trim().split("\n")[0]}`);
        }) };
        return job.cacheMounts.use(mount, fill, (path) => { mounts.push({ type: "bind", source: path, target, readOnly: mount.isReadOnly }); return next(index + 1); });
      }
    }
    return next(index + 1);
  };
  return next(0);
}

/** The context as files, for a bind mount. The root is empty and new: nothing in it leads anywhere. */
async function unpackContext(job: BuildJob, root: string): Promise<void> {
  const origin = new TreeOrigin(job.context);
  const [match] = await origin.match(".");
  const tar = new LayerTar(new RootView(root), { owner: undefined, mode: undefined, ignore: ignoreRules([]), nowSeconds: Math.floor(job.parts.clock.now() / 1000), signal: job.signal });
  await unpackInto(root, tar.files([{ origin, match: match!, target: "/" }]));
}

interface Stub { readonly path: string; /** The topmost directory that was missing, down to the path's own. */ readonly missing: readonly string[] }

/** Places for mounts that the image does not have: the runtime makes them, and they must not stay in the layer. */
async function stubsOf(rootfs: string, targets: readonly string[]): Promise<Stub[]> {
  const stubs: Stub[] = [];
  for (const target of targets) {
    const path = await resolveInRoot(rootfs, target);
    const missing: string[] = [];
    for (let at = path; at !== rootfs && at.startsWith(`${rootfs}/`) && !await lstat(at).catch(() => undefined); at = dirname(at)) missing.push(at);
    if (missing.length > 0) stubs.push({ path, missing });
  }
  return stubs;
}

async function removeStubs(stubs: readonly Stub[]): Promise<void> {
  for (const { path, missing } of [...stubs].reverse()) {
    const status = await lstat(path).catch(() => undefined);
    if (status?.isFile() && status.size === 0) await unlink(path);
    for (const directory of missing) if ((await readdir(directory).catch(() => ["?"])).length === 0) await rmdir(directory).catch(() => {});
  }
}
