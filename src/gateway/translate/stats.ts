import type { ContainerDetails, StatsSample } from "../../engine/index.js";
import { zeroTime } from "./human.js";

/** One line of GET /containers/{id}/stats; without a sample (an ended container) all is zero. */
export function statsJson(details: ContainerDetails, sample: StatsSample | undefined, before: StatsSample | undefined): Record<string, unknown> {
  const noCpu = { cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 }, throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 } };
  return {
    read: sample ? new Date(sample.readAtMs).toISOString() : zeroTime, preread: before ? new Date(before.readAtMs).toISOString() : zeroTime,
    pids_stats: sample ? { current: sample.pids.current, ...(sample.pids.limit > 0 ? { limit: sample.pids.limit } : {}) } : {},
    blkio_stats: {
      io_service_bytes_recursive: sample ? sample.blkio.map(({ major, minor, op, bytes }) => ({ major, minor, op, value: bytes })) : null,
      io_serviced_recursive: sample ? sample.blkio.map(({ major, minor, op, operations }) => ({ major, minor, op, value: operations })) : null,
      io_queue_recursive: null, io_service_time_recursive: null, io_wait_time_recursive: null, io_merged_recursive: null, io_time_recursive: null, sectors_recursive: null,
    },
    num_procs: 0, storage_stats: {}, cpu_stats: sample ? cpuJson(sample) : noCpu, precpu_stats: before ? cpuJson(before) : noCpu,
    memory_stats: sample ? { usage: sample.memory.usageBytes, max_usage: sample.memory.maxUsageBytes, stats: sample.memory.details, failcnt: sample.memory.failures, limit: sample.memory.limitBytes } : {},
    name: `/${details.name}`, id: details.id,
    ...(sample && Object.keys(sample.networks).length > 0 ? {
      networks: Object.fromEntries(Object.entries(sample.networks).map(([name, n]) => [name, {
        rx_bytes: n.rxBytes, rx_packets: n.rxPackets, rx_errors: n.rxErrors, rx_dropped: n.rxDropped, tx_bytes: n.txBytes, tx_packets: n.txPackets, tx_errors: n.txErrors, tx_dropped: n.txDropped,
      }])),
    } : {}),
  };
}

function cpuJson({ cpu }: StatsSample): object {
  return {
    cpu_usage: { total_usage: cpu.totalNs, ...(cpu.perCpuNs.length > 0 ? { percpu_usage: cpu.perCpuNs } : {}), usage_in_kernelmode: cpu.systemNs, usage_in_usermode: cpu.userNs },
    system_cpu_usage: cpu.hostNs, online_cpus: cpu.onlineCpus, throttling_data: { periods: cpu.periods, throttled_periods: cpu.throttledPeriods, throttled_time: cpu.throttledNs },
  };
}
