import type { EngineEvent } from "../../engine/index.js";
import type { Filters } from "./filters.js";

export const eventFilters = ["config", "container", "daemon", "event", "image", "label", "label!", "network", "node", "plugin", "scope", "secret", "service", "type", "volume", "builder"] as const;

export function matchesEvent(event: EngineEvent, filters: Filters): boolean {
  const { name = "", image = "" } = event.attributes;
  const names = (type: EngineEvent["type"]) => (value: string) => event.type === type && value !== "" && (event.actorId === value || event.actorId.startsWith(value) || name === value.replace(/^\//, ""));
  // "event" names an action or the part of it before the colon: health_status, exec_create.
  const isAction = (value: string) => event.action === value || event.action.split(":")[0] === value;
  const bare = (reference: string) => reference.replace(/@.*$/, "").replace(/:[^/:]*$/, "");
  const isImage = (value: string) => (event.type === "image" ? [event.actorId, name].some((own) => own === value || bare(own) === value || own.replace(/^sha256:/, "").startsWith(value)) : image === value || bare(image) === value);
  const known = ["container", "image", "volume", "network", "daemon", "builder"];
  return filters.some("type", (type) => event.type === type) && filters.some("event", isAction) && filters.some("scope", (scope) => scope === "local") && filters.matchesLabels(event.attributes)
    && filters.some("container", names("container")) && filters.some("image", isImage) && filters.some("volume", names("volume")) && filters.some("network", names("network"))
    && filters.some("daemon", names("daemon")) && filters.some("builder", names("builder")) && ["config", "node", "plugin", "secret", "service"].every((type) => !filters.has(type) || known.includes(type));
}

/** A line of GET /events. The nanoseconds are more than a JavaScript number holds, so they are written as they are. */
export function eventJson({ type, action, actorId, attributes, timeNano }: EngineEvent): string {
  const legacy = type === "container" ? { status: action, id: actorId, ...(attributes.image ? { from: attributes.image } : {}) } : type === "image" ? { status: action, id: actorId } : {};
  const head = JSON.stringify({ ...legacy, Type: type, Action: action, Actor: { ID: actorId, Attributes: attributes }, scope: "local", time: Number(timeNano / 1_000_000_000n) });
  return `${head.slice(0, -1)},"timeNano":${timeNano}}`;
}
