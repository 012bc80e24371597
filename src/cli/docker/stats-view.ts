/** One message of GET /containers/{id}/stats, as far as it is shown. */
export interface StatsMessage {
  readonly id: string;
  readonly name: string;
  readonly cpu_stats: { readonly cpu_usage: { readonly total_usage: number }; readonly system_cpu_usage?: number; readonly online_cpus?: number };
  readonly precpu_stats: { readonly cpu_usage: { readonly total_usage: number }; readonly system_cpu_usage?: number };
  readonly memory_stats: { readonly usage?: number; readonly limit?: number; readonly stats?: Readonly<Record<string, number>> };
  readonly pids_stats: { readonly current?: number };
  readonly networks?: Readonly<Record<string, { readonly rx_bytes: number; readonly tx_bytes: number }>>;
  readonly blkio_stats: { readonly io_service_bytes_recursive?: readonly { readonly op: string; readonly value: number }[] | null };
}

export interface StatsRow {
  readonly id: string; readonly name: string; readonly cpuPercent: number; readonly memoryBytes: number; readonly memoryLimitBytes: number; readonly pids: number;
  readonly receivedBytes: number; readonly sentBytes: number; readonly readBytes: number; readonly writtenBytes: number;
}

/** As `docker stats` computes it: the share of one core × 100, memory without the page cache that can be dropped. */
export function statsRow(message: StatsMessage): StatsRow {
  const { cpu_stats: now, precpu_stats: before, memory_stats: memory } = message;
  const used = now.cpu_usage.total_usage - before.cpu_usage.total_usage;
  const passed = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0);
  const networks = Object.values(message.networks ?? {});
  const blocks = (op: string) => (message.blkio_stats.io_service_bytes_recursive ?? []).filter((entry) => entry.op.toLowerCase() === op).reduce((sum, entry) => sum + entry.value, 0);
  return {
    id: message.id, name: message.name.replace(/^\//, ""), cpuPercent: used > 0 && passed > 0 ? (used / passed) * (now.online_cpus || 1) * 100 : 0,
    memoryBytes: Math.max(0, (memory.usage ?? 0) - (memory.stats?.["total_inactive_file"] ?? memory.stats?.["inactive_file"] ?? 0)), memoryLimitBytes: memory.limit ?? 0, pids: message.pids_stats.current ?? 0,
    receivedBytes: networks.reduce((sum, each) => sum + each.rx_bytes, 0), sentBytes: networks.reduce((sum, each) => sum + each.tx_bytes, 0), readBytes: blocks("read"), writtenBytes: blocks("write"),
  };
}
