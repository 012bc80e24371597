import { join } from "node:path";

/** Where everything lies. State survives a reboot; run does not need to. */
export interface Paths {
  readonly database: string;
  readonly content: string;
  readonly snapshots: string;
  readonly volumes: string;
  /** `<id>.json`, written by the container's monitor: one folder, so that one watch sees every exit. */
  readonly exits: string;
  readonly containers: string;
  readonly runContainers: string;
  readonly runtimeRoot: string;
  /** Contexts of running builds, cache mounts; and on the other, roots and secrets. */
  readonly build: string;
  readonly runBuild: string;
  container(id: string): ContainerPaths;
}

export interface ContainerPaths {
  readonly state: string;      // log, files that are bound into /etc
  readonly logDirectory: string;
  readonly log: string;
  readonly exit: string;
  readonly resolvConf: string;
  readonly hosts: string;
  readonly hostname: string;
  readonly bundle: string;     // config.json, rootfs, and the monitor's files
  readonly rootfs: string;
  readonly shm: string;        // mounted only for one that shares it
  readonly parts: string;      // of volumes, mounted until the runtime has them
}

export function pathsOf(stateDir: string, runDir: string): Paths {
  const containers = join(stateDir, "containers");
  const exits = join(stateDir, "exits");
  const runContainers = join(runDir, "containers");
  return {
    database: join(stateDir, "engine", "db"),
    content: join(stateDir, "content"),
    snapshots: join(stateDir, "snapshots"),
    volumes: join(stateDir, "volumes"),
    exits, containers, runContainers,
    runtimeRoot: join(runDir, "runtime"),
    build: join(stateDir, "build"),
    runBuild: join(runDir, "build"),
    container(id) {
      const state = join(containers, id);
      const bundle = join(runContainers, id);
      return {
        state, bundle,
        rootfs: join(bundle, "rootfs"), shm: join(bundle, "shm"), parts: join(bundle, "parts"),
        resolvConf: join(state, "resolv.conf"), hosts: join(state, "hosts"), hostname: join(state, "hostname"),
        logDirectory: join(state, "log"), log: join(state, "log", "json.log"), exit: join(exits, `${id}.json`),
      };
    },
  };
}
