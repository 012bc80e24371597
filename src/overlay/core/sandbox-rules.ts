import type { Balance } from "./balance.js";
import { fillSlots, slotSizeFor, slotSizes } from "./slots.js";

export interface SandboxRulesInput {
  readonly balance: Balance;
  /** Where 127.0.0.11 is answered: the address of the bridge; "" = nowhere. */
  readonly dnsVia: string;
  readonly seed: number;
  /** In a new namespace there is nothing to replace, and a transaction with a deletion waits 12 ms for the kernel (RCU). */
  readonly isNamespaceNew?: boolean;
}

/**
 * The rules inside a sandbox, as one transaction that replaces what is there. The client's own namespace balances: no hop more, no
 * source rewritten, and any port or protocol of a virtual address works, because only the address is translated.
 */
export function renderSandboxRules({ balance, dnsVia, seed, isNamespaceNew = false }: SandboxRulesInput): string {
  const elements = balanceElements(balance, seed);
  return [
    ...(isNamespaceNew ? [] : ["add table ip skein", "delete table ip skein"]),
    "table ip skein {",
    ...slotSizes.flatMap((size) => [
      `  map vips${size} {`,
      `    typeof ip daddr . numgen random mod ${size} : ip daddr`,
      ...elementsLine(elements.maps.get(size) ?? []),
      "  }",
    ]),
    "  set empty_vips {",
    "    type ipv4_addr",
    ...elementsLine(elements.empty),
    "  }",
    "  chain output {",
    "    type nat hook output priority -100",
    ...(dnsVia ? ["udp", "tcp"].map((protocol) => `    ip daddr 127.0.0.11 ${protocol} dport 53 dnat to ${dnsVia}:53`) : []),
    ...slotSizes.map((size) => `    dnat ip to ip daddr . numgen random mod ${size} map @vips${size}`),
    "  }",
    "  chain postrouting {",
    "    type nat hook postrouting priority 100",
    // A question to 127.0.0.11 has the source 127.0.0.1, with which it could not leave.
    ...(dnsVia ? [`    ip saddr 127.0.0.0/8 ip daddr ${dnsVia} masquerade`] : []),
    "  }",
    "  chain refuse {",
    "    type filter hook output priority 0",
    // After translation only what has no backend still carries a virtual address.
    "    ip daddr @empty_vips meta l4proto tcp reject with tcp reset",
    "    ip daddr @empty_vips reject with icmp type port-unreachable",
    "  }",
    "}",
    "",
  ].join("\n");
}

/** Whether a listing by nft shows these rules: every element, no other, and every chain's rules. */
export function isSandboxListing(listing: string, { balance, dnsVia, seed }: SandboxRulesInput): boolean {
  const listed = [...listing.matchAll(/elements = \{([^}]*)\}/g)].flatMap((match) => match[1]!.split(",").map((element) => element.trim().replace(/\s+/g, " ")));
  const { maps, empty } = balanceElements(balance, seed);
  const wanted = [...[...maps.values()].flat(), ...empty];
  const wantedSet = new Set(wanted);
  const rules = [...slotSizes.map((size) => `map @vips${size}`), ...(dnsVia ? [`to ${dnsVia}:53`, "masquerade"] : []), "daddr @empty_vips reject"];
  return listed.length === wanted.length && listed.every((element) => wantedSet.has(element)) && rules.every((rule) => listing.includes(rule));
}

/** One transaction from one balance to another that touches the changed virtual addresses only; "" when nothing changed. */
export function renderBalanceChange(before: Balance, after: Balance, seed: number): string {
  const changed = new Set([...before.keys(), ...after.keys()]);
  for (const vip of changed) if (isSame(before.get(vip), after.get(vip))) changed.delete(vip);
  const pick = (balance: Balance) => balanceElements(new Map([...balance].filter(([vip]) => changed.has(vip))), seed);
  const out = pick(before);
  const into = pick(after);
  const lines: string[] = [];
  for (const size of slotSizes) {
    const keys = (out.maps.get(size) ?? []).map((element) => element.split(" : ")[0]!);
    if (keys.length > 0) lines.push(`delete element ip skein vips${size} { ${keys.join(", ")} }`);
  }
  if (out.empty.length > 0) lines.push(`delete element ip skein empty_vips { ${out.empty.join(", ")} }`);
  for (const size of slotSizes) {
    const elements = into.maps.get(size) ?? [];
    if (elements.length > 0) lines.push(`add element ip skein vips${size} { ${elements.join(", ")} }`);
  }
  if (into.empty.length > 0) lines.push(`add element ip skein empty_vips { ${into.empty.join(", ")} }`);
  return lines.length === 0 ? "" : lines.join("\n") + "\n";
}

function balanceElements(balance: Balance, seed: number): { maps: Map<number, string[]>; empty: string[] } {
  const maps = new Map<number, string[]>();
  const empty: string[] = [];
  for (const [vip, backends] of balance) {
    if (backends.length === 0) { empty.push(vip); continue; }
    const size = slotSizeFor(backends.length);
    const list = maps.get(size) ?? [];
    maps.set(size, list);
    fillSlots(backends, size, seed).forEach((backend, slot) => list.push(`${vip} . ${slot} : ${backend}`));
  }
  return { maps, empty };
}

const elementsLine = (elements: readonly string[]): string[] => (elements.length === 0 ? [] : [`    elements = { ${elements.join(", ")} }`]);
const isSame = (a: readonly string[] | undefined, b: readonly string[] | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && a.length === b.length && a.every((value, index) => value === b[index]));
