import { SwarmError, messageOf, type Clock } from "../../lib/index.js";
import type { CommitOptions, ContainerConfig, ImageConfig } from "../api/index.js";
import { withEnv, withHealth, type ConfigJson } from "../build/core/image-config.js";
import type { ContainerAccess } from "../containers/ports.js";
import type { BlobStore } from "../content/blob-store.js";
import { hostPlatform } from "../registry/manifest.js";
import { environmentOf } from "../runtime/bundle.js";
import type { SnapshotDriver } from "../snapshots/driver.js";
import { applyChanges } from "./changes.js";
import type { LocalImageStore } from "./image-store.js";
import { layersOf, type LayerBlob } from "./record.js";
import { familiar, parseReference } from "./reference.js";

export interface CommitParts {
  readonly images: LocalImageStore;
  readonly layers: Pick<SnapshotDriver, "commit">;
  readonly blobs: BlobStore;
  readonly containers: ContainerAccess & { pause(id: string, options: { isBrief: boolean }): Promise<void>; unpause(id: string): Promise<void>; wait(id: string, signal?: AbortSignal): Promise<unknown> };
  readonly clock: Clock;
}

/** The digest of a tar without entries: two zero blocks. Such a layer is none. */
const emptyLayers = ["sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef", "sha256:84ff92691f909a05b224e1c56abb4864f01b4f8e3c854e4bb4c7baf1d3f6d652"];

/** Until the end of a container is known here. */
const noticedWithinMs = 5_000;

/** A container's writable layer and settings become an image on top of its own. Returns the image's id. */
export async function commitContainer(id: string, options: CommitOptions, parts: CommitParts): Promise<string> {
  const { images, layers, blobs, containers, clock } = parts;
  const record = containers.require(id, "commit");
  const { config, imageId } = record;
  const subject = `Cannot commit container "${config.name}"`;
  const reference = options.reference ? parseReference(options.reference) : undefined;
  if (reference?.digest) throw new SwarmError("INVALID_ARGUMENT", `${subject} as "${options.reference}": a digest cannot be chosen; give a name and a tag`);
  const base = images.record(imageId);
  if (!base) throw new SwarmError("FAILED_PRECONDITION", `${subject}: its image ${imageId} is gone`);
  const settings = applyChanges(options.changes ?? [], withOptions(settingsOf(config, base.config), options.config ?? {}));

  return images.during(async () => {
    const { phase, isPaused } = containers.require(id, "commit");
    const pauses = phase === "running" && !isPaused && options.isPaused !== false && await pause(id, containers);
    let layer: LayerBlob | undefined;
    try {
      await containers.exclusively(id, async () => {
        containers.require(id, "commit");
        const { diffId } = await layers.commit(id, base.diffIds, async (tar) => {
          const stored = await blobs.put(tar);
          layer = { ...stored, mediaType: "" };
          return stored;
        });
        if (layer?.digest !== diffId) throw new SwarmError("INTERNAL", `${subject}: the layer that was stored is not the one that was made`);
      });
    } catch (error) {
      void images.collect();
      if (error instanceof SwarmError && !error.message.startsWith("Cannot")) throw new SwarmError(error.code, `${subject}: ${messageOf(error)}`, { cause: error });
      throw error;
    } finally { if (pauses) await containers.unpause(id).catch((error: unknown) => { if (containers.record(id)?.phase === "running") throw error; }); }

    const own = layer && !emptyLayers.includes(layer.digest) ? [layer] : [];
    const raw = await images.rawConfig(imageId);
    const created = new Date(clock.now()).toISOString();
    const platform = hostPlatform();
    const image = await images.create({
      config: {
        architecture: raw["architecture"] ?? platform.architecture, ...(raw["variant"] ? { variant: raw["variant"] } : {}), os: raw["os"] ?? platform.os,
        ...(options.author ? { author: options.author } : raw["author"] ? { author: raw["author"] } : {}), created, container: id, config: settings,
        history: [...(Array.isArray(raw["history"]) ? raw["history"] as unknown[] : base.diffIds.map(() => ({ created }))), {
          created, ...(options.author ? { author: options.author } : {}), created_by: [...(config.command ?? []), ...(config.args ?? [])].join(" ") || [...base.config.entrypoint, ...base.config.cmd].join(" "),
          ...(options.message ? { comment: options.message } : {}), ...(own.length === 0 ? { empty_layer: true } : {}),
        }],
        rootfs: { type: "layers", diff_ids: [...base.diffIds, ...own.map(({ digest }) => digest)] },
      },
      layers: [...layersOf(base), ...own], parent: imageId, names: reference ? [reference.normalized] : [],
    });
    containers.publish(record, "commit", { comment: options.message ?? "", imageID: image.id, imageRef: reference ? familiar(reference.normalized) : "" });
    return image.id;
  });
}

