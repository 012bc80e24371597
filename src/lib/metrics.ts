/**
 * Numbers about this process for operators, read as text in Prometheus' exposition format (version 0.0.4). Whoever counts holds the metric itself; adding
 * to one is an addition to an array, so that it can stand in a hot path.
 */
export class Metrics {
  readonly #families = new Map<string, Family>();

  /** Only ever grows. By convention its name ends in _total. */
  counter(name: string, help: string, labels: Labels = {}): Counter { return this.#series(name, help, "counter", labels, () => new Counter()); }

  gauge(name: string, help: string, labels: Labels = {}): Gauge { return this.#series(name, help, "gauge", labels, () => new Gauge()); }

  /** `bounds`: upper bounds of its buckets, ascending; one more has what is above the last. */
  histogram(name: string, help: string, bounds: readonly number[], labels: Labels = {}): Histogram { return this.#series(name, help, "histogram", labels, () => new Histogram(bounds)); }

  /** All of them, in the order in which they were asked for. */
  text(): string {
    const lines: string[] = [];
    for (const [name, { help, kind, series }] of this.#families) {
      lines.push(`# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`, `# TYPE ${name} ${kind}`);
      for (const [labels, metric] of series) metric.write(name, labels, lines);
    }
    return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
  }

  /** Asked for again, it is the same one. */
  #series<T extends Metric>(name: string, help: string, kind: Family["kind"], labels: Labels, make: () => T): T {
    let family = this.#families.get(name);
    if (!family) this.#families.set(name, family = { help, kind, series: new Map() });
    const key = Object.entries(labels).map(([label, value]) => `${label}="${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`).join(",");
    const known = family.series.get(key);
    if (known) return known as T;
    const metric = make();
    family.series.set(key, metric);
    return metric;
  }
}

export type Labels = Readonly<Record<string, string>>;
interface Metric { write(name: string, labels: string, lines: string[]): void }
interface Family { readonly help: string; readonly kind: "counter" | "gauge" | "histogram"; readonly series: Map<string, Metric> }

export class Counter implements Metric {
  value = 0;
  add(amount = 1): void { this.value += amount; }
  write(name: string, labels: string, lines: string[]): void { lines.push(`${name}${braced(labels)} ${this.value}`); }
}

export class Gauge implements Metric {
  value = 0;
  set(value: number): void { this.value = value; }
  write(name: string, labels: string, lines: string[]): void { lines.push(`${name}${braced(labels)} ${this.value}`); }
}

export class Histogram implements Metric {
  count = 0;
  sum = 0;
  readonly #counts: Float64Array;

  constructor(readonly bounds: readonly number[]) { this.#counts = new Float64Array(bounds.length + 1); }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.bounds.length && value > this.bounds[bucket]!) bucket++;
    this.#counts[bucket]!++;
    this.count++;
    this.sum += value;
  }

  write(name: string, labels: string, lines: string[]): void {
    let upTo = 0;
    this.bounds.forEach((bound, i) => { upTo += this.#counts[i]!; lines.push(`${name}_bucket${braced(labels, `le="${bound}"`)} ${upTo}`); });
    lines.push(`${name}_bucket${braced(labels, 'le="+Inf"')} ${this.count}`, `${name}_sum${braced(labels)} ${this.sum}`, `${name}_count${braced(labels)} ${this.count}`);
  }
}

function braced(labels: string, more = ""): string {
  const all = [labels, more].filter((part) => part !== "").join(",");
  return all === "" ? "" : `{${all}}`;
}
