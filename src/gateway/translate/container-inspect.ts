import type { ContainerDetails, ContainerEndpoint } from "../../engine/index.js";
import { configJson, derivedHostConfig, liveHostConfig } from "./container-json.js";
import { endpointJson } from "./endpoints.js";
import { humanDuration, timeText, zeroTime } from "./human.js";
import { portMap } from "./ports.js";

export type ContainerStatus = "created" | "running" | "paused" | "restarting" | "removing" | "exited" | "dead";

export function statusOf(details: ContainerDetails): ContainerStatus {
  if (details.isRemoving) return "removing";
  if (details.isRestarting) return "restarting";
  if (details.phase === "running") return details.isPaused ? "paused" : "running";
  return hasRun(details) ? details.phase : "created";
}

/** A start that failed leaves Docker's containers "created", with the code and the error of the start. */
export const hasRun = (details: ContainerDetails): boolean => details.startedAtMs > 0;

/** "Up 5 minutes (healthy)", "Exited (0) 3 hours ago": the STATUS column of ps. */
export function statusText(details: ContainerDetails, nowMs: number): string {
  const ago = (ms: number | undefined) => humanDuration(Math.max(0, nowMs - (ms ?? nowMs)));
  const status = statusOf(details);
  switch (status) {
    case "removing": return "Removal In Progress";
    case "restarting": return `Restarting (${details.exit?.exitCode ?? 0}) ${ago(details.exit?.finishedAtMs)} ago`;
    case "paused": return `Up ${ago(details.startedAtMs)} (Paused)`;
    case "running": {
      const health = details.health === "none" ? "" : details.health === "starting" ? " (health: starting)" : ` (${details.health})`;
      return `Up ${ago(details.startedAtMs)}${health}`;
    }
    case "created": return "Created";
    default: return `Exited (${details.exit?.exitCode ?? 0}) ${ago(details.exit?.finishedAtMs)} ago`;
  }
}

function stateJson(details: ContainerDetails): Record<string, unknown> {
  const status = statusOf(details);
  const isUp = details.phase === "running" || details.isRestarting;
  return {
    Status: status, Running: isUp, Paused: details.isPaused, Restarting: details.isRestarting, OOMKilled: details.exit?.isOomKilled ?? false, Dead: status === "dead", Pid: details.phase === "running" ? details.pid : 0,
    ExitCode: details.phase === "running" ? 0 : details.exit?.exitCode ?? 0, Error: details.phase === "running" ? "" : details.exit?.error ?? "",
    StartedAt: timeText(details.startedAtMs), FinishedAt: details.exit && hasRun(details) ? timeText(details.exit.finishedAtMs) : zeroTime,
    ...(details.health === "none" ? {} : {
      Health: {
        Status: details.health, FailingStreak: details.failingStreak,
        Log: details.healthProbes.map((probe) => ({ Start: timeText(probe.startedAtMs), End: timeText(probe.endedAtMs), ExitCode: probe.exitCode, Output: probe.output })),
      },
    }),
  };
}

export interface InspectParts { readonly size?: { readonly writableBytes: number; readonly totalBytes: number }; readonly image?: Parameters<typeof configJson>[2]; readonly apiMinor: number }

/** GET /containers/{id}/json: what was asked for at creation, with the live truth over it. */
export function inspectJson(details: ContainerDetails, { size, image, apiMinor }: InspectParts): Record<string, unknown> {
  const { config, paths } = details;
  const asked = config.creatorData as { Config?: Record<string, unknown>; HostConfig?: Record<string, unknown> } | undefined;
  const hostConfig = asked?.HostConfig ? { ...asked.HostConfig, ...liveHostConfig(config) } : derivedHostConfig(config);
  const [path = "", ...args] = details.argv;
  return {
    Id: details.id, Created: timeText(details.createdAtMs), Path: path, Args: args, State: stateJson(details), Image: details.imageId, ResolvConfPath: paths.resolvConf, HostnamePath: paths.hostname,
    HostsPath: paths.hosts, LogPath: paths.log, Name: `/${details.name}`, RestartCount: details.restartCount, Driver: details.graphDriver.name, Platform: "linux", MountLabel: "", ProcessLabel: "",
    AppArmorProfile: "", ExecIDs: details.execIds.length > 0 ? details.execIds : null, HostConfig: { ...hostConfig, Runtime: hostConfig.Runtime || details.ociRuntime },
    GraphDriver: { Name: details.graphDriver.name, Data: details.graphDriver.data }, ...(size ? { SizeRw: size.writableBytes, SizeRootFs: size.totalBytes } : {}),
    Mounts: mountsJson(details), Config: asked?.Config ?? configJson(undefined, config, image), NetworkSettings: networkSettingsJson(details, apiMinor),
  };
}

