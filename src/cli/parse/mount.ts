import { SwarmError } from "../../lib/index.js";
import type { Mount } from "../../model/index.js";
import { fieldIsOn, parseFields } from "./fields.js";
import { choose, parseLabel } from "./key-value.js";
import { parseSize } from "./size.js";

const known = {
  type: "type", source: "source", src: "source", target: "target", dst: "target", destination: "target", readonly: "readonly", ro: "readonly",
  "bind-propagation": "bind-propagation", "volume-nocopy": "volume-nocopy", "volume-label": "volume-label", "tmpfs-size": "tmpfs-size", "tmpfs-mode": "tmpfs-mode",
};

/** "type=volume,source=data,target=/var/lib/x,readonly" */
export function parseMount(text: string): Mount {
  const fields = parseFields(text, "--mount", known);
  const type = choose(fields.get("type") ?? "volume", '"type" in --mount', { bind: "BIND", volume: "VOLUME", tmpfs: "TMPFS", cluster: "CLUSTER" } as const);
  const source = fields.get("source") ?? "";
  const target = fields.get("target") ?? "";
  const refuse = (why: string) => new SwarmError("INVALID_ARGUMENT", `Cannot read "${text}" of --mount: ${why}`);
  if (!target.startsWith("/")) throw refuse("its target must be an absolute path inside the container, such as target=/data.");
  if (type === "BIND" && !source.startsWith("/")) throw refuse("a bind mount's source must be an absolute path on the host, such as source=/srv/data.");
  if (type === "VOLUME" && source.includes("/")) throw refuse("a volume's source is a name; for a path on the host write type=bind.");
  if (type === "TMPFS" && source) throw refuse("a tmpfs mount has no source; leave it out.");
  if (type === "CLUSTER" && !source) throw refuse("a cluster mount needs a source: a volume of the cluster, or group:NAME.");
  const only = (name: string, ...owners: string[]) => { if (fields.has(name) && !owners.includes(type)) throw refuse(`"${name}" is for type=${owners[0]!.toLowerCase()} only.`); };
  only("bind-propagation", "BIND");
  only("volume-nocopy", "VOLUME", "CLUSTER");
  only("volume-label", "VOLUME");
  only("tmpfs-size", "TMPFS");
  only("tmpfs-mode", "TMPFS");
  const mode = fields.get("tmpfs-mode");
  if (mode !== undefined && !/^0?[0-7]{1,4}$/.test(mode)) throw refuse(`"tmpfs-mode" is an octal mode, such as 1777.`);
  const label = fields.get("volume-label");
  const propagation = fields.get("bind-propagation") ?? "";
  if (propagation && !/^r?(private|shared|slave)$/.test(propagation)) throw refuse(`"bind-propagation" is one of rprivate, private, rshared, shared, rslave and slave.`);
  return {
    type, source, target,
    readOnly: fieldIsOn(fields, "readonly", "--mount"),
    propagation,
    noCopy: fieldIsOn(fields, "volume-nocopy", "--mount"),
    tmpfsSizeBytes: fields.has("tmpfs-size") ? parseSize(fields.get("tmpfs-size") ?? "", '"tmpfs-size" in --mount') : 0,
    tmpfsMode: mode ? parseInt(mode, 8) : 0,
    volumeLabels: label ? Object.fromEntries([parseLabel(label, '"volume-label" in --mount')]) : {},
  };
}
