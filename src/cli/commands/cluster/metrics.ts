import type { GetMetricsResponse } from "../../../gen/swarm/v1/GetMetricsResponse.js";
import type { Command } from "../../command.js";

export default {
  usage: "",
  about: "Shows what the leader counts and measures: the scheduler's latency and slices, decisions, conflicts, preemptions, and who waits. In Prometheus' text format.",
  args: { min: 0 },
  flags: [],
  async run({ connection, terminal }) {
    terminal.out((await connection.control<GetMetricsResponse>("getMetrics", {})).text);
  },
} satisfies Command as Command;
