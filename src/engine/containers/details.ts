import { posix } from "node:path";
import type { ContainerDetails } from "../api/index.js";
import type { ImageRecord } from "../images/record.js";
import type { Paths } from "../paths.js";
import { argumentsOf } from "../runtime/bundle.js";
import type { Neighbours } from "./ports.js";
import { anonymousTargets, cleanTarget } from "./prepare.js";
import { isRestarting, stateOf, type ContainerRecord } from "./record.js";

/** Everything that is known of one container; what other parts of the engine know comes from them. */
export function detailsOf(record: ContainerRecord, image: ImageRecord | undefined, parts: { paths: Paths; runtimeName: string; neighbours: Neighbours }): ContainerDetails {
  const { config } = record;
  const { paths, neighbours: { networking, execIds, describeRoot } } = parts;
  const own = paths.container(config.id);
  const isInNetworks = config.network !== undefined && networking !== undefined;
  return {
    ...stateOf(record),
    config, imageId: record.imageId,
    isPaused: record.isPaused && record.phase === "running",
    isRestarting: isRestarting(record),
    isRemoving: record.phase === "removing",
    restartCount: record.restartCount, failingStreak: record.failingStreak, healthProbes: record.healthProbes,
    argv: image ? argumentsOf(config, image.config) : [...(config.command ?? []), ...(config.args ?? [])],
    mounts: mountsOf(record, image, paths, parts.neighbours),
    networks: isInNetworks ? networking.endpoints(config.id) : [],
    ports: isInNetworks ? networking.ports(config.id) : [],
    sandboxKey: isInNetworks ? networking.sandboxKey(config.id) : config.netnsPath ?? "",
    paths: { log: own.log, resolvConf: own.resolvConf, hostname: own.hostname, hosts: own.hosts },
    graphDriver: describeRoot?.(config.id, image?.diffIds ?? []) ?? { name: "", data: {} },
    execIds: execIds?.(config.id) ?? [],
    ociRuntime: config.runtime || parts.runtimeName,
  };
}

type MountPoint = ContainerDetails["mounts"][number];

function mountsOf(record: ContainerRecord, image: ImageRecord | undefined, paths: Paths, { volume }: Neighbours): ContainerDetails["mounts"] {
  const ofVolume = (name: string, target: string, isReadOnly: boolean): MountPoint => {
    const { mountpoint, driver } = volume?.(name) ?? { mountpoint: posix.join(paths.volumes, name, "_data"), driver: "local" };
    return { type: "volume", name, source: mountpoint, target, driver, isReadOnly, propagation: "" };
  };
  const named = record.config.mounts.flatMap((mount): MountPoint[] => {
    const target = cleanTarget(mount.target);
    switch (mount.type) {
      case "bind": return [{ type: "bind", name: "", source: mount.source, target, driver: "", isReadOnly: mount.readOnly, propagation: mount.propagation || "rprivate" }];
      case "tmpfs": return [{ type: "tmpfs", name: "", source: "", target, driver: "", isReadOnly: false, propagation: "" }];
      case "volume": return mount.name === "" ? [] : [ofVolume(mount.name, target, mount.readOnly)];
    }
  });
  const targets = image ? anonymousTargets(record.config, image) : [];
  const anonymous = record.anonymousVolumes.flatMap((name, i) => {
    const target = targets[i];
    return target === undefined ? [] : [ofVolume(name, target, record.config.mounts.some((m) => m.type === "volume" && m.readOnly && cleanTarget(m.target) === target))];
  });
  return [...named, ...anonymous];
}
