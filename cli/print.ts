import { styleText } from "node:util";
import type { CliError } from "./exit-code.ts";

/** The part of a stream that printing needs; `process.stdout` is one. */
export type TextStream = {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
};

type Style = "red" | "green" | "yellow" | "cyan" | "dim" | "bold";

/** Everything a command says. What a script may read goes to `out`; progress and errors go to `err`. */
export class Printer {
  readonly #out: TextStream;
  readonly #err: TextStream;
  readonly #isColored: boolean;
  #progress = "";

  constructor(out: TextStream, err: TextStream, env: Readonly<Record<string, string | undefined>>) {
    this.#out = out;
    this.#err = err;
    this.#isColored = err.isTTY === true && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
  }

  /** A line for people and scripts alike. */
  line(text: string): void {
    this.#clearProgress();
    this.#out.write(`${text}\n`);
  }

  /** A value for scripts. */
  json(value: unknown): void {
    this.line(JSON.stringify(value, undefined, 2));
  }

  /** A remark for people, kept out of what scripts read. */
  note(text: string): void {
    this.#clearProgress();
    this.#err.write(`${text}\n`);
  }

  /** A remark that deserves attention. */
  warn(text: string): void {
    this.note(`${this.style("yellow", "warning:")} ${text}`);
  }

  /** What is being waited for: one rewritten line on a terminal, a line for every change elsewhere. */
  progress(text: string): void {
    if (text === this.#progress) return;
    if (this.#err.isTTY !== true) {
      this.#progress = text;
      if (text !== "") this.#err.write(`${text}\n`);
      return;
    }
    this.#clearProgress();
    this.#progress = text;
    const width = (this.#err.columns ?? 80) - 1;
    if (text !== "") this.#err.write(`\r${text.length > width ? `${text.slice(0, width - 1)}…` : text}`);
  }

  /** What happened, and what to do next. */
  error(error: CliError): void {
    this.#clearProgress();
    this.#err.write(`${this.style("red", "error:")} ${error.message}\n`);
    if (error.next !== "") this.#err.write(`       ${error.next}\n`);
  }

  /** The text in a color, where the terminal shows any. */
  style(style: Style, text: string): string {
    return this.#isColored ? styleText(style, text, { validateStream: false }) : text;
  }

  #clearProgress(): void {
    if (this.#progress !== "" && this.#err.isTTY === true) this.#err.write("\r\u001b[2K");
    this.#progress = "";
  }
}

/** Rows as columns two spaces apart, the last one ragged. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return lines.join("\n");
}
