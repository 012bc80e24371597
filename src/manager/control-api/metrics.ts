import type { GetMetricsResponse } from "../../gen/swarm/v1/GetMetricsResponse.js";
import type { ControlDependencies } from "./ports.js";

/** The leader's, because its loops are what there is to measure. */
export const getMetrics = ({ metrics }: ControlDependencies): Promise<GetMetricsResponse> => Promise.resolve({ text: metrics.text() });
