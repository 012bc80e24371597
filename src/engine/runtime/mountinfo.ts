/** Mount points of this process's namespace that lie below `directory` (proc(5): /proc/PID/mountinfo, field 5, octal escapes). */
export function mountsBelow(mountinfo: string, directory: string): string[] {
  return mountinfo.split("\n").map((line) => line.split(" ")[4]).filter((p): p is string => p !== undefined)
    .map((p) => p.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)))).filter((p) => p.startsWith(`${directory}/`));
}
