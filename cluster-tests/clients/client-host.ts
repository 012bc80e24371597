/**
 * One host with swarmd's Docker socket, for clients that others wrote. They run on that host, in its network, as they would on any: what they
 * publish is on its localhost.
 */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { clientImages, writeImages } from "../../scripts/base-images.js";
import { Cluster, waitFor } from "../harness.js";
import { LabHosts } from "../lab-hosts.js";
import { home, type Result, type RunOptions } from "../run.js";
import { HostShell } from "./host-shell.js";

/** What was put beside the distribution's programs comes first: a newer docker. */
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export class ClientHost {
  private constructor(private readonly lab: string, readonly cluster: Cluster) {}

  static async open(options: { swarmdArgs?: readonly string[] } = {}): Promise<ClientHost> {
    const lab = `c${randomBytes(3).toString("hex")}`;
    const cluster = new Cluster(await LabHosts.open({ name: lab, managers: 1, workers: 0, ...options }));
    try { await cluster.loadImages(); } catch (error) { await cluster.hosts.down(); throw error; }
    return new ClientHost(lab, cluster);
  }

  /** One whose docker.io is a registry on its own loopback, with these images in it and none of them in the engine. */
  static async openWithRegistry(images: readonly (keyof typeof clientImages)[]): Promise<ClientHost> {
    const config = join(home, "registries.json");
    writeFileSync(config, JSON.stringify({ "docker.io": { mirrors: ["http://127.0.0.1:5000"] }, "127.0.0.1:5000": { plainHttp: true } }));
    const host = await ClientHost.open({ swarmdArgs: ["--registry-config", config] });
    try {
      writeFileSync(join(home, "registry.yml"), `version: 0.1\nlog: { level: error }\nstorage: { filesystem: { rootdirectory: /run/registry }, delete: { enabled: true } }\nhttp: { addr: "127.0.0.1:5000" }\n`);
      await host.ok(`setsid docker-registry serve ${join(home, "registry.yml")} >/dev/null 2>&1 </dev/null &`);   // ends with its host
      await waitFor("the registry to answer", async () => (await host.sh("curl -sf http://127.0.0.1:5000/v2/")).code === 0);
      for (const name of images) {
        await host.cluster.ok(["image", "load", "-i", await clientImage(name)]);
        await host.ok(`docker tag ${name} 127.0.0.1:5000/library/${name} && docker push -q 127.0.0.1:5000/library/${name} && docker rmi -f 127.0.0.1:5000/library/${name} ${name}`);
      }
    } catch (error) { await host.close(); throw error; }
    return host;
  }

  get name(): string { return this.cluster.managers[0]!; }
  get socket(): string { return join(this.cluster.hosts.runDirectory(this.name)!, "docker.sock"); }

  get #environment() { return { PATH: searchPath, DOCKER_HOST: `unix://${this.socket}`, HOME: home }; }

  /** A program on the host, with DOCKER_HOST set; `sh -c` text. */
  sh(script: string, options: RunOptions = {}): Promise<Result> {
    const assignments = Object.entries(this.#environment).map(([name, value]) => `${name}=${value}`);
    return this.cluster.hosts.exec(this.name, ["env", ...assignments, "sh", "-c", script], { timeoutMs: 120_000, ...options });
  }

  /** For many of them; its owner closes it. */
  shell(): HostShell { return new HostShell(this.lab, this.name, this.#environment); }

  /** The same, which must succeed; what it printed. */
  async ok(script: string, options: RunOptions = {}): Promise<string> {
    const result = await this.sh(script, options);
    if (result.code !== 0) throw new Error(`${script}: exit code ${result.code}: ${result.stderr}\n${result.stdout}`);
    return result.stdout;
  }

  close(): Promise<void> { return this.cluster.hosts.down(); }
}

const made = new Map<string, Promise<string>>();

/** Made once by this process. */
function clientImage(name: keyof typeof clientImages): Promise<string> {
  const directory = join(home, "images");
  if (!made.has(name)) made.set(name, writeImages(directory, { [name]: clientImages[name] }).then(() => join(directory, `${name}.tar`)));
  return made.get(name)!;
}
