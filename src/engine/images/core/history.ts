interface HistoryJson { readonly created?: unknown; readonly created_by?: unknown; readonly comment?: unknown; readonly empty_layer?: unknown }
export interface HistoryImage { readonly id: string; readonly tags: readonly string[]; readonly parent: string | undefined }

export interface HistoryStep { readonly id: string; readonly createdAtMs: number; readonly createdBy: string; readonly comment: string; readonly sizeBytes: number; readonly tags: readonly string[] }

/** Newest first. Ids are known as far as the images that it was built on are here. */
export function historyOf(history: unknown, layerBytes: readonly number[], image: HistoryImage, imageOf: (id: string) => HistoryImage | undefined): HistoryStep[] {
  let layer = 0;
  // An image without a history still has layers.
  const steps: readonly HistoryJson[] = Array.isArray(history) && history.length > 0 ? history as HistoryJson[] : layerBytes.map(() => ({}));
  const entries = steps.map((step) => ({
    createdAtMs: Math.max(0, Date.parse(String(step.created)) || 0), createdBy: String(step.created_by ?? ""), comment: String(step.comment ?? ""),
    sizeBytes: step.empty_layer === true ? 0 : layerBytes[layer++] ?? 0,
  })).reverse();
  let at: HistoryImage | undefined = image;
  return entries.map((entry) => {
    const shown = { id: at?.id ?? "<missing>", ...entry, tags: at?.tags ?? [] };
    at = at?.parent === undefined ? undefined : imageOf(at.parent);
    return shown;
  });
}
