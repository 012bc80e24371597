type Json = Readonly<Record<string, unknown>>;

/** A layer of an archive of Docker before 1.10: it has a config of its own, and its parent's name. */
export interface LegacyLayer { readonly json: Json; readonly diffId: string }

/** What only said how layers hang together. */
const dropped: readonly string[] = ["id", "parent", "parent_id", "layer_id", "Size", "throwaway"];

/** The image configuration of the topmost layer (the last), in today's form: the same input gives the same bytes, so also the same image id. */
export function modernConfig(layers: readonly LegacyLayer[]): string {
  const top = layers.at(-1)!.json;
  const config = {
    ...Object.fromEntries(Object.entries(top).filter(([key]) => !dropped.includes(key))),
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ json }) => historyOf(json)),
  };
  return JSON.stringify(Object.fromEntries(Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1))));
}

function historyOf(json: Json): Json {
  const cmd = (json["container_config"] as Json | null | undefined)?.["Cmd"];
  const createdBy = Array.isArray(cmd) ? cmd.join(" ") : "";
  return {
    created: json["created"], ...(json["author"] ? { author: json["author"] } : {}), ...(createdBy ? { created_by: createdBy } : {}), ...(json["comment"] ? { comment: json["comment"] } : {}),
  };
}
