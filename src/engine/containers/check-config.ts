import { isIP } from "node:net";
import { SwarmError } from "../../lib/index.js";
import type { ContainerConfig, RestartPolicy } from "../api/index.js";
import { resolveLogOptions } from "../logs/drivers.js";
import { capabilitiesOf } from "../runtime/capabilities.js";
import type { HostAbilities } from "../runtime/host-abilities.js";
import { checkLimits } from "../runtime/limits.js";
import { namespacesOf } from "../runtime/namespaces.js";
import { signalNumber } from "../runtime/process-identity.js";
import { parseSecurityOptions } from "../runtime/security-options.js";
import { checkSysctls } from "../runtime/sysctls.js";
import { ociRlimits } from "../runtime/ulimits.js";

export interface CheckedConfig { readonly config: ContainerConfig; readonly warnings: readonly string[] }

const refuse = (why: string): never => { throw new SwarmError("INVALID_ARGUMENT", why); };

/** What can be told of a config without touching the host: refused, completed, or taken with warnings, as Docker does. Pure. */
export function checkConfig(asked: ContainerConfig, host: HostAbilities, isCgroupV2: boolean): CheckedConfig {
  const { config, warnings } = checkLimits(asked, host);
  resolveLogOptions(config.logDriver);
  if (config.stopSignal) signalNumber(config.stopSignal);
  if (config.workdir && !config.workdir.startsWith("/")) refuse(`the working directory "${config.workdir}" is not absolute; begin it with "/"`);
  if (Buffer.byteLength(config.workdir ?? "") > 4095) refuse(`the working directory's path has ${Buffer.byteLength(config.workdir!)} bytes; the kernel takes at most 4095`);
  for (const [what, words] of Object.entries({ command: config.command, argument: config.args, "environment variable": config.env })) if (words?.some((word) => word.includes("\0"))) refuse(`one ${what} holds a NUL character; remove it`);
  const broken = config.env.find((variable) => variable === "" || variable.startsWith("="));
  if (broken !== undefined) refuse(`"${broken.slice(0, 50)}" is no environment variable; write NAME=value`);
  checkRestart(config.restart, config.autoRemove ?? false);
  checkHealth(config);
  capabilitiesOf(config.capAdd ?? [], config.capDrop ?? [], host.boundingCapabilities);
  ociRlimits(config.ulimits);
  const { ipc, uts } = namespacesOf(config, isCgroupV2);
  const sharesHostNetwork = config.network?.mode === "host";
  checkSysctls(config.sysctls ?? {}, { network: sharesHostNetwork, ipc: ipc.kind !== "own", uts: uts.kind === "host" });
  const ofSecurity = parseSecurityOptions(config.securityOptions ?? [], host);
  if (config.shmSizeBytes !== undefined && !(config.shmSizeBytes >= 0)) refuse(`the size of /dev/shm is ${config.shmSizeBytes}; give a number of bytes`);
  if (config.oomScoreAdj !== undefined && !(Number.isInteger(config.oomScoreAdj) && Math.abs(config.oomScoreAdj) <= 1000)) refuse(`the OOM score adjustment is ${config.oomScoreAdj}; give from -1000 to 1000`);
  for (const { source, permissions } of config.devices ?? []) if (!/^[rwm]{0,3}$/.test(permissions)) refuse(`device "${source}" has the permissions "${permissions}"; combine r, w and m`);
  for (const rule of config.deviceCgroupRules ?? []) if (!/^[acb] (\d+|\*):(\d+|\*) [rwm]{1,3}$/.test(rule.trim())) refuse(`device rule "${rule.slice(0, 50)}" is not valid; write it like c 1:3 rwm`);
  if (config.cgroupParent && (config.cgroupParent.split("/").includes("..") || !/^[\w./:@-]+$/.test(config.cgroupParent))) refuse(`the cgroup parent "${config.cgroupParent.slice(0, 100)}" is not valid; write it like /team`);
  for (const path of [...(config.maskedPaths ?? []), ...(config.readonlyPaths ?? [])]) if (!path.startsWith("/")) refuse(`the path "${path.slice(0, 100)}" to mask or to make read-only is not absolute`);
  if (uts.kind === "host" && config.hostname !== "" && config.network) refuse(`a host name is given, "${config.hostname}", and the host's own is to be shared (UTS mode host); leave one out`);
  if (config.hostname.length > 63 || /[^\w.-]/.test(config.hostname)) refuse(`"${config.hostname.slice(0, 80)}" is no host name; use up to 63 letters, digits, "-" and "."`);
  checkNames(config);
  const hostname = config.hostname || (sharesHostNetwork || uts.kind === "host" ? host.hostname : config.id.slice(0, 12));
  return { config: { ...config, hostname }, warnings: [...warnings, ...ofSecurity.warnings] };
}

export function checkRestart(restart: RestartPolicy | undefined, isAutoRemoved: boolean): void {
  if (!restart) return;
  const { name, maximumRetries } = restart;
  if (!["no", "always", "unless-stopped", "on-failure"].includes(name)) refuse(`restart policy "${name}" is not known; use no, always, unless-stopped or on-failure`);
  if (!(Number.isInteger(maximumRetries) && maximumRetries >= 0)) refuse(`the restart policy's maximum of retries is ${maximumRetries}; give a number that is not negative`);
  if (maximumRetries > 0 && name !== "on-failure") refuse(`a maximum of retries, ${maximumRetries}, goes with the restart policy on-failure only, not with ${name}`);
  if (isAutoRemoved && name !== "no") refuse(`it is to be removed at its end and to be restarted by the policy ${name}; leave one of the two out`);
}

/** What is written into /etc/hosts and /etc/resolv.conf: a line break in it would be a line of somebody else's. */
function checkNames({ domainname = "", network }: ContainerConfig): void {
  if (domainname.length > 64 || /[^\w.-]/.test(domainname)) refuse(`"${domainname.slice(0, 80)}" is no domain name; use up to 64 letters, digits, "-" and "."`);
  for (const server of network?.dns ?? []) if (isIP(server.replace(/%.*$/, "")) === 0) refuse(`the DNS server "${server.slice(0, 80)}" is no IP address`);
  for (const word of [...(network?.dnsSearch ?? []), ...(network?.dnsOptions ?? [])]) if (word.length > 255 || !/^[\x21-\x7e]*$/.test(word)) refuse(`the DNS setting "${word.slice(0, 80)}" is more than one word of up to 255 letters`);
}

function checkHealth({ health }: ContainerConfig): void {
  if (!health) return;
  const [kind] = health.test;
  if (kind !== undefined && !["NONE", "CMD", "CMD-SHELL"].includes(kind)) refuse(`the health check begins with "${kind.slice(0, 50)}"; begin it with NONE, CMD or CMD-SHELL`);
  for (const [name, value] of Object.entries({ interval: health.intervalMs, timeout: health.timeoutMs, "start period": health.startPeriodMs, "start interval": health.startIntervalMs, retries: health.retries })) {
    if (!(value >= 0)) refuse(`the health check's ${name} is ${value}; give a number that is not negative`);
  }
}
