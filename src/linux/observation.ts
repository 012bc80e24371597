/** What the kernel holds, in the parts that Skein cares about. Parsed from `ip -j`, `bridge -j`; unknown fields are ignored. */
export interface KernelObservation {
  readonly links: readonly KernelLink[];
  readonly addresses: readonly KernelAddress[];
  readonly forwarding: readonly KernelForwarding[];
  readonly neighbours: readonly KernelNeighbour[];
  /** `nft list table ip skein`, "" when there is no such table. */
  readonly rules: string;
}

export interface KernelLink {
  readonly name: string;
  readonly kind: string;                   // "bridge", "vxlan", "veth", "" for hardware
  readonly mac: string;
  readonly mtu: number;
  readonly isUp: boolean;
  readonly master: string;                 // "" = none
  readonly vxlan?: { readonly vni: number; readonly port: number; readonly local: string; readonly isLearning: boolean };
  readonly bridgePort?: { readonly isLearning: boolean; readonly isFlooding: boolean };
}
export interface KernelAddress { readonly device: string; readonly addr: string; readonly prefix: number }
/** `via` "self": a row of the device (VXLAN: mac → vtep). "master": a row of the bridge for this port. */
export interface KernelForwarding {
  readonly device: string; readonly mac: string; readonly vtep: string; readonly via: "self" | "master"; readonly state: string;
}
export interface KernelNeighbour { readonly device: string; readonly addr: string; readonly mac: string }

type Json = Record<string, unknown>;

export function parseLinks(json: string): KernelLink[] {
  return rows(json).filter((row) => typeof row["ifname"] === "string").map((row) => {
    const info = object(row["linkinfo"]);
    const data = object(info["info_data"]);
    const port = object(info["info_slave_data"]);
    const kind = text(info["info_kind"]);
    return {
      name: text(row["ifname"]), kind, mac: text(row["address"]), mtu: Number(row["mtu"] ?? 0),
      isUp: Array.isArray(row["flags"]) && row["flags"].includes("UP"), master: text(row["master"]),
      ...(kind === "vxlan"
        ? { vxlan: { vni: Number(data["id"]), port: Number(data["port"]), local: text(data["local"]), isLearning: data["learning"] === true } } : {}),
      ...(info["info_slave_kind"] === "bridge"
        ? { bridgePort: { isLearning: port["learning"] === true, isFlooding: port["flood"] === true } } : {}),
    };
  });
}

export function parseAddresses(json: string): KernelAddress[] {
  return rows(json).flatMap((row) => (Array.isArray(row["addr_info"]) ? row["addr_info"] as Json[] : [])
    .filter((info) => info["family"] === "inet")
    .map((info) => ({ device: text(row["ifname"]), addr: text(info["local"]), prefix: Number(info["prefixlen"]) })));
}

export function parseForwarding(json: string): KernelForwarding[] {
  return rows(json).filter((row) => typeof row["mac"] === "string").map((row) => ({
    device: text(row["ifname"]), mac: text(row["mac"]), vtep: text(row["dst"]), state: text(row["state"]),
    via: Array.isArray(row["flags"]) && row["flags"].includes("self") ? "self" : "master",
  }));
}

export function parseNeighbours(json: string): KernelNeighbour[] {
  return rows(json).filter((row) => typeof row["dst"] === "string" && typeof row["lladdr"] === "string")
    .map((row) => ({ device: text(row["dev"]), addr: text(row["dst"]), mac: text(row["lladdr"]) }));
}

// iproute2 prints nothing at all where a list is empty in some versions, and `{}` for filtered rows.
const rows = (json: string): Json[] => (json.trim() === "" ? [] : JSON.parse(json) as Json[]);
const object = (value: unknown): Json => (typeof value === "object" && value !== null ? value as Json : {});
const text = (value: unknown): string => (typeof value === "string" ? value : "");
