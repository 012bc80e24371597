import { SwarmError } from "../../lib/index.js";

// Flags that exclude each other, the default first.
const pairs = [["noexec", "exec"], ["nosuid", "suid"], ["nodev", "dev"], ["rw", "ro"], ["async", "sync"], ["atime", "noatime"], ["diratime", "nodiratime"], ["relatime", "norelatime"], ["strictatime", "nostrictatime"], ["nomand", "mand"], ["dirasync", "nodirsync"]];
const flags = new Set([...pairs.flat(), "dirsync", "bind", "rbind", "defaults", "remount", "private", "rprivate", "shared", "rshared", "slave", "rslave"]);
const valued = new Set(["mode", "uid", "gid", "size", "nr_inodes", "nr_blocks", "mpol"]);
const mountDefaults = ["noexec", "nosuid", "nodev"];

/** Docker's defaults for a tmpfs, with what mount(8) options (`rw,exec,size=64m`) change of them. Pure. */
export function tmpfsOptions(asked: { readonly sizeBytes?: number; readonly mode?: number; readonly options?: string }): string[] {
  let options = [...mountDefaults];
  const refuse = (option: string, why: string): never => { throw new SwarmError("INVALID_ARGUMENT", `tmpfs option "${option.slice(0, 100)}" is not valid: ${why}`); };
  for (const option of (asked.options ?? "").split(",").map((o) => o.trim()).filter((o) => o !== "" && o !== "defaults")) {
    const equals = option.indexOf("=");
    const name = equals < 0 ? option : option.slice(0, equals);
    if (equals < 0 ? !flags.has(name) : !valued.has(name)) refuse(option, `use flags of mount(8) such as noexec or ro, or ${[...valued].join(", ")} with a value`);
    if (name === "size" && !/^size=\d+(?:\.\d+)?[kmgtKMGT%]?[bB]?$/.test(option)) refuse(option, "write a size like size=64m");
    if (name === "mode" && !/^mode=[0-7]{1,5}$/.test(option)) refuse(option, "write an octal mode like mode=1777");
    const opposite = pairs.find((pair) => pair.includes(name))?.find((other) => other !== name);
    options = [...options.filter((o) => o !== opposite && o !== name && !(equals >= 0 && o.startsWith(`${name}=`))), option.replace(/^(size=.*[kmgtKMGT])[bB]$/, "$1")];
  }
  const set = (name: string, value: string) => { if (!options.some((o) => o.startsWith(`${name}=`))) options.push(`${name}=${value}`); };
  if (asked.sizeBytes) set("size", String(asked.sizeBytes));
  set("mode", (asked.mode || 0o1777).toString(8));
  return options;
}
