import { SwarmError } from "../../../lib/index.js";
import { formatIp, parseIp } from "./ip-address.js";

/** /etc/hosts and /etc/resolv.conf of a container. */

export interface HostsInput {
  readonly hostname: string;
  readonly domainname: string;
  readonly addresses: readonly string[];
  readonly extraHosts: readonly string[];  // "name:address"
  /** What "host-gateway" stands for; undefined: nothing here. */
  readonly hostGateway: string | undefined;
  readonly linked: readonly { readonly address: string; readonly names: readonly string[] }[];
}

export function hostsFile(input: HostsInput): string {
  const { hostname, domainname } = input;
  return [
    "127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", "fe00::0\tip6-localnet", "ff00::0\tip6-mcastprefix", "ff02::1\tip6-allnodes", "ff02::2\tip6-allrouters",
    ...input.linked.map(({ address, names }) => `${address}\t${names.join(" ")}`),
    ...input.extraHosts.map((entry) => { const { name, address } = extraHost(entry, input.hostGateway); return `${address}\t${name}`; }),
    ...input.addresses.map((address) => ownLine(address, hostname, domainname)), "",
  ].join("\n");
}

/** As Docker: the whole name, then its first part. */
function ownLine(address: string, hostname: string, domainname: string): string {
  const whole = domainname ? `${hostname}.${domainname}` : hostname;
  const dot = whole.indexOf(".");
  return `${address}\t${whole}${dot > 0 ? ` ${domainname ? hostname : whole.slice(0, dot)}` : ""}`;
}

/** The host's own file, with what is asked for beside. */
export const hostsFileOfHost = (ofHost: string, extraHosts: readonly string[]): string =>
  [ofHost.replace(/\n*$/, ""), ...extraHosts.map((entry) => { const { name, address } = extraHost(entry, "127.0.0.1"); return `${address}\t${name}`; }), ""].join("\n");

/** The same file with lines of addresses that are gone removed, and those of new ones added: what the container wrote itself stays. */
export function changedHostsFile(text: string, removed: readonly string[], added: readonly string[], hostname: string, domainname: string): string {
  const lines = text.replace(/\n*$/, "").split("\n").filter((line) => !removed.includes(line.split(/\s/)[0]!));
  return [...lines, ...added.map((address) => ownLine(address, hostname, domainname)), ""].join("\n");
}

function extraHost(entry: string, hostGateway: string | undefined): { name: string; address: string } {
  const at = entry.search(/[:=]/);
  const name = entry.slice(0, at), text = entry.slice(at + 1).replace(/^\[(.*)\]$/, "$1");
  const refuse = (why: string): never => { throw new SwarmError("INVALID_ARGUMENT", `extra host "${entry.slice(0, 200)}" is not valid: ${why}`); };
  if (at < 1 || /\s/.test(entry)) refuse("write it as name:address");
  if (text === "host-gateway") return { name, address: hostGateway ?? refuse("its networks lead to no gateway of this host; give an address") };
  const address = parseIp(text) ?? refuse(`"${text.slice(0, 80)}" is no address`);
  return { name, address: formatIp(address) };
}

export interface ResolvConfInput {
  readonly ofHost: string;
  readonly servers: readonly string[];     // empty: the host's
  readonly search: readonly string[];      // empty: the host's; ".": none
  readonly options: readonly string[];     // empty: the host's
  /** Names are answered at 127.0.0.11; questions that it cannot answer go to `servers`. */
  readonly hasResolver: boolean;
}

export function resolvConf({ ofHost, servers, search, options, hasResolver }: ResolvConfInput): string {
  const words = (key: string) => ofHost.split("\n").filter((line) => line.startsWith(`${key} `) || line.startsWith(`${key}\t`)).flatMap((line) => line.split(/\s+/).slice(1)).filter(Boolean);
  const hostSearch = words("search").length > 0 ? words("search") : words("domain").slice(0, 1);
  const domains = search.length > 0 ? search.filter((domain) => domain !== ".") : hostSearch;
  const chosen = options.length > 0 ? options : words("options");
  const settings = hasResolver && !chosen.some((option) => option.startsWith("ndots:")) ? [...chosen, "ndots:0"] : chosen;
  const nameservers = hasResolver ? ["127.0.0.11"] : servers.length > 0 ? servers : words("nameserver").filter((server) => !isLoopback(server));
  return [...nameservers.map((server) => `nameserver ${server}`), ...(domains.length > 0 ? [`search ${domains.join(" ")}`] : []), ...(settings.length > 0 ? [`options ${settings.join(" ")}`] : []), ""].join("\n");
}

/** A name server that only this host can reach. */
export const isLoopback = (address: string): boolean => address.startsWith("127.") || address === "::1";
