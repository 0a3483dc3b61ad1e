import { createHash } from "node:crypto";
import type { SimEvent } from "./event.ts";

/**
 * One line per event: virtual milliseconds with three decimals, right-aligned to 12 columns; the event's kind, to 18;
 * then its fields as `name=value` in a fixed order (that of the event's type), sets by their size. The hash over all
 * lines is what two runs of one seed are compared by.
 */

/** Lines kept for a report of a broken run. */
const LINES_KEPT = 400;

function valueText(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null) return String(value);
  if (value instanceof Set || value instanceof Map) return `#${value.size}`;
  if (Array.isArray(value)) return `[${value.map((item) => valueText(item)).join(",")}]`;
  const fields = Object.entries(value).map(([name, field]) => `${name}=${valueText(field)}`);
  return `{${fields.join(",")}}`;
}

/** The line of an event. */
export function transcriptLine(at: number, event: SimEvent): string {
  let line = `${at.toFixed(3).padStart(12)} ${event.kind.padEnd(18)}`;
  const fields = event as Readonly<Record<string, unknown>>;
  for (const name in fields) {
    if (name !== "kind") line += ` ${name}=${valueText(fields[name])}`;
  }
  return line;
}

/** Everything that happened in a run. */
export class Transcript {
  readonly #hash = createHash("sha256");
  /** The newest lines, oldest first; the last `#unhashed` of them wait to be hashed together, which costs less. */
  readonly #last: string[] = [];
  #unhashed = 0;
  readonly #onLine: ((line: string) => void) | undefined;
  #count = 0;

  /** `onLine` gets every line as it is written, for a run somebody wants to read. */
  constructor(onLine?: (line: string) => void) {
    this.#onLine = onLine;
  }

  /** Adds an event. */
  write(at: number, event: SimEvent): void {
    const line = transcriptLine(at, event);
    this.#count += 1;
    this.#last.push(line);
    this.#unhashed += 1;
    if (this.#last.length > 2 * LINES_KEPT) {
      this.#hashAll();
      this.#last.splice(0, LINES_KEPT);
    }
    this.#onLine?.(line);
  }

  get count(): number {
    return this.#count;
  }

  /** The newest `count` lines. */
  tail(count: number): readonly string[] {
    return this.#last.slice(-count);
  }

  /** Hash over all lines so far; two runs of one seed agree on it. */
  digest(): string {
    this.#hashAll();
    return this.#hash.copy().digest("hex").slice(0, 16);
  }

  #hashAll(): void {
    if (this.#unhashed > 0) this.#hash.update(`${this.#last.slice(-this.#unhashed).join("\n")}\n`);
    this.#unhashed = 0;
  }
}
