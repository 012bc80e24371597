import { messageOf, type Logger } from "../../lib/index.js";
import type { HostLinks } from "./host-links.js";
import { IpLinks } from "./ip-links.js";
import { loadLibc, whyNoLibc } from "./libc.js";
import { NetlinkLinks } from "./netlink-links.js";

/** Netlink where the C library can be called from here, the `ip` program elsewhere. */
export function openHostLinks({ log, kind }: { log: Logger; /** For tests; the better one. */ kind?: HostLinks["kind"] }): HostLinks {
  if (kind === "ip") return new IpLinks();
  const libc = loadLibc();
  try { if (libc) return new NetlinkLinks(libc); } catch (error) { log.warn("attaching containers with the ip program, which is slower: netlink cannot be used", { reason: messageOf(error) }); return new IpLinks(); }
  log.warn("attaching containers with the ip program, which is slower: netlink cannot be used", { reason: whyNoLibc() });
  return new IpLinks();
}
