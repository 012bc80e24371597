/** One result: a JSON object a line on standard output. `peer` is what else was measured in the same run, or a published figure. */
export interface Measurement {
  readonly bench: string; readonly case: string; readonly metric: string; readonly value: number; readonly unit: string;
  readonly peer?: string; readonly peerValue?: number;
}

export function report(measurement: Measurement): void {
  const { value, peerValue } = measurement;
  console.log(JSON.stringify({ ...measurement, value: round(value), ...(peerValue === undefined ? {} : { peerValue: round(peerValue), ratio: round(value / peerValue) }) }));
}

/** Notes of progress, apart from the results. */
export const note = (text: string): void => { process.stderr.write(`${text}\n`); };

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

const round = (value: number) => Number(value.toPrecision(4));
