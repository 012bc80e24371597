import { statfsSync } from "node:fs";

const names: Readonly<Record<number, string>> = { 0xef53: "extfs", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x01021994: "tmpfs", 0x794c7630: "overlayfs", 0x2fc12fc1: "zfs", 0x6969: "nfs", 0x65735546: "fuseblk" };

/** What kind of file system a directory is on, as Docker calls it; "<unknown>" like Docker. */
export function backingFileSystem(directory: string): string {
  try { return names[Number(statfsSync(directory).type) >>> 0] ?? "<unknown>"; } catch { return "<unknown>"; }
}
