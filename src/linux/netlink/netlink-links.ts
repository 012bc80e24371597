import { closeSync, existsSync, openSync, writeFileSync } from "node:fs";
import { SwarmError, messageOf } from "../../lib/index.js";
import { namespaceSettings, resolverTable, type BridgePort, type HostLink, type HostLinks, type HostRoute, type NamespaceChange, type NamespacePort } from "./host-links.js";
import { forgetting, trackedQuestion } from "./conntrack-messages.js";
import type { Libc } from "./libc.js";
import { changeElements, resolverRules, type PortElement } from "./nft-messages.js";
import { inNamespace, keepNamespace, makeNamespace, removeNamespace } from "./namespace.js";
import type { Message } from "./message.js";
import {
  addAddress, addBridge, addDefaultRoute, addForwarding, addMacvlan, addVeth, addVlan, changeBridgePort, changeLink, deleteDefaultRoute, deleteLink, linkOf, linkQuestion, routeOf, routeQuestion, type LinkRow,
} from "./route-messages.js";
import { NetlinkError, NetlinkSocket, protocolNetfilter, protocolRoute } from "./socket.js";

const eexist = 17, enodev = 19, enoent = 2, esrch = 3, eopnotsupp = 95, eafnosupport = 97;

/** All through sockets of this process: what is done often is done in microseconds, within one turn of the event loop. */
export class NetlinkLinks implements HostLinks {
  readonly kind = "netlink";
  readonly #route: NetlinkSocket;
  #filter: NetlinkSocket | undefined;

