import { SwarmError } from "../../lib/index.js";
import type { ContainerDetails, EngineMount } from "../../engine/index.js";
import type { Fields } from "./fields.js";

const propagations = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];
const refuse = (why: string) => new SwarmError("INVALID_ARGUMENT", why);

/** Everything that a request mounts: Binds, Mounts, Tmpfs, Volumes and VolumesFrom (whose containers are given). Two at one place are refused. */
export function parseMounts(body: Fields, host: Fields, volumesFrom: ReadonlyMap<string, ContainerDetails>): EngineMount[] {
  const driver = host.text("VolumeDriver") || undefined;
  const own: EngineMount[] = [
    ...(host.texts("Binds") ?? []).map((spec) => parseBind(spec, driver)),
    ...host.objects("Mounts").map(parseMount),
    ...Object.entries(host.textMap("Tmpfs") ?? {}).map(([target, options]): EngineMount => ({ type: "tmpfs", target: checkTarget(target), ...(options ? { options } : {}) })),
  ];
  const taken = new Set<string>();
  for (const { target } of own) {
    if (taken.has(clean(target))) throw refuse(`Duplicate mount point: ${target}`);
    taken.add(clean(target));
  }
  const add = (mount: EngineMount) => { if (!taken.has(clean(mount.target))) { taken.add(clean(mount.target)); own.push(mount); } };
  for (const spec of host.texts("VolumesFrom") ?? []) for (const mount of fromContainer(spec, volumesFrom)) add(mount);
  for (const target of body.keys("Volumes") ?? []) {
    // "host:container" in Volumes is an old way of writing that Docker refuses too.
    add({ type: "volume", name: "", target: checkTarget(target), readOnly: false, ...(driver ? { driver } : {}) });
  }
  return own;
}

/** Names of the containers whose mounts are wanted: "web", "web:ro". */
export const volumesFromName = (spec: string): string => spec.split(":")[0]!;

function fromContainer(spec: string, containers: ReadonlyMap<string, ContainerDetails>): EngineMount[] {
  const [name = "", mode = "", ...more] = spec.split(":");
  if (name === "" || more.length > 0 || !["", "ro", "rw", "z", "Z"].includes(mode)) throw refuse(`invalid volumes-from specification: "${spec}"; write it like web or web:ro`);
  return (containers.get(name)?.mounts ?? []).flatMap((mount): EngineMount[] => {
    const readOnly = mode === "ro" || mount.isReadOnly;
    if (mount.type === "bind") return [{ type: "bind", source: mount.source, target: mount.target, readOnly, ...(mount.propagation ? { propagation: mount.propagation } : {}) }];
    if (mount.type === "volume") return [{ type: "volume", name: mount.name, target: mount.target, readOnly, noCopy: true }];
    return [];
  });
}

/** "/host:/container:ro", "volume:/container", "/container". */
function parseBind(spec: string, driver: string | undefined): EngineMount {
  const parts = spec.split(":");
  if (parts.length > 3 || parts.some((part) => part === "")) throw refuse(`invalid volume specification: '${spec}'; write it like /host:/container:ro`);
  if (parts.length === 1) return { type: "volume", name: "", target: checkTarget(parts[0]!), readOnly: false, ...(driver ? { driver } : {}) };
  const [source, target, mode = ""] = parts as [string, string, string?];
  let readOnly = false;
  let noCopy = false;
  let propagation: string | undefined;
  for (const option of mode.split(",").filter(Boolean)) {
    if (option === "ro") readOnly = true;
    else if (option === "nocopy") noCopy = true;
    else if (propagations.includes(option)) propagation = option;
    else if (!["rw", "z", "Z", "cached", "delegated", "consistent"].includes(option)) throw refuse(`invalid mode: ${option} in volume specification '${spec}'`);
  }
  if (source.startsWith("/")) {
    if (noCopy) throw refuse(`invalid mode: nocopy in volume specification '${spec}': a bind mount copies nothing`);
    return { type: "bind", source, target: checkTarget(target), readOnly, createSource: true, ...(propagation ? { propagation } : {}) };
  }
  checkVolumeName(source);
  if (propagation) throw refuse(`invalid mode: ${propagation} in volume specification '${spec}': a volume takes no propagation`);
  return { type: "volume", name: source, target: checkTarget(target), readOnly, ...(noCopy ? { noCopy } : {}), ...(driver ? { driver } : {}) };
}