export function mountsJson(details: ContainerDetails): object[] {
  // Those of --tmpfs are in HostConfig.Tmpfs alone.
  const asked = (details.config.creatorData as { HostConfig?: { Mounts?: { Target?: string }[] } } | undefined)?.HostConfig?.Mounts ?? [];
  return details.mounts.filter(({ type, target }) => type !== "tmpfs" || asked.some(({ Target }) => Target === target)).map(({ type, name, source, target, driver, isReadOnly, propagation }) => ({
    Type: type, ...(type === "volume" ? { Name: name } : {}), Source: source, Destination: target, ...(type === "volume" ? { Driver: driver } : {}),
    Mode: isReadOnly ? "ro" : type === "volume" ? "z" : "", RW: !isReadOnly, Propagation: type === "bind" ? propagation : "",
  }));
}

function networkSettingsJson(details: ContainerDetails, apiMinor: number): Record<string, unknown> {
  const bridge = details.networks.find(({ networkName }) => networkName === "bridge");
  const networks = networksJson(details.networks, details);
  const ports = details.phase === "running" ? portMap(details.ports, details.config.exposedPorts ?? []) : {};
  return {
    Bridge: "", SandboxID: details.sandboxKey.split("/").at(-1) ?? "", SandboxKey: details.sandboxKey, Ports: ports, HairpinMode: false, LinkLocalIPv6Address: "", LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null, SecondaryIPv6Addresses: null,
    // Old fields of the default bridge, which many scripts read still.
    EndpointID: bridge?.endpointId ?? "", Gateway: bridge?.gateway ?? "", GlobalIPv6Address: bridge?.ipv6Address ?? "", GlobalIPv6PrefixLen: bridge?.ipv6PrefixLength ?? 0, IPAddress: bridge?.ipAddress ?? "",
    IPPrefixLen: bridge?.ipPrefixLength ?? 0, IPv6Gateway: bridge?.ipv6Gateway ?? "", MacAddress: bridge?.macAddress ?? "",
    Networks: apiMinor < 44 ? withShortAliases(networks, details.id) : networks,
  };
}

export function networksJson(endpoints: readonly ContainerEndpoint[], details: ContainerDetails): Record<string, Record<string, unknown>> {
  const all = Object.fromEntries(endpoints.map((endpoint) => [endpoint.networkName, endpointJson(endpoint)]));
  // A container that never ran has its networks only in its settings.
  const mode = details.config.network?.mode ?? "";
  if (endpoints.length === 0 && mode !== "" && !mode.startsWith("container:")) {
    for (const name of new Set([mode, ...Object.keys(details.config.network?.endpoints ?? {})])) {
      all[name] = endpointJson({
        networkName: name, networkId: "", endpointId: "", config: details.config.network?.endpoints[name] ?? {}, gateway: "", ipAddress: "", ipPrefixLength: 0, ipv6Gateway: "", ipv6Address: "", ipv6PrefixLength: 0,
        macAddress: details.config.network?.endpoints[name]?.macAddress ?? "", dnsNames: [],
      });
    }
  }
  return all;
}

/** Until API 1.43 the container's short id was among the aliases of networks that have names. */
function withShortAliases(networks: Record<string, Record<string, unknown>>, id: string): Record<string, Record<string, unknown>> {
  const builtIn = ["bridge", "host", "none"];
  return Object.fromEntries(Object.entries(networks).map(([name, endpoint]) => [name, builtIn.includes(name) ? endpoint : { ...endpoint, Aliases: [...(endpoint.Aliases as string[] | null) ?? [], id.slice(0, 12)] }]));
}