  constructor(private readonly libc: Libc) { this.#route = new NetlinkSocket(libc, protocolRoute); }

  async links(): Promise<readonly HostLink[]> {
    const rows = this.#rows();
    const names = new Map(rows.map((row) => [row.index, row.name]));
    return rows.map(({ name, kind, mac, mtu, isUp, masterIndex }) => ({ name, kind, mac, mtu, isUp, master: names.get(masterIndex) ?? "" }));
  }

  async routes(): Promise<readonly HostRoute[]> {
    const names = new Map(this.#rows().map((row) => [row.index, row.name]));
    return ([4, 6] as const).flatMap((family) => {
      const { type, body } = routeQuestion(family);
      return this.#route.dump(type, body).flatMap((received) => { const row = routeOf(received); return row ? [{ destination: row.destination, device: names.get(row.deviceIndex) ?? "" }] : []; });
    });
  }

  async ensureBridge({ name, mac, mtu, addresses }: Parameters<HostLinks["ensureBridge"]>[0]): Promise<void> {
    told(`make bridge ${name}`, () => {
      this.#route.change([addBridge(name, mac)], (errno) => errno === eexist);
      const { index, kind } = this.#need(name);
      if (kind !== "bridge") throw new Error(`a ${kind || "device"} has that name already`);
      this.#route.change([...addresses.map((address) => addAddress(index, address)), changeLink({ index }, { mtu, isUp: true })]);
    });
  }

  async ensureVlan({ name, parent, id }: Parameters<HostLinks["ensureVlan"]>[0]): Promise<void> {
    told(`make VLAN link ${name}`, () => {
      this.#route.change([addVlan(name, this.#need(parent).index, id)], (errno) => errno === eexist);
      this.#route.change([changeLink({ name }, { isUp: true })]);
    });
  }

  async removeLink(name: string): Promise<void> {
    // In a thread of its own socket: the kernel waits for its readers (RCU) within the call, 20–40 ms.
    try { await NetlinkSocket.changeAside(this.libc, protocolRoute, [deleteLink({ name })]); } catch (error) {
      if (!(error instanceof NetlinkError) || (error.errno !== enodev && error.errno !== enoent)) throw refused(`remove link ${name}`, error);
    }
  }

  async makeNamespace(path: string, pair?: { readonly hostName: string }): Promise<void> {
    told(`make network namespace ${path}`, () => {
      makeNamespace(this.libc, path, () => {
        for (const [name, value] of Object.entries(namespaceSettings)) set(name, value);
        const inside = new NetlinkSocket(this.libc, protocolRoute);
        try { inside.change([changeLink({ name: "lo" }, { isUp: true })]); } finally { inside.close(); }
      });
      if (pair) {
        const fd = openSync(path, "r");
        try { this.#route.change([addVeth(pair.hostName, { name: "eth0", netnsFd: fd })]); } catch (error) { removeNamespace(this.libc, path); throw error; } finally { closeSync(fd); }
      }
    });
  }

  async removeNamespace(path: string): Promise<void> { told(`remove network namespace ${path}`, () => removeNamespace(this.libc, path)); }

  async change(change: NamespaceChange): Promise<void> {
    const { path, added } = change;
    // The whole of it stays in one turn: nobody sees a namespace half changed, and no order among several needs to be kept.
    told(`attach network namespace ${path}`, () => {
      const fd = openSync(path, "r");
      try { for (const port of added) this.#make(port, fd); } finally { closeSync(fd); }
      inNamespace(this.libc, path, () => this.#changeInside(change));
      for (const { link, mtu } of added) if (link.kind === "veth") this.#plug(link, mtu);
    });
    if (change.removed.length > 0) await this.#removeInside(path, change.removed);
  }

  async keepNamespace(path: string, pid: number): Promise<void> { told(`keep the network namespace of process ${pid}`, () => keepNamespace(this.libc, path, `/proc/${pid}/ns/net`)); }

  async plug(link: BridgePort, mtu: number): Promise<void> { told(`join ${link.hostName} to ${link.bridge}`, () => this.#plug(link, mtu)); }

  async unplug(hostName: string): Promise<void> {
    told(`take ${hostName} off its bridge`, () => this.#route.change([changeLink({ name: hostName }, { isUp: false, masterIndex: 0 })], (errno) => errno === enodev));
  }

  async changePorts(table: string, removed: readonly PortElement[], added: readonly PortElement[]): Promise<void> {
    // One socket for good: closing one that has deleted something waits 12 ms for the kernel (RCU).
    this.#filter ??= new NetlinkSocket(this.libc, protocolNetfilter);
    told(`forward ports in table ${table}`, () => this.#filter!.change(changeElements("inet", table, removed, added)));
  }

  async forgetUdp(ports: readonly number[]): Promise<void> {
    const wanted = new Set(ports);
    const looking = new NetlinkSocket(this.libc, protocolNetfilter), forgetter = new NetlinkSocket(this.libc, protocolNetfilter);
    try {
      for await (const piece of looking.dumpSlowly(trackedQuestion.type, trackedQuestion.body)) {
        const messages = piece.flatMap((received) => forgetting(received, wanted) ?? []);
        for (const message of messages) forgetter.change([message], (errno) => errno === enoent);   // it has ended by itself
      }
    } catch (error) { throw refused("forget tracked connections", error); } finally { looking.closeLater(); forgetter.closeLater(); }
  }

  close(): void { this.#route.close(); this.#filter?.close(); }

  #make({ device, mac, mtu, link }: NamespacePort, netnsFd: number): void {
    if (link.kind === "macvlan") {
      this.#route.change([addMacvlan(device, this.#need(link.parent).index, link.mode, { netnsFd, mac })]);
    } else if (!link.isThere) {
      this.#route.change([addVeth(link.hostName, { name: device, netnsFd, mac, mtu }, { mtu })]);
    }
  }

  #changeInside({ isNew, added, removed, gateways, resolver }: NamespaceChange): void {
    const socket = new NetlinkSocket(this.libc, protocolRoute);
    try {
      const rows = rowsOf(socket);
      const indexOf = (device: string): number => { const row = rows.find((r) => r.name === device); if (!row) throw new Error(`it has no device ${device}`); return row.index; };
      const messages: Message[] = [];
      for (const device of removed) if (rows.some((row) => row.name === device)) messages.push(changeLink({ index: indexOf(device) }, { isUp: false }));
      for (const port of added) {
        if (!port.hasIpv6) set(`net/ipv6/conf/${port.device}/disable_ipv6`, "1");
        else for (const [name, value] of [["disable_ipv6", "0"], ["accept_ra", "0"]] as const) set(`net/ipv6/conf/${port.device}/${name}`, value);
        const index = indexOf(port.device);
        messages.push(changeLink({ index }, { mac: port.mac, mtu: port.mtu }), ...port.addresses.map((address) => addAddress(index, address)), changeLink({ index }, { isUp: true }));
      }
      socket.change(messages);
      const families = [4, 6] as const;
      if (!isNew) for (const family of families) socket.change([deleteDefaultRoute(family)], (errno) => errno === esrch || errno === enoent || errno === eopnotsupp);
      socket.change(gateways.map(({ address, device }) => addDefaultRoute(address, indexOf(device))));
    } finally { socket.close(); }
    const rules = resolverRules(resolverTable, resolver, isNew);
    if (rules.length === 0) return;
    const filter = new NetlinkSocket(this.libc, protocolNetfilter);
    try { filter.change(rules); } finally { if (isNew) filter.close(); else filter.closeLater(); }
  }

  /** Last, so that nothing comes in before all is set. */
  #plug(link: BridgePort, mtu: number): void {
    const { index } = this.#need(link.hostName);
    this.#route.change([
      changeLink({ index }, { hasLinkLocal: false }), changeLink({ index }, { mtu, masterIndex: this.#need(link.bridge).index, isUp: true }),
      // Hairpin: where the kernel shows bridged frames to the rules (bridge-nf-call-iptables), a container that calls its own published port has the frame come back.
      changeBridgePort(index, { isHairpin: true, isIsolated: link.isIsolated, isFlooded: link.onlyMac === undefined }),
      ...(link.onlyMac === undefined ? [] : [addForwarding(index, link.onlyMac)]),
    ], (errno, at) => at === 0 && errno === eafnosupport);   // a kernel without IPv6
  }

  async #removeInside(path: string, devices: readonly string[]): Promise<void> {
    const socket = told(`enter network namespace ${path}`, () => inNamespace(this.libc, path, () => new NetlinkSocket(this.libc, protocolRoute)));
    try { for (const name of devices) await socket.changeLater([deleteLink({ name })]).catch((error: unknown) => { if (!(error instanceof NetlinkError) || error.errno !== enodev) throw refused(`remove device ${name}`, error); }); } finally { socket.close(); }
  }

  #rows(): LinkRow[] { return rowsOf(this.#route); }

  #need(name: string): LinkRow {
    const row = this.#route.link(name);
    if (!row) throw new Error(`there is no link "${name}"`);
    return row;
  }
}

const rowsOf = (socket: NetlinkSocket): LinkRow[] => socket.dump(linkQuestion.type, linkQuestion.body).flatMap((received) => { const row = linkOf(received); return row ? [row] : []; });

/** In the namespace of the calling thread. What this kernel lacks (no IPv6, say) is skipped. */
function set(name: string, value: string): void { const path = `/proc/sys/${name}`; if (existsSync(path)) writeFileSync(path, value); }

function told<T>(what: string, work: () => T): T { try { return work(); } catch (error) { throw refused(what, error); } }
const refused = (what: string, error: unknown): SwarmError => new SwarmError("INTERNAL", `Cannot ${what}: ${messageOf(error)}`, { cause: error });
