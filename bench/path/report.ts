import { table } from "../../cli/print.ts";
import type { Column, Load } from "./load/load.ts";
import type { DesignResult, LoadResult, RatedSpread } from "./rounds.ts";

/** A load's result as a table: medians, ratios to the bare server with `×`, and in brackets from the least to the most. */
export function formatResult(load: Load, result: LoadResult): string {
  const header = ["design", ...load.columns.map(({ title }) => title)];
  const rows = result.designs.map((one) => [one.design, ...cells(load, one)]);
  return `\n${load.name}\n${table([header, ...rows])}`;
}

function cells(load: Load, { figures, problem, windows }: DesignResult): readonly string[] {
  if (windows.length === 0) return [problem.split("\n", 1)[0] ?? ""];
  return load.columns.map((column) => cell(column, figures[column.key]));
}

function cell({ digits }: Column, figure: RatedSpread | undefined): string {
  if (figure === undefined || Number.isNaN(figure.median)) return "-";
  const range = figure.min === figure.max ? "" : ` (${figure.min.toFixed(digits)}–${figure.max.toFixed(digits)})`;
  const ratio = figure.ratio === undefined || Number.isNaN(figure.ratio.median) ? "" : ` ×${ratioText(figure.ratio)}`;
  return `${figure.median.toFixed(digits)}${range}${ratio}`;
}

function ratioText({ median, min, max }: { median: number; min: number; max: number }): string {
  return min === max ? median.toFixed(2) : `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`;
}
