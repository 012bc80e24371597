import { isIP } from "node:net";
import { SwarmError } from "../../lib/index.js";
import type { PortBinding } from "../../engine/index.js";
import type { Fields } from "./fields.js";

type Protocol = PortBinding["protocol"];

const refuse = (text: string, why: string) => new SwarmError("INVALID_ARGUMENT", `invalid port specification: "${text.slice(0, 80)}": ${why}`);

/** "80/tcp", "53/udp", "80", "8000-8010/tcp" → every port of it. */
export function parseExposedPort(text: string): { port: number; protocol: Protocol }[] {
  const match = /^(\d{1,6})(?:-(\d{1,6}))?(?:\/(\w+))?$/.exec(text);
  if (!match) throw refuse(text, "write it like 80/tcp or 8000-8010/udp");
  const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])];
  const protocol = (match[3] ?? "tcp").toLowerCase();
  if (protocol !== "tcp" && protocol !== "udp" && protocol !== "sctp") throw refuse(text, `protocol "${protocol}" is not known; use tcp, udp or sctp`);
  if (first < 1 || last > 65_535 || last < first) throw refuse(text, "ports are numbers from 1 to 65535");
  return Array.from({ length: last - first + 1 }, (_, i) => ({ port: first + i, protocol }));
}

/** HostConfig.PortBindings: {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}. */
export function parsePortBindings(host: Fields): PortBinding[] {
  return host.objectLists("PortBindings").flatMap(([key, bindings]) => {
    const containerPorts = parseExposedPort(key);
    return bindings.flatMap((binding) => {
      const hostIp = binding.text("HostIp") ?? "";
      const hostPort = binding.text("HostPort") ?? "";
      if (hostIp !== "" && isIP(hostIp) === 0) throw refuse(hostIp, "it is not an IP address");
      const match = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(hostPort);
      if (hostPort !== "" && !match) throw refuse(hostPort, "a host port is a number, a range like 8080-8090, or empty");
      const [first, last] = [Number(match?.[1] ?? 0), Number(match?.[2] ?? match?.[1] ?? 0)];
      if (last > 65_535 || last < first) throw refuse(hostPort, "ports are numbers from 1 to 65535");
      if (containerPorts.length > 1 && hostPort !== "" && last - first + 1 !== containerPorts.length) throw refuse(key, `it has ${containerPorts.length} ports and the host's range ${hostPort} has ${last - first + 1}`);
      return containerPorts.map(({ port, protocol }, i) => ({
        containerPort: port, protocol, hostIp,
        hostPort: hostPort === "" || first === 0 ? "" : containerPorts.length > 1 ? String(first + i) : hostPort,
      }));
    });
  });
}

/** {"80/tcp": [{"HostIp", "HostPort"}]}; exposed ports that are not published are null. */
export function portMap(ports: readonly PortBinding[], exposed: readonly string[]): Record<string, { HostIp: string; HostPort: string }[] | null> {
  const map: Record<string, { HostIp: string; HostPort: string }[] | null> = {};
  for (const name of exposed) map[name.includes("/") ? name : `${name}/tcp`] = null;
  for (const { containerPort, protocol, hostIp, hostPort } of ports) (map[`${containerPort}/${protocol}`] ??= []).push({ HostIp: hostIp, HostPort: hostPort });
  return map;
}

/** As lists show them: one row a binding; exposed ports without one too. */
export function portRows(ports: readonly PortBinding[], exposed: readonly string[]): object[] {
  const rows: object[] = ports.map(({ containerPort, protocol, hostIp, hostPort }) => ({
    ...(hostIp ? { IP: hostIp } : {}), PrivatePort: containerPort, ...(hostPort ? { PublicPort: Number(hostPort) } : {}), Type: protocol,
  }));
  const published = new Set(ports.map(({ containerPort, protocol }) => `${containerPort}/${protocol}`));
  for (const name of exposed) {
    for (const { port, protocol } of parseExposedPort(name)) if (!published.has(`${port}/${protocol}`)) rows.push({ PrivatePort: port, Type: protocol });
  }
  return rows;
}