/** False when it has just ended, which leaves nothing to pause. */
async function pause(id: string, containers: CommitParts["containers"]): Promise<boolean> {
  try { await containers.pause(id, { isBrief: true }); return true; } catch (error) {
    const hasEnded = await containers.wait(id, AbortSignal.timeout(noticedWithinMs)).then(() => true, () => false);
    if (hasEnded) return false;
    throw error;
  }
}

/** What the container was really made with: its image's settings and its own. */
function settingsOf(config: ContainerConfig, image: ImageConfig): ConfigJson {
  const set = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, {}]));
  const nonEmpty = <T extends object>(value: T): T | undefined => (Object.keys(value).length > 0 ? value : undefined);
  const entrypoint = config.command?.length ? config.command : image.entrypoint;
  const cmd = config.args?.length ? config.args : config.command?.length ? [] : image.cmd;
  const health = config.health ?? image.health;
  const json: Record<string, unknown> = {
    User: config.user || image.user || undefined, ExposedPorts: nonEmpty(set([...image.exposedPorts, ...(config.exposedPorts ?? [])])), Env: environmentOf(image.env, config.env),
    Entrypoint: entrypoint.length > 0 ? entrypoint : null, Cmd: cmd.length > 0 ? cmd : null,
    Volumes: nonEmpty(set([...image.volumes, ...config.mounts.flatMap((mount) => (mount.type === "volume" && mount.name === "" ? [mount.target] : []))])),
    WorkingDir: config.workdir || image.workdir || undefined, Labels: nonEmpty({ ...image.labels, ...config.labels }), StopSignal: config.stopSignal || image.stopSignal || undefined,
    Shell: image.shell?.length ? image.shell : undefined,
  };
  const plain = Object.fromEntries(Object.entries(json).filter(([, value]) => value !== undefined)) as ConfigJson;
  return health ? withHealth(plain, health) : plain;
}

/** Docker's order: what the commit says goes before what the container had. */
function withOptions(config: ConfigJson, more: NonNullable<CommitOptions["config"]>): ConfigJson {
  const set = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, {}]));
  let merged = config;
  if (more.env?.length) merged = withEnv(merged, more.env.map((entry) => { const at = entry.indexOf("="); return at < 0 ? [entry, ""] as const : [entry.slice(0, at), entry.slice(at + 1)] as const; }));
  return {
    ...merged,
    ...(more.labels ? { Labels: { ...merged.Labels, ...more.labels } } : {}), ...(more.workdir ? { WorkingDir: more.workdir } : {}), ...(more.user ? { User: more.user } : {}),
    ...(more.stopSignal ? { StopSignal: more.stopSignal } : {}), ...(more.entrypoint?.length ? { Entrypoint: more.entrypoint, ...(more.cmd?.length ? {} : { Cmd: null }) } : {}), ...(more.cmd?.length ? { Cmd: more.cmd } : {}),
    ...(more.exposedPorts ? { ExposedPorts: { ...merged.ExposedPorts, ...set(more.exposedPorts) } } : {}), ...(more.volumes ? { Volumes: { ...merged.Volumes, ...set(more.volumes) } } : {}),
  };
}
