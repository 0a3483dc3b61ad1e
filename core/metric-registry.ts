import {
  METRICS,
  type Counter,
  type CounterName,
  type Gauge,
  type GaugeName,
  type Histogram,
  type HistogramName,
  type Labels,
  type Metrics,
  type Sample,
} from "./metric.ts";

type Name = keyof typeof METRICS;

/** One process's metrics. */
export interface MetricRegistry extends Metrics {
  /** Every series as it is now. */
  samples(): Sample[];
}

/** Counters and gauges: one number, so that `add` is an addition and nothing else. */
class NumberSeries implements Counter, Gauge {
  value = 0;

  add(amount: number): void {
    this.value += amount;
  }

  set(value: number): void {
    this.value = value;
  }
}

/** Counts per bucket (the open one last), then the sum; one array, so that observing allocates nothing. */
class BucketSeries implements Histogram {
  readonly values: Float64Array;
  readonly #bounds: readonly number[];

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.values = new Float64Array(bounds.length + 2);
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] ?? Infinity)) bucket++;
    this.values[bucket] = (this.values[bucket] ?? 0) + 1;
    const sum = bounds.length + 1;
    this.values[sum] = (this.values[sum] ?? 0) + value;
  }
}

/** Makes a process's metrics; one for each process, made in its `main.ts`. */
export function createMetrics(): MetricRegistry {
  const numbers = new Map<string, { name: Name; labels: Labels; series: NumberSeries }>();
  const histograms = new Map<string, { name: Name; labels: Labels; series: BucketSeries }>();

  function number(name: Name, labels: Labels): NumberSeries {
    const key = seriesKey(name, labels);
    let entry = numbers.get(key);
    if (entry === undefined) {
      entry = { name, labels, series: new NumberSeries() };
      numbers.set(key, entry);
    }
    return entry.series;
  }

  return {
    counter: (name: CounterName, labels: Labels) => number(name, labels),
    gauge: (name: GaugeName, labels: Labels) => number(name, labels),
    histogram(name: HistogramName, labels: Labels) {
      const key = seriesKey(name, labels);
      let entry = histograms.get(key);
      if (entry === undefined) {
        entry = { name, labels, series: new BucketSeries(METRICS[name].buckets) };
        histograms.set(key, entry);
      }
      return entry.series;
    },
    samples() {
      const samples: Sample[] = [];
      for (const { name, labels, series } of numbers.values()) samples.push({ name, labels, values: [series.value] });
      for (const { name, labels, series } of histograms.values()) {
        samples.push({ name, labels, values: Array.from(series.values) });
      }
      return samples;
    },
  };
}

/** What makes two series one: the name, and the values of the labels that the metric is defined with. */
export function seriesKey(name: Name, labels: Labels): string {
  let key: string = name;
  for (const label of METRICS[name].labels) key += `\u0000${labels[label] ?? ""}`;
  return key;
}
