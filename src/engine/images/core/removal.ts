import { SwarmError } from "../../../lib/index.js";

/** What a removal has to know of an image. */
export interface RemovalImage {
  readonly id: string;
  readonly tags: readonly string[];        // normalized name:tag
  readonly digests: readonly string[];     // normalized name@sha256:…
  readonly parent: string | undefined;
  readonly children: readonly string[];
  readonly users: readonly { readonly name: string; readonly isRunning: boolean }[];
}

export interface RemovalRequest {
  readonly subject: string;                // as it was asked for
  readonly id: string;
  /** The name or digest that it was asked by; undefined: by id. */
  readonly reference: string | undefined;
  readonly force: boolean;
  readonly noPrune: boolean;
}

/** In the order in which they happen. `kept`: deleted for people, its files stay until its stopped containers are gone. */
export interface Removal { readonly untagged: readonly string[]; readonly deleted: readonly string[]; readonly kept: readonly string[]; readonly unwanted: readonly string[] }

type Conflict = { readonly why: string; readonly canForce: boolean; readonly isUse: boolean };

/** Docker's rules for `docker image rm`: which names go, which images go with them, and what stands in the way. */
export function planRemoval(request: RemovalRequest, image: (id: string) => RemovalImage | undefined, familiar: (reference: string) => string): Removal {
  const { subject, id, reference, force, noPrune } = request;
  const target = image(id);
  if (!target) throw new SwarmError("NOT_FOUND", `Cannot remove image "${subject}": no such image is on this host`);
  const refuse = ({ why, canForce }: Conflict): never => { throw new SwarmError("FAILED_PRECONDITION", `Cannot remove image "${subject}": ${why}${canForce ? ", or use --force" : "; --force does not help"}`); };
  const untagged: string[] = [];
  const deleted: string[] = [];
  const kept: string[] = [];
  const unwanted: string[] = [];
  const gone = new Set<string>();
  const left = (each: RemovalImage): string[] => [...each.tags, ...each.digests].filter((name) => !untagged.includes(name));

  const conflictOf = (each: RemovalImage, isForced: boolean, ignoreNames: boolean): Conflict | undefined => {
    const children = each.children.filter((child) => !gone.has(child));
    if (children.length > 0) return { why: `${children.length === 1 ? "another image was" : `${children.length} other images were`} built on it; remove ${children.length === 1 ? "that" : "those"} first`, canForce: false, isUse: false };
    const running = each.users.find((user) => user.isRunning);
    if (running) return { why: `container "${running.name}" uses it and is running; stop and remove the container first`, canForce: false, isUse: true };
    if (isForced) return undefined;
    const names = each.tags.filter((tag) => !untagged.includes(tag));
    if (!ignoreNames && left(each).length > 0) return { why: `it has ${Math.max(names.length, left(each).length)} names (${left(each).map(familiar).join(", ")}); remove them by name`, canForce: true, isUse: false };
    const stopped = each.users[0];
    if (stopped) return { why: `stopped container "${stopped.name}" uses it; remove the container first`, canForce: true, isUse: true };
    return undefined;
  };

  const removeImage = (each: RemovalImage, isForced: boolean, isQuiet: boolean): void => {
    const conflict = conflictOf(each, isForced, false);
    if (conflict) {
      // Docker keeps silent when only names were asked for, or about parents that others need.
      const hasChildren = each.children.some((child) => !gone.has(child));
      if (isQuiet && (left(each).length > 0 || hasChildren || conflict.isUse)) { if (each.id === id && force && conflict.isUse) unwanted.push(each.id); return; }
      refuse(conflict);
    }
    untagged.push(...left(each));
    deleted.push(each.id);
    gone.add(each.id);
    if (each.users.length > 0) kept.push(each.id);
    const parent = each.parent === undefined || noPrune ? undefined : image(each.parent);
    if (parent && left(parent).length === 0 && conflictOf(parent, false, false) === undefined) removeImage(parent, false, true);
  };

  if (reference !== undefined) {
    if (!force && hasOneName(target)) {
      const user = target.users[0];
      if (user) refuse({ why: `container "${user.name}" uses it; remove the container first`, canForce: true, isUse: true });
    }
    untagged.push(reference);
    const name = nameOf(reference);
    // Digests of a repository go with its last tag.
    if (!reference.includes("@") && !target.tags.some((tag) => tag !== reference && nameOf(tag) === name)) untagged.push(...target.digests.filter((digest) => nameOf(digest) === name));
    if (left(target).length > 0) return { untagged, deleted, kept, unwanted };
    removeImage(target, force, true);
  } else {
    if (hasOneName(target)) {
      const conflict = conflictOf(target, force, true);
      if (conflict) refuse(conflict);
      untagged.push(...target.tags, ...target.digests);
    }
    removeImage(target, force, false);
  }
  return { untagged, deleted, kept, unwanted };
}

/** At most one tag, and whatever digests there are are of the same repository. */
function hasOneName({ tags, digests }: RemovalImage): boolean {
  if (tags.length > 1) return false;
  const names = new Set([...tags, ...digests].map(nameOf));
  return names.size <= 1;
}

const nameOf = (reference: string): string => reference.includes("@") ? reference.slice(0, reference.indexOf("@")) : reference.slice(0, reference.lastIndexOf(":"));
