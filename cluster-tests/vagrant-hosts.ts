import { join } from "node:path";
import type { Hosts } from "./hosts.js";
import { root, run, type Result, type RunOptions } from "./run.js";

/**
 * The virtual machines of vagrant/, already up (`vagrant up`). Reached over ssh; partitions are nftables rules on the machines
 * themselves. The cluster is made anew for each story and left at its end, the machines stay.
 */
export class VagrantHosts implements Hosts {
  private constructor(readonly managers: readonly string[], readonly workers: readonly string[], private readonly addresses: ReadonlyMap<string, string>) {}

  static async open(): Promise<VagrantHosts> {
    const status = await run("vagrant", ["status", "--machine-readable"], { env: environment, timeoutMs: 60_000 });
    const names = [...status.stdout.matchAll(/^\d+,([^,]+),state,(\w+)/gm)].filter((m) => m[2] === "running").map((m) => m[1]!);
    const managers = names.filter((name) => name.startsWith("m")), workers = names.filter((name) => name.startsWith("w"));
    if (managers.length === 0) throw new Error("no virtual machine is running: run \"vagrant up\" in vagrant/ first");
    const address = (name: string) => `198.18.250.${(name.startsWith("m") ? 10 : 20) + Number(name.slice(1))}`;
    const hosts = new VagrantHosts(managers, workers, new Map(names.map((name) => [name, address(name)])));
    const [first, ...others] = names.map((name) => name);
    await hosts.#must(first!, ["swarmctl", "init", "--advertise-addr", hosts.address(first!)]);
    for (const host of others) {
      const role = managers.includes(host) ? "manager" : "worker";
      const token = (await hosts.#must(first!, ["swarmctl", "join-token", role, "-q"])).stdout.trim();
      await hosts.#must(host, ["swarmctl", "join", "--advertise-addr", hosts.address(host), "--token", token, hosts.address(first!)]);
    }
    return hosts;
  }

  address(host: string) { return this.addresses.get(host)!; }
  runDirectory() { return undefined; }
  stateDirectory() { return "/var/lib/skein"; }
  exec(host: string, command: readonly string[], options: RunOptions = {}): Promise<Result> {
    return run("vagrant", ["ssh", host, "-c", `sudo ${command.map(quote).join(" ")}`], { ...options, env: { ...environment, ...options.env } });
  }
  async kill(host: string) { await run("vagrant", ["halt", "--force", host], { env: environment, timeoutMs: 120_000 }); }
  async killDaemon(host: string) { await this.#must(host, ["pkill", "-9", "-f", "daemon/main.js"]); }
  async stop(host: string) { await run("vagrant", ["halt", host], { env: environment, timeoutMs: 120_000 }); }
  async start(host: string) { await run("vagrant", ["up", host, "--no-provision"], { env: environment, timeoutMs: 600_000 }); }
  async pause(host: string) { await run("vagrant", ["suspend", host], { env: environment, timeoutMs: 120_000 }); }
  async resume(host: string) { await run("vagrant", ["resume", host], { env: environment, timeoutMs: 120_000 }); }
  async partition(groups: readonly (readonly string[])[]) {
    for (const group of groups) {
      const others = groups.filter((g) => g !== group).flat().map((host) => this.address(host)).join(", ");
      for (const host of group) await this.#must(host, ["nft", `table ip skein_test { chain in { type filter hook input priority -300; ip saddr { ${others} } drop; } }`]);
    }
  }
  async heal() { await Promise.all([...this.addresses.keys()].map((host) => this.exec(host, ["nft", "delete", "table", "ip", "skein_test"]))); }
  async down() { for (const host of [...this.workers, ...this.managers]) await this.exec(host, ["swarmctl", "leave", "--force", "--yes"]); }

  async #must(host: string, command: readonly string[]): Promise<Result> {
    const result = await this.exec(host, command);
    if (result.code !== 0) throw new Error(`${host}: ${command.join(" ")}: exit code ${result.code}: ${result.stderr}`);
    return result;
  }
}

const environment = { VAGRANT_CWD: join(root, "vagrant"), VAGRANT_CHECKPOINT_DISABLE: "1" };
const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;
