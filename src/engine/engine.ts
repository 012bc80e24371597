import { access, constants, mkdir, readFile } from "node:fs/promises";
import { availableParallelism, release, totalmem } from "node:os";
import { join } from "node:path";
import { SwarmError, type Logger } from "../lib/index.js";
import type { Engine, EngineInfo } from "./api/index.js";
import { Attachments } from "./attach/attachments.js";
import { Builder } from "./build/builder.js";
import type { EngineConfig, RegistryConfig } from "./config.js";
import { ContainerStore } from "./containers/container-store.js";
import { volumeNamesOf } from "./volumes/users.js";
import { VolumeStore } from "./volumes/volume-store.js";
import { BlobStore } from "./content/blob-store.js";
import { checkRoom } from "./content/room.js";
import { commitContainer } from "./images/commit.js";
import { LocalImageStore } from "./images/image-store.js";
import { containerFiles, type FileMethods } from "./files/container-files.js";
import { EventLog } from "./events/event-log.js";
import { ExecTable } from "./execs/exec-table.js";
import { ContainerLogs } from "./logs/container-logs.js";
import { openMetadata } from "./metadata.js";
import { EngineNetworks } from "./networks/networks.js";
import { diskFull } from "./disk-full.js";
import { pathsOf, type Paths } from "./paths.js";
import { RegistryClient } from "./registry/client.js";
import { hostPlatform } from "./registry/manifest.js";
import { readCgroupLayout } from "./runtime/cgroups.js";
import { readHostAbilities } from "./runtime/host-abilities.js";
import { Runtimes } from "./runtime/runtimes.js";
import { Spawner } from "./runtime/spawner.js";
import { ContainerStats, topOf } from "./stats/index.js";
import { openDriver } from "./snapshots/open-driver.js";
import { diskUsage } from "./usage.js";

/** Opens the engine on its directories and takes over the containers that run. One engine per state directory at a time. */
export async function openEngine(config: EngineConfig): Promise<Engine> {
  const { monitorPath } = config;
  const log = config.log.with({ part: "engine" });
  await access(monitorPath, constants.X_OK).catch(() => { throw new SwarmError("FAILED_PRECONDITION", `Cannot start the engine: the container monitor "${monitorPath}" is not there; run npm run build`); });
  if (!/^\/[\w./-]*\w$/.test(config.cgroupParent) || config.cgroupParent.includes("..")) throw new SwarmError("INVALID_ARGUMENT", `Cgroup parent "${config.cgroupParent}" is not valid; write it like /skein`);
  const paths = pathsOf(config.stateDir, config.runDir);
  await mkdir(config.stateDir, { recursive: true, mode: 0o711 });
  await mkdir(config.runDir, { recursive: true, mode: 0o711 });

  const spawner = await Spawner.open(monitorPath);
  try { return await openParts(config, log, paths, spawner); } catch (error) { await spawner.close(); throw error; }
}

