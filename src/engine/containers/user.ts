import { SwarmError } from "../../lib/index.js";

export interface ContainerUser { readonly uid: number; readonly gid: number; readonly additionalGids: readonly number[]; readonly home: string }

interface PasswdEntry { readonly name: string; readonly uid: number; readonly gid: number; readonly home: string }
interface GroupEntry { readonly name: string; readonly gid: number; readonly members: readonly string[] }

/**
 * USER as images and services give it: "", "name", "uid", "name:group", "uid:gid". Names are those of the container's own
 * /etc/passwd and /etc/group; a number needs no entry there.
 */
export function resolveUser(user: string, extraGroups: readonly string[], passwdText: string, groupText: string): ContainerUser {
  const passwd = parsePasswd(passwdText);
  const groups = parseGroup(groupText);
  const [userPart = "", groupPart] = user.split(":", 2);
  const wanted = userPart === "" ? "0" : userPart;
  const entry = passwd.find((e) => e.name === wanted) ?? (isNumber(wanted) ? passwd.find((e) => e.uid === Number(wanted)) : undefined);
  if (!entry && !isNumber(wanted)) throw new SwarmError("INVALID_ARGUMENT", `user "${wanted}" is not in the image's /etc/passwd; use a number or a user that the image has`);
  const gidOf = (group: string): number => {
    const found = groups.find((g) => g.name === group);
    if (found) return found.gid;
    if (!isNumber(group)) throw new SwarmError("INVALID_ARGUMENT", `group "${group}" is not in the image's /etc/group; use a number or a group that the image has`);
    return Number(group);
  };
  const gid = groupPart ? gidOf(groupPart) : entry?.gid ?? 0;
  const memberships = groupPart || !entry ? [] : groups.filter((g) => g.members.includes(entry.name)).map((g) => g.gid);
  // The own group first: without it a setgid program takes the process out of that group, and what the group is denied is open (CVE-2022-36109).
  const additionalGids = [...new Set([gid, ...memberships, ...extraGroups.map(gidOf)])];
  return { uid: entry?.uid ?? Number(wanted), gid, additionalGids, home: entry?.home || "/" };
}

const isNumber = (text: string): boolean => /^\d{1,10}$/.test(text) && Number(text) <= 0xfffffffe;

function parsePasswd(text: string): PasswdEntry[] {
  return fields(text).filter((f) => f.length >= 6 && isNumber(f[2]!) && isNumber(f[3]!)).map((f) => ({ name: f[0]!, uid: Number(f[2]), gid: Number(f[3]), home: f[5]! }));
}

function parseGroup(text: string): GroupEntry[] {
  return fields(text).filter((f) => f.length >= 3 && isNumber(f[2]!)).map((f) => ({ name: f[0]!, gid: Number(f[2]), members: (f[3] ?? "").split(",").filter((m) => m !== "") }));
}

const fields = (text: string): string[][] => text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) => line.trim().split(":"));
