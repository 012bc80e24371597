import { keptLabel, type ContainerConfig, type EngineMount } from "../engine/index.js";
import { SwarmError } from "../lib/index.js";
import { taskName, type ContainerResources, type Mount, type MountedVolume, type Resources, type Task, type TaskAssignment } from "../model/index.js";
import type { Sandbox, SandboxSpec } from "../overlay/index.js";
import { expandTemplate, templateValues } from "./core/template.js";

/** Labels by which the agent knows its own containers again. */
export const taskLabel = "skein.task";

/**
 * A task runs in one container in all its life, so the task's id serves as the container's and the sandbox's too: nothing needs to be
 * remembered to find them again.
 */
export const containerIdOf = (taskId: string): string => taskId;

export const imageOf = (assignment: TaskAssignment): string => assignment.spec?.container?.image ?? "";

/** Everything that the engine is told of a task. Throws INVALID_ARGUMENT for a template that cannot be expanded. */
export function containerConfig(assignment: TaskAssignment, sandbox: Sandbox | undefined, deviceNodes: readonly string[] = []): ContainerConfig {
  const task = assignment.task!;
  const spec = assignment.spec!.container!;
  const values = templateValues(assignment);
  return {
    id: containerIdOf(task.id),
    name: values["Task.Name"]!,
    image: spec.image,
    ...(spec.command.length > 0 && { command: spec.command }),
    ...(spec.args.length > 0 && { args: spec.args }),
    env: [...spec.env.map((line) => expandTemplate(line, values, "env")), ...assignedEnv(task)],
    ...(spec.workdir && { workdir: spec.workdir }),
    ...(spec.user && { user: spec.user }),
    ...(spec.groups.length > 0 && { groups: spec.groups }),
    hostname: hostnameOf(assignment),
    labels: { ...spec.labels, [taskLabel]: task.id, "skein.service": task.serviceId, "skein.service.name": assignment.serviceName, "skein.node": task.nodeId, "skein.task.name": taskName(assignment.serviceName, task) },
    mounts: spec.mounts.map((mount) => engineMount(mount, assignment.volumes, (text) => expandTemplate(text, values, "mount"))),
    limits: containerResources(assignment.spec!.limits),
    reservations: containerResources(assignment.spec!.reservations),
    readOnly: spec.readOnly,
    init: spec.init,
    tty: spec.tty,
    capAdd: spec.capAdd,
    capDrop: spec.capDrop,
    sysctls: spec.sysctls,
    ...(spec.stopSignal && { stopSignal: spec.stopSignal }),
    ...(spec.health && { health: spec.health }),
    ...(assignment.spec!.logDriver && { logDriver: assignment.spec!.logDriver }),
    ...(deviceNodes.length > 0 && { devices: deviceNodes.map((path) => ({ source: path, target: path, permissions: "rwm" })) }),
    ...(sandbox && { netnsPath: sandbox.netnsPath, resolvConf: sandbox.resolvConf, hosts: sandbox.hosts }),
  };
}

/**
 * What the scheduler gave it of its node: DOCKER_RESOURCE_FPGA=f1,f2 (or a number where they have no names), as Swarm's tasks see it, and the
 * devices that NVIDIA's runtime and libraries are to show. Last, so that a spec cannot claim others.
 */
function assignedEnv({ assigned, gpus }: Task): string[] {
  return [
    ...assigned.map(({ kind, count, ids }) => `DOCKER_RESOURCE_${kind.toUpperCase()}=${ids.length > 0 ? ids.join(",") : count}`),
    ...(gpus.length > 0 ? [`NVIDIA_VISIBLE_DEVICES=${gpus.map(({ id }) => id).join(",")}`] : []),
  ];
}

const containerResources = (resources: Resources | null): ContainerResources =>
  ({ cpuMillis: resources?.cpuMillis ?? 0, memoryBytes: resources?.memoryBytes ?? 0, pids: resources?.pids ?? 0 });

/** What the overlay is told of a task. */
export function sandboxSpec(assignment: TaskAssignment): SandboxSpec {
  const task = assignment.task!;
  const container = assignment.spec?.container;
  return {
    id: task.id,
    attachments: task.networks,
    hostPorts: assignment.ports.filter((port) => port.mode === "HOST"),
    hostname: hostnameOf(assignment),
    extraHosts: container?.hosts ?? [],
    dns: container?.dns ?? [],
  };
}

function hostnameOf(assignment: TaskAssignment): string {
  const hostname = assignment.spec?.container?.hostname;
  return hostname ? expandTemplate(hostname, templateValues(assignment), "hostname") : containerIdOf(assignment.task!.id).slice(0, 12);
}

function engineMount(mount: Mount, volumes: readonly MountedVolume[], expand: (text: string) => string): EngineMount {
  const target = expand(mount.target);
  const source = expand(mount.source);
  switch (mount.type) {
    case "BIND": return { type: "bind", source, target, readOnly: mount.readOnly, ...(mount.propagation && { propagation: mount.propagation }) };
    case "VOLUME": return { type: "volume", name: source, target, readOnly: mount.readOnly, noCopy: mount.noCopy, labels: mount.volumeLabels };
    case "CLUSTER": {
      const volume = volumes.find((each) => each.target === mount.target);
      if (!volume) throw new SwarmError("FAILED_PRECONDITION", `Cannot mount the cluster volume at "${mount.target}": it was removed from the cluster; create it again or update the service`);
      return { type: "volume", name: volume.name, target, readOnly: mount.readOnly, noCopy: mount.noCopy, driver: volume.driver, driverOptions: volume.options, labels: { ...volume.labels, [keptLabel]: "cluster" } };
    }
    case "TMPFS": return { type: "tmpfs", target, ...(mount.tmpfsSizeBytes && { sizeBytes: mount.tmpfsSizeBytes }), ...(mount.tmpfsMode && { mode: mount.tmpfsMode }) };
  }
}