async function openParts(config: EngineConfig, log: Logger, paths: Paths, spawner: { close(): Promise<void> }): Promise<Engine> {
  const { clock, monitorPath } = config;
  const cgroups = readCgroupLayout(await readFile("/proc/self/mountinfo", "utf8"));
  const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  const runtimes = await Runtimes.open({
    wanted: config.runtime ?? "auto", root: paths.runtimeRoot, trialDirectory: join(config.runDir, "trial"), cacheDirectory: join(config.stateDir, "seccomp"), cgroups, cgroupParent: config.cgroupParent, monitorPath, bootId, log,
  });
    const metadata = await openMetadata(paths.database, log);
  const events = new EventLog(clock);
  try {
    const layers = await openDriver({ paths, monitorPath, log, ...(config.storageDriver ? { wanted: config.storageDriver } : {}) });
    const blobs = await BlobStore.open(paths.content);
    // Containers ask for images and images ask who uses them; both exist before either is asked.
    let containers: ContainerStore | undefined;
    let builder: Builder | undefined;
    const images = await LocalImageStore.open({
      metadata, layers, clock, log, events,
      blobs,
      registry: new RegistryClient({ registries: config.registries ?? {}, log, clock }),
      checkRoom: (bytes, action) => checkRoom(config.stateDir, bytes, action),
      usersOf: (imageId) => (containers?.all() ?? []).filter((each) => each.imageId === imageId).map(({ config: { name }, phase }) => ({ name, isRunning: phase === "running" || phase === "starting" })),
    });
    const volumes = await VolumeStore.open({
      directory: paths.volumes, clock, log, events,
      usersOf: (name) => (containers?.all() ?? []).filter((each) => volumeNamesOf(each).includes(name)).map(({ config: { id, name: container }, phase }) => ({ id, name: container, isActive: ["creating", "starting", "running"].includes(phase), isBeingCreated: phase === "creating" })),
      volumesOf: (id) => { const record = containers?.record(id); return record ? volumeNamesOf(record) : []; },
    });
    const host = await readHostAbilities(cgroups);
    const cgroupPathOf = (id: string, parent?: string): string => `${parent ? parent.replace(/^\/*/, "/").replace(/\/+$/, "") : config.cgroupParent}/${id}`;
    containers = await ContainerStore.open({
      metadata, layers, clock, log, events, paths, runtimes, monitorPath, cgroups,
      volumes,
      host,
      cgroupPathOf,
      findImage: (reference) => builder?.stateImage(reference) ?? images.record(reference),
      onImageReleased: (imageId) => void images.imageReleased(imageId).catch((error: unknown) => log.warn("deleting an unused image failed", { image: imageId, error })),
      bootId,
    });
    const ending = new AbortController();
    containers.watch((event) => { if (event.kind === "exited") void volumes.released(event.id); }, ending.signal);
    const logs = new ContainerLogs({ containers, paths, clock });
    const attachments = new Attachments({ containers, paths, log, replay: (id, until, options) => logs.replay(id, until, options) });
    const execs = new ExecTable({ containers, paths, runtimes, monitorPath, host, clock, log });
    containers.watch((event) => { if (event.kind === "exited") execs.containerEnded(event.id); }, ending.signal);
    const streams: Streams = { logs, attachments, execs };
    const networks = await EngineNetworks.open({
      metadata, containers, events, clock, log, stateDir: config.stateDir, runDir: config.runDir, options: config.networking ?? {},
      exposedPorts: (imageId) => images.record(imageId)?.config.exposedPorts ?? [], filesOf: (id) => paths.container(id),
    });
    await containers.takeOver({
      networking: networks.containerNetworking,
      streams: attachments, runCommand: (id, options) => execs.run(id, options), execIds: (id) => execs.of(id),
      volume: (name) => volumes.describe(name), writableBytes: (id) => layers.writableSize(id), describeRoot: (id, chain) => ({ name: layers.name, data: layers.describe(id, chain) }),
    });
    await networks.adopt();
    const allContainers = containers;
    const cgroupsOfContainers = { containers, cgroups, cgroupPathOf };
    const stats = new ContainerStats({ ...cgroupsOfContainers, hostMemoryBytes: totalmem(), clock });
    const observe: Pick<Engine, "stats" | "top"> = { stats: (id, options) => stats.stream(id, options), top: (id, args) => topOf(id, args, cgroupsOfContainers) };
    const commit: Engine["commit"] = (id, options) => diskFull("commit the container", config.stateDir, commitContainer(id, options, { images, layers, blobs, containers: allContainers, clock }));
    builder = await Builder.open({ images, containers, layers, blobs, metadata, events, paths, log, clock, attach: (id, options) => attachments.attach(id, options) });
    await builder.sweep();
    const builds = builder;
    await Promise.all([images.sweep(), volumes.settle(), execs.takeOver()]);
    log.info("the engine is ready", { runtime: runtimes.preferred.version, cgroups: cgroups.kind, images: (await images.list()).length, containers: containers.list().length });
    const files = containerFiles({ containers, layers, volumes, findImage: (id) => images.record(id), paths, monitorPath });
    return assemble(images, containers, { commit, ...observe, ...files }, builds, volumes, networks, streams, events, config.stateDir, async () => { ending.abort(); await networks.close(); await volumes.close(); await metadata.close(); await spawner.close(); }, { runtime: runtimes.preferred.version, runtimes: runtimes.list(), cgroups: cgroups.kind, storageDriver: layers.name, storageStatus: layers.status(), registries: withoutPasswords(config.registries ?? {}) });
  } catch (error) {
    await metadata.close();
    throw error;
  }
}

