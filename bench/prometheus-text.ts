/** One line of a Prometheus text: its labels as they stand there, with their braces, and its value. */
export type TextSeries = { readonly labels: string; readonly value: number };

/** The values of one metric in a Prometheus text. */
export function seriesOf(text: string, name: string): readonly TextSeries[] {
  const lines = text.split("\n").filter((line) => line.startsWith(`${name}{`));
  return lines.map((line) => ({
    labels: line.slice(name.length, line.lastIndexOf(" ")),
    value: Number(line.slice(line.lastIndexOf(" "))),
  }));
}