function parseMount(mount: Fields): EngineMount {
  const type = mount.text("Type") ?? "bind";
  const target = mount.text("Target") ?? "";
  const source = mount.text("Source") ?? "";
  const readOnly = mount.boolean("ReadOnly") ?? false;
  const invalid = (why: string) => refuse(`invalid mount config for type "${type}": ${why}`);
  if (target === "") throw invalid("field Target must not be empty");
  if (!target.startsWith("/") || clean(target) === "/") throw invalid(`invalid mount target, must be an absolute path in the container below /: "${target}"`);
  switch (type) {
    case "bind": {
      if (source === "") throw invalid("field Source must not be empty");
      if (!source.startsWith("/")) throw invalid(`invalid mount path: '${source}' mount path must be absolute`);
      if (mount.has("VolumeOptions")) throw invalid("field VolumeOptions must not be specified");
      const options = mount.object("BindOptions");
      const propagation = options.text("Propagation");
      if (propagation && !propagations.includes(propagation)) throw invalid(`invalid propagation mode: ${propagation}`);
      const [isTopOnly, isForced] = [options.boolean("ReadOnlyNonRecursive") ?? false, options.boolean("ReadOnlyForceRecursive") ?? false];
      if ((isTopOnly || isForced) && !readOnly) throw invalid("ReadOnlyNonRecursive and ReadOnlyForceRecursive need ReadOnly");
      if (isTopOnly && isForced) throw invalid("ReadOnlyForceRecursive and ReadOnlyNonRecursive exclude each other");
      if (isForced && propagation && propagation !== "rprivate") throw invalid("ReadOnlyForceRecursive needs the propagation rprivate: what is mounted later would be writable");
      return { type, source, target, readOnly, ...(isTopOnly ? { readOnlyDepth: "top" } : isForced ? { readOnlyDepth: "whole" } : {}), ...(propagation ? { propagation } : {}), ...(options.boolean("NonRecursive") ? { isNonRecursive: true } : {}), ...(options.boolean("CreateMountpoint") ? { createSource: true } : {}) };
    }
    case "volume": {
      if (mount.has("BindOptions")) throw invalid("field BindOptions must not be specified");
      if (source !== "") checkVolumeName(source);
      const options = mount.object("VolumeOptions");
      const driver = options.object("DriverConfig");
      const [labels, driverOptions, subpath] = [options.textMap("Labels"), driver.textMap("Options"), options.text("Subpath")];
      if (subpath?.split("/").includes("..")) throw invalid(`subpath "${subpath}" must not leave the volume`);
      return {
        type, name: source, target, readOnly, ...(options.boolean("NoCopy") ? { noCopy: true } : {}), ...(labels ? { labels } : {}), ...(driver.text("Name") ? { driver: driver.text("Name") } : {}),
        ...(driverOptions ? { driverOptions } : {}), ...(subpath ? { subpath } : {}),
      };
    }
    case "tmpfs": {
      if (source !== "") throw invalid("field Source must not be specified");
      const options = mount.object("TmpfsOptions");
      const [sizeBytes, mode] = [options.integer("SizeBytes"), options.integer("Mode")];
      return { type, target, ...(sizeBytes ? { sizeBytes } : {}), ...(mode === undefined ? {} : { mode }), ...(readOnly ? { options: "ro" } : {}) };
    }
    default: throw refuse(`invalid mount config for type "${type}": mount type unknown; use bind, volume or tmpfs`);
  }
}

function checkTarget(target: string): string {
  if (!target.startsWith("/")) throw refuse(`invalid volume specification: invalid mount path: '${target}' mount path must be absolute`);
  if (clean(target) === "/") throw refuse("invalid volume specification: invalid specification: destination can't be '/'");
  return target;
}

export function checkVolumeName(name: string): void {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) {
    throw refuse(`"${name.slice(0, 120)}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`);
  }
}

function clean(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) if (part === "..") parts.pop(); else if (part !== "" && part !== ".") parts.push(part);
  return `/${parts.join("/")}`;
}