interface Streams { readonly logs: ContainerLogs; readonly attachments: Attachments; readonly execs: ExecTable }

function assemble(images: LocalImageStore, containers: ContainerStore, parts: Pick<Engine, "commit" | "stats" | "top" | FileMethods>, builder: Builder, volumes: VolumeStore, networks: EngineNetworks, { logs, attachments, execs }: Streams, events: EventLog, stateDir: string, closeRest: () => Promise<void>, host: Pick<EngineInfo, "runtime" | "runtimes" | "cgroups" | "storageDriver" | "storageStatus" | "registries">): Engine {
  let closing: Promise<void> | undefined;
  const engine: Engine = {
    events,
    images: {
      list: (options) => images.list(options),
      get: (reference) => images.get(reference),
      pull: (reference, options) => diskFull(`pull image "${reference}"`, stateDir, images.pull(reference, options)),
      load: (tar) => diskFull("load the image archive", stateDir, images.load(tar)),
      import: (tar, options) => diskFull(`import image "${options.reference}"`, stateDir, images.import(tar, options)),
      remove: (reference, options) => images.remove(reference, options),
      inspect: (reference) => images.inspect(reference),
      history: (reference) => images.history(reference),
      tag: (source, target) => images.tag(source, target),
      push: (reference, options) => diskFull(`push image "${reference}"`, stateDir, images.push(reference, options)),
      save: (references) => images.save(references),
      prune: (options) => images.prune(options),
      resolve: (reference, options) => images.resolve(reference, options),
      tagged: (repository, options) => images.tagged(repository, options),
      login: (host, credentials) => images.login(host, credentials),
      usage: () => images.usage(),
    },
    volumes,
    networks,
    create: (spec) => diskFull(`create container "${spec.name}"`, stateDir, containers.create(spec)).finally(() => volumes.settle()),
    start: (id) => diskFull(`start container "${containers.inspect(id)?.name ?? id}"`, stateDir, containers.start(id)),
    stop: (id, options) => containers.stop(id, options),
    kill: (id, signal) => containers.kill(id, signal),
    remove: (id, options) => containers.remove(id, options),
    inspect: async (id) => containers.inspect(id),
    list: async () => containers.list(),
    wait: (id, signal) => containers.wait(id, signal),
    waitFor: (id, condition, signal) => containers.waitFor(id, condition, signal),
    find: async (nameOrId) => containers.find(nameOrId),
    details: async () => containers.details(),
    restart: (id, options) => diskFull(`restart container "${containers.inspect(id)?.name ?? id}"`, stateDir, containers.restart(id, options)),
    pause: (id) => containers.pause(id),
    unpause: (id) => containers.unpause(id),
    rename: (id, name) => containers.rename(id, name),
    update: (id, change) => containers.update(id, change),
    pruneContainers: (options) => containers.prune(options),
    ...parts,
    build: (request) => diskFull("build the image", stateDir, builder.build(request)).finally(() => volumes.settle()),
    pruneBuildCache: (options) => builder.prune(options),
    logs: (id, options) => logs.lines(id, options),
    logFrames: (id, options) => logs.frames(id, options),
    attach: (id, options) => attachments.attach(id, options),
    resize: (id, size) => attachments.resize(id, size),
    execs,
    exec: (id, options) => execs.run(id, options),
    watch: (listener, signal) => containers.watch(listener, signal),
    usage: () => diskUsage({ engine, volumes, builder }),
    async info() {
      const all = containers.details();
      return {
        version: "0.1.0", ...host, kernel: release(), os: "linux", arch: hostPlatform().architecture,
        cpuMillis: availableParallelism() * 1000, memoryBytes: totalmem(),
        containersRunning: all.filter((c) => c.phase === "running" && !c.isPaused).length, containersPaused: all.filter((c) => c.isPaused).length, containersTotal: all.length, stateDir, images: (await images.list()).length,
      };
    },
    close: () => (closing ??= (async () => {
      await builder.close();
      logs.close();
      attachments.close();
      execs.close();
      await containers.close();
      await images.close();
      await closeRest();
    })()),
  };
  return engine;
}

const withoutPasswords = (registries: Readonly<Record<string, RegistryConfig>>): EngineInfo["registries"] => Object.fromEntries(Object.entries(registries).map(([host, { plainHttp, mirrors }]) => [host, { plainHttp, mirrors }]));
