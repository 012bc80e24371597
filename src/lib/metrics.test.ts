import assert from "node:assert/strict";
import { Metrics } from "./metrics.js";

describe("metrics", () => {
  it("are told in Prometheus' text format", () => {
    const metrics = new Metrics();
    const decisions = metrics.counter("skein_decisions_total", "Decisions made.");
    decisions.add();
    decisions.add(2);
    metrics.gauge("skein_waiting", "Tasks that wait.", { priority: "high" }).set(7);
    const latency = metrics.histogram("skein_latency_seconds", "From waiting to placed.", [0.01, 0.1]);
    for (const value of [0.005, 0.01, 0.05, 3]) latency.observe(value);
    assert.deepEqual(metrics.text().split("\n"), [
      "# HELP skein_decisions_total Decisions made.", "# TYPE skein_decisions_total counter", "skein_decisions_total 3",
      "# HELP skein_waiting Tasks that wait.", "# TYPE skein_waiting gauge", 'skein_waiting{priority="high"} 7',
      "# HELP skein_latency_seconds From waiting to placed.", "# TYPE skein_latency_seconds histogram",
      'skein_latency_seconds_bucket{le="0.01"} 2', 'skein_latency_seconds_bucket{le="0.1"} 3', 'skein_latency_seconds_bucket{le="+Inf"} 4',
      "skein_latency_seconds_sum 3.065", "skein_latency_seconds_count 4", "",
    ]);
  });

  it("with the same name and labels are one, with other labels another line", () => {
    const metrics = new Metrics();
    metrics.counter("c_total", "C.", { of: "a" }).add();
    metrics.counter("c_total", "C.", { of: "a" }).add();
    metrics.counter("c_total", "C.", { of: 'b"\n' }).add();
    assert.deepEqual(metrics.text().split("\n").slice(2), ['c_total{of="a"} 2', 'c_total{of="b\\"\\n"} 1', ""]);
  });
});
