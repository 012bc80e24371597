/** Names of kernel objects, 15 characters at most. The tag tells engines on one host apart: each sweeps its own. None is one of the overlay's or of Docker's. */
export const tagOf = (stateDir: string): string => hash(stateDir).toString(36).padStart(4, "0").slice(-4);

export const bridgeNameOf = (tag: string, networkId: string): string => `sn${tag}-${networkId.slice(0, 8)}`;
export const isBridgeName = (tag: string, name: string): boolean => new RegExp(`^sn${tag}-[0-9a-f]{8}$`).test(name);
export const hostLinkOf = (tag: string, random: string): string => `se${tag}-${random.slice(0, 8)}`;
export const isHostLink = (tag: string, name: string): boolean => new RegExp(`^se${tag}-[0-9a-f]{8}$`).test(name);
export const tableOf = (tag: string): string => `skein_${tag}`;
export const isLinkName = (name: string): boolean => /^[^\s/:]{1,15}$/.test(name) && name !== "." && name !== "..";

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return value;
}
