/** Names of kernel objects. An interface name has 15 characters at most; each is a function of what it stands for. */

export const sandboxPrefix = "skein-";
export const localBridge = "skein0";
export const bridgeName = (vni: number): string => `sb${vni.toString(16)}`;
export const tunnelName = (vni: number): string => `sv${vni.toString(16)}`;
export const netnsName = (sandboxId: string): string => `${sandboxPrefix}${sandboxId}`;
export const sandboxIdOf = (netns: string): string => netns.slice(sandboxPrefix.length);

/** The host's end of a sandbox's interface: "sp", 10 characters of a hash of the whole id (ids may share long prefixes), index. */
export const vethName = (sandboxId: string, index: number): string =>
  `sp${hash64(sandboxId).toString(36).padStart(13, "0").slice(-10)}.${index}`;

export const isTunnelName = (name: string): boolean => /^sv[0-9a-f]{1,6}$/.test(name);
export const isBridgeName = (name: string): boolean => /^sb[0-9a-f]{1,6}$/.test(name);
export const isVethName = (name: string): boolean => /^sp[0-9a-z]{10}\.\d{1,2}$/.test(name);
export const isOurLink = (name: string): boolean => isTunnelName(name) || isBridgeName(name) || isVethName(name) || name === localBridge;

/** FNV-1a, 64 bits. */
export function hash64(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (let i = 0; i < text.length; i++) hash = BigInt.asUintN(64, (hash ^ BigInt(text.charCodeAt(i))) * 0x100000001b3n);
  return hash;
}
