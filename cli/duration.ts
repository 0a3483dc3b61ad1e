import { CliError, EXIT } from "./exit-code.ts";

/**
 * `10`, `10s`, `500ms`, `2m`, `1h` as milliseconds.
 *
 * @throws {CliError} (64) when it is none, or not within the bounds
 */
export function parseDurationMs(
  text: string,
  flag: string,
  { leastMs, mostMs }: { readonly leastMs: number; readonly mostMs: number },
): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
  const ms = Number(amount) * UNITS_MS[(unit ?? "s") as keyof typeof UNITS_MS];
  if (amount !== undefined && ms >= leastMs && ms <= mostMs) return ms;
  throw new CliError(EXIT.usage, `${flag} "${text}" is not a duration`, "for example 500ms, 30s, 2m or 1h");
}

const UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
