import { METRICS, type Labels, type Sample } from "./metric.ts";
import { seriesKey } from "./metric-registry.ts";

type Name = keyof typeof METRICS;
type Series = { readonly labels: Labels; readonly values: number[] };

/**
 * Samples as Prometheus text. Equal series, which several processes of a node have, become one: their numbers are added,
 * but for versions, where the lowest says how far behind the node is.
 */
export function metricText(samples: readonly Sample[]): string {
  const families = new Map<Name, Map<string, Series>>();
  for (const sample of samples) {
    // A process of another version may know metrics that this one does not.
    if (!Object.hasOwn(METRICS, sample.name)) continue;
    let family = families.get(sample.name);
    if (family === undefined) families.set(sample.name, (family = new Map()));
    const key = seriesKey(sample.name, sample.labels);
    const known = family.get(key);
    if (known === undefined) family.set(key, { labels: sample.labels, values: [...sample.values] });
    else mergeInto(sample.name, known.values, sample.values);
  }
  let text = "";
  for (const name of Object.keys(METRICS) as Name[]) {
    const family = families.get(name);
    if (family !== undefined) text += familyText(name, family);
  }
  return text;
}

function mergeInto(name: Name, into: number[], values: readonly number[]): void {
  const takesLeast = name === "thornback_routing_table_version";
  for (const [at, value] of values.entries()) {
    const before = into[at];
    if (before === undefined) into[at] = value;
    else into[at] = takesLeast ? Math.min(before, value) : before + value;
  }
}

function familyText(name: Name, family: ReadonlyMap<string, Series>): string {
  const definition = METRICS[name];
  let text = `# HELP ${name} ${definition.help}\n# TYPE ${name} ${definition.kind}\n`;
  for (const key of [...family.keys()].toSorted()) {
    const series = family.get(key);
    if (series === undefined) continue;
    text +=
      "buckets" in definition
        ? histogramText(name, definition.buckets, series)
        : `${name}${labelText(name, series.labels, undefined)} ${numberText(series.values[0] ?? 0)}\n`;
  }
  return text;
}

function histogramText(name: Name, bounds: readonly number[], { labels, values }: Series): string {
  let text = "";
  let count = 0;
  for (let bucket = 0; bucket <= bounds.length; bucket++) {
    count += values[bucket] ?? 0;
    const bound = bounds[bucket];
    text += `${name}_bucket${labelText(name, labels, bound === undefined ? "+Inf" : String(bound))} ${count}\n`;
  }
  const plain = labelText(name, labels, undefined);
  return `${text}${name}_sum${plain} ${numberText(values[bounds.length + 1] ?? 0)}\n${name}_count${plain} ${count}\n`;
}

function labelText(name: Name, labels: Labels, le: string | undefined): string {
  const pairs = METRICS[name].labels.map((label) => `${label}="${escapeLabel(labels[label] ?? "")}"`);
  if (le !== undefined) pairs.push(`le="${le}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (found) => (found === "\n" ? "\\n" : `\\${found}`));
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return "NaN";
  return value > 0 ? "+Inf" : "-Inf";
}
