/**
 * Real swarmd processes on real hosts, driven as a person would: by swarmctl. The hosts are a lab on this machine, or the
 * virtual machines of vagrant/ (`npm run cluster-tests -- --hosts vagrant`). A story opens a cluster, does something to it, and waits for what must follow.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { waitFor } from "../src/lib/testing.js";
import type { Hosts } from "./hosts.js";
import { LabHosts, type HostFlags } from "./lab-hosts.js";
import { home, root, run, swarmctl, type Result, type RunOptions } from "./run.js";
import { VagrantHosts } from "./vagrant-hosts.js";

export { waitFor };

export class Cluster {
  constructor(readonly hosts: Hosts) {}

  get managers() { return this.hosts.managers; }
  get workers() { return this.hosts.workers; }
  get all() { return [...this.hosts.managers, ...this.hosts.workers]; }

  /** swarmctl at one host (a manager unless told), whatever it answers. */
  ctl(args: readonly string[], options: RunOptions & { host?: string } = {}): Promise<Result> {
    const host = options.host ?? this.managers[0]!;
    const directory = this.hosts.runDirectory(host);
    return directory
      ? swarmctl(["--host", directory, ...args], options)
      : this.hosts.exec(host, ["swarmctl", ...args], options);
  }

  /** The same, which must succeed. */
  async ok(args: readonly string[], options: RunOptions & { host?: string } = {}): Promise<string> {
    const result = await this.ctl(args, options);
    if (result.code !== 0) throw new Error(`swarmctl ${args.join(" ")}: exit code ${result.code}: ${result.stderr || result.stdout}`);
    return result.stdout;
  }

  /** A list or an inspection as objects. */
  async json<T = any>(args: readonly string[], options: RunOptions & { host?: string } = {}): Promise<T> {
    return JSON.parse(await this.ok([...args, "--format", "json"], options)) as T;
  }

  /** Tasks of a service that are meant to run, by state. */
  async tasks(service: string, options: { host?: string } = {}): Promise<TaskRow[]> {
    const views = await this.json<any[]>(["service", "ps", service], options);
    return views.map((view) => ({
      id: view.task.id, name: view.name, node: view.nodeName, state: view.task.status?.state ?? "NEW", desired: view.task.desiredState,
      err: view.task.status?.err ?? "", pid: Number(view.task.status?.container?.pid ?? 0), containerId: view.task.status?.container?.containerId ?? "",
      revision: view.task.revision, addresses: (view.task.networks ?? []).map((n: any) => n.addr.split("/")[0]),
    }));
  }

  /** What a host has, as the cluster counts it: CPU in thousandths. */
  async cpuMillis(host: string): Promise<number> {
    const node = (await this.json<any[]>(["node", "ls"])).find((row) => row.description?.hostname === host);
    return Number(node.description.resources.cpuMillis);
  }

  async running(service: string, options: { host?: string } = {}): Promise<TaskRow[]> {
    return (await this.tasks(service, options)).filter((task) => task.state === "RUNNING" && task.desired === "RUNNING");
  }

  async waitRunning(service: string, count: number, boundMs = 30_000, options: { host?: string } = {}): Promise<TaskRow[]> {
    let last: TaskRow[] = [];
    await waitFor(`${count} running tasks of ${service}`, async () => (last = await this.running(service, options)).length === count, boundMs)
      .catch(async (error) => { throw new Error(`${error.message}; tasks: ${JSON.stringify(await this.tasks(service, options).catch(String))}`); });
    return last;
  }

  /** Name of the manager that leads, as `host` sees it. */
  async leader(host?: string): Promise<string | undefined> {
    const nodes = await this.json<any[]>(["node", "ls"], host ? { host } : {});
    return nodes.find((node) => node.manager?.isLeader)?.description?.hostname;
  }

  /** Loads the base images on every host. */
  async loadImages(names: readonly ("busybox" | "demo")[] = ["busybox", "demo"]) {
    await Promise.all(this.all.map(async (host) => {
      for (const name of names) await this.ok(["image", "load", "-i", await imagePath(name)], { host });
    }));
  }

  /** GET http://host:port/path from outside the hosts; the body, or undefined if nothing answers. */
  async http(host: string, port: number, path = "/"): Promise<string | undefined> {
    try {
      const response = await fetch(`http://${this.hosts.address(host)}:${port}${path}`, { signal: AbortSignal.timeout(2_000) });
      return response.ok ? await response.text() : undefined;
    } catch { return undefined; }
  }

  /** A command inside the container of a task. */
  async inContainer(task: TaskRow, command: readonly string[], options: RunOptions = {}): Promise<Result> {
    return this.hosts.exec(task.node, ["nsenter", "-t", String(task.pid), "-n", "-m", "-r", "-w", "--", ...command], options);
  }
}

export interface TaskRow {
  readonly id: string; readonly name: string; readonly node: string; readonly state: string; readonly desired: string; readonly err: string;
  readonly pid: number; readonly containerId: string; readonly revision: number; readonly addresses: readonly string[];
}

let images: Promise<string> | undefined;

/** The tar of a base image, made once by this process: a folder of its own, so that nobody's clean-up takes it away. */
export async function imagePath(name: "busybox" | "demo"): Promise<string> {
  images ??= (async () => {
    const directory = join(home, "images");
    const made = await run(join(root, "scripts/base-images"), [directory]);
    if (made.code !== 0) throw new Error(`scripts/base-images: exit code ${made.code}: ${made.stderr}`);
    return directory;
  })();
  return join(await images, `${name}.tar`);
}

export interface ClusterOptions { readonly managers?: number; readonly workers?: number; readonly heartbeat?: string; readonly images?: boolean; readonly hostFlags?: HostFlags }

/** A cluster of its own for one story, gone with `down()`. */
export async function openCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { managers = 3, workers = 2 } = options;
  const hosts: Hosts = process.env["SKEIN_TEST_HOSTS"] === "vagrant"
    ? await VagrantHosts.open()
    : await LabHosts.open({ name: `t${randomBytes(3).toString("hex")}`, managers, workers, ...(options.heartbeat ? { heartbeat: options.heartbeat } : {}), ...(options.hostFlags ? { hostFlags: options.hostFlags } : {}) });
  const cluster = new Cluster(hosts);
  try {
    if (options.images !== false) await cluster.loadImages();
  } catch (error) {
    await cluster.hosts.down();
    throw error;
  }
  return cluster;
}

/** Declares a story: a cluster made before, taken down after, also when the story fails. One whose hosts need flags of their own is told in labs only. */
export function story(title: string, options: ClusterOptions, tell: (cluster: () => Cluster) => void): void {
  if (options.hostFlags && process.env["SKEIN_TEST_HOSTS"] === "vagrant") return;
  describe(title, function () {
    this.timeout(240_000);
    let cluster: Cluster | undefined;
    before(async () => { cluster = await openCluster(options); });
    after(async () => { await cluster?.hosts.down(); });
    tell(() => cluster!);
  });
}
