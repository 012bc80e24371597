import type { Command } from "../../command.js";
import { nodeFlag } from "../../docker/container-flags.js";
import { size } from "../../print/inspect.js";
import { formatOf } from "../../print/list.js";
import { table } from "../../print/table.js";

interface Usage {
  readonly LayersSize: number;
  readonly Images: readonly { readonly Size: number; readonly SharedSize: number; readonly Containers: number }[] | null;
  readonly Containers: readonly { readonly SizeRw?: number; readonly State: string }[] | null;
  readonly Volumes: readonly { readonly UsageData?: { readonly Size: number; readonly RefCount: number } | null }[] | null;
  readonly BuildCache: readonly { readonly Size: number; readonly InUse: boolean }[] | null;
}

export default {
  usage: "[OPTIONS]",
  about: "Shows what takes room on one host's disk, and how much of it nothing uses.",
  args: { min: 0 },
  flags: [{ name: "format", kind: "text", value: "FORMAT", help: "table, json (one array) or jsonl (one object a line)" }, nodeFlag],
  async run(input) {
    const format = formatOf(input);
    const usage = await input.connection.docker(input.flags.text("node")).json<Usage>("GET", "/system/df");
    const sum = <Item>(items: readonly Item[], of: (item: Item) => number) => items.reduce((total, item) => total + of(item), 0);
    const [images, containers, volumes, cache] = [usage.Images ?? [], usage.Containers ?? [], usage.Volumes ?? [], usage.BuildCache ?? []];
    const unusedImages = images.filter((image) => image.Containers <= 0);
    const ended = containers.filter((container) => container.State !== "running" && container.State !== "paused");
    const rows = [
      { kind: "images", count: images.length, active: images.length - unusedImages.length, sizeBytes: usage.LayersSize, freeableBytes: Math.min(usage.LayersSize, sum(unusedImages, (image) => image.Size - Math.max(0, image.SharedSize))) },
      { kind: "containers", count: containers.length, active: containers.length - ended.length, sizeBytes: sum(containers, (container) => container.SizeRw ?? 0), freeableBytes: sum(ended, (container) => container.SizeRw ?? 0) },
      { kind: "volumes", count: volumes.length, active: volumes.filter((volume) => (volume.UsageData?.RefCount ?? 0) > 0).length, sizeBytes: sum(volumes, (volume) => volume.UsageData?.Size ?? 0), freeableBytes: sum(volumes, (volume) => ((volume.UsageData?.RefCount ?? 0) > 0 ? 0 : volume.UsageData?.Size ?? 0)) },
      { kind: "build cache", count: cache.length, active: cache.filter((each) => each.InUse).length, sizeBytes: sum(cache, (each) => each.Size), freeableBytes: sum(cache, (each) => (each.InUse ? 0 : each.Size)) },
    ];
    if (format === "json") input.terminal.out(`${JSON.stringify(rows, undefined, 2)}\n`);
    else if (format === "jsonl") input.terminal.out(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    else input.terminal.out(table(rows, [
      { title: "KIND", value: (row) => row.kind }, { title: "COUNT", value: (row) => String(row.count) }, { title: "IN USE", value: (row) => String(row.active) },
      { title: "SIZE", value: (row) => size(row.sizeBytes) }, { title: "CAN BE FREED", value: (row) => size(row.freeableBytes) },
    ], input.terminal));
  },
} satisfies Command as Command;
