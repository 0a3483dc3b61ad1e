import { CliError, EXIT } from "./exit-code.ts";

/**
 * `10`, `10s`, `500ms`, `2m` as milliseconds.
 *
 * @throws {CliError} (64) when it is none, or not within the bounds
 */
export function parseDurationMs(
  text: string,
  flag: string,
  { leastMs, mostMs }: { readonly leastMs: number; readonly mostMs: number },
): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text) ?? [];
  const ms = Number(amount) * { ms: 1, s: 1_000, m: 60_000 }[(unit ?? "s") as "ms" | "s" | "m"];
  if (amount !== undefined && ms >= leastMs && ms <= mostMs) return ms;
  throw new CliError(EXIT.usage, `${flag} "${text}" is not a duration`, "for example 30s, 500ms or 2m");
}
