/**
 * Prometheus texts of several nodes as one: every series gets its node's name, and the lines of one metric stand
 * together, described once, as the format demands.
 */
export function mergeMetrics(texts: readonly { readonly node: string; readonly text: string }[]): string {
  const metrics = new Map<string, { readonly described: Set<string>; readonly series: string[] }>();
  // Series before any description: none of ours, but nothing is to be lost.
  const undescribed = { described: new Set<string>(), series: [] };
  metrics.set("", undescribed);
  for (const { node, text } of texts) {
    let series: string[] = undescribed.series;
    for (const line of text.split("\n")) {
      const name = /^# (?:HELP|TYPE) (\S+)/.exec(line)?.[1];
      if (name !== undefined) {
        const metric = metrics.get(name) ?? { described: new Set(), series: [] };
        metrics.set(name, metric);
        metric.described.add(line);
        series = metric.series;
      } else if (line !== "" && !line.startsWith("#")) series.push(labelled(line, node));
    }
  }
  const lines = [...metrics.values()].flatMap(({ described, series }) => [...described, ...series]);
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

function labelled(line: string, node: string): string {
  const label = `node="${node.replaceAll(/[\\"\n]/g, "_")}"`;
  const brace = line.indexOf("{");
  if (brace >= 0) return `${line.slice(0, brace + 1)}${label},${line.slice(brace + 1)}`;
  const space = line.indexOf(" ");
  return `${line.slice(0, space)}{${label}}${line.slice(space)}`;
}
