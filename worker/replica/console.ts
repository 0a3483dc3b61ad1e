import { format } from "node:util";
import type { Clock } from "../../core/clock.ts";
import { MOST_CONSOLE_BYTES_PER_SECOND } from "../../core/limits.ts";
import type { Counter } from "../../core/metric.ts";

/**
 * What user code prints, as lines of the replica's log. Lines are emitted as they are completed, at most
 * MOST_CONSOLE_BYTES_PER_SECOND; what is over is dropped and counted, and said once a second:
 *
 *   open ──budget of this second used up──▶ dropping ──second is over: say how much──▶ open
 */

/** Severity of a line, by the console method it came from. */
export type ConsoleLevel = "debug" | "info" | "warn" | "error";

/** What a capture is made of. */
export type ConsoleDeps = {
  readonly clock: Clock;
  readonly dropped: Counter;
  /** Writes one line to the log, labelled; called while user code runs, in its request's scope. */
  readonly emit: (level: ConsoleLevel, text: string) => void;
};

/** The part of a process that prints. */
export type PrintingProcess = {
  readonly console: Pick<Console, "debug" | "log" | "info" | "warn" | "error" | "trace">;
  readonly stdout: { write: NodeJS.WriteStream["write"] };
  readonly stderr: { write: NodeJS.WriteStream["write"] };
};

/** A line this long is cut into several; longer text without an end must not gather in memory. */
const MOST_LINE_CHARACTERS = 64 * 1024;

/** Bounds and labels what user code prints. */
export class ConsoleCapture {
  readonly #deps: ConsoleDeps;
  #windowEndsAt = 0;
  #budget = 0;
  #droppedBytes = 0;
  readonly #partial = { info: "", error: "" };

  constructor(deps: ConsoleDeps) {
    this.#deps = deps;
  }

  /** From now on prints of `target` come here. Returns how to undo it. */
  install(target: PrintingProcess): () => void {
    const { console, stdout, stderr } = target;
    const { debug, log, info, warn, error, trace } = console;
    const [writeOut, writeError] = [stdout.write, stderr.write];
    const at =
      (level: ConsoleLevel) =>
      (...args: unknown[]): void =>
        this.print(level, args);
    Object.assign(console, {
      debug: at("debug"),
      log: at("info"),
      info: at("info"),
      warn: at("warn"),
      error: at("error"),
    });
    console.trace = (...args) => this.print("debug", [new Error(format(...args)).stack?.replace(/^Error/, "Trace")]);
    stdout.write = this.#writer("info") as typeof stdout.write;
    stderr.write = this.#writer("error") as typeof stderr.write;
    return () => {
      Object.assign(console, { debug, log, info, warn, error, trace });
      stdout.write = writeOut;
      stderr.write = writeError;
    };
  }

  /** One call of a console method: one line of the log, whatever it holds. */
  print(level: ConsoleLevel, args: readonly unknown[]): void {
    // Formatting is the costly part, so it is not done for what would be dropped anyway.
    if (!this.#hasBudget()) {
      this.#drop(estimate(args));
      return;
    }
    this.#line(level, format(...args));
  }

  /** What has been written without a line's end, for the end of the process. */
  flush(): void {
    for (const level of ["info", "error"] as const) {
      const rest = this.#partial[level];
      this.#partial[level] = "";
      if (rest !== "") this.#line(level, rest);
    }
  }

  #writer(level: "info" | "error"): (chunk: unknown, encoding?: unknown, callback?: unknown) => boolean {
    return (chunk, encoding, callback) => {
      const done = typeof encoding === "function" ? encoding : callback;
      if (!this.#hasBudget()) this.#drop(estimate([chunk]));
      else this.#text(level, typeof chunk === "string" ? chunk : Buffer.from(chunk as Uint8Array).toString());
      if (typeof done === "function") queueMicrotask(() => void (done as () => unknown)());
      return true;
    };
  }

  #text(level: "info" | "error", text: string): void {
    const lines = (this.#partial[level] + text).split("\n");
    this.#partial[level] = lines.pop() ?? "";
    for (const line of lines) this.#line(level, line);
    if (this.#partial[level].length <= MOST_LINE_CHARACTERS) return;
    this.#line(level, this.#partial[level]);
    this.#partial[level] = "";
  }

  #line(level: ConsoleLevel, line: string): void {
    const bytes = Buffer.byteLength(line) + 1;
    if (!this.#hasBudget() || bytes > this.#budget) {
      this.#drop(bytes);
      return;
    }
    this.#budget -= bytes;
    this.#deps.emit(level, line);
  }

  #hasBudget(): boolean {
    const now = this.#deps.clock.now();
    if (now >= this.#windowEndsAt) {
      this.#windowEndsAt = now + 1_000;
      this.#budget = MOST_CONSOLE_BYTES_PER_SECOND;
    }
    return this.#budget > 0;
  }

  #drop(bytes: number): void {
    const { clock, dropped } = this.#deps;
    dropped.add(bytes);
    if (this.#droppedBytes === 0) {
      // Code that prints without end may never let the timer run; the counter has it in any case.
      clock.after(Math.max(0, this.#windowEndsAt - clock.now()), () => this.#sayDropped());
    }
    this.#droppedBytes += bytes;
    // A line that did not fit ends what this second may print, so that lines are not dropped by their length.
    this.#budget = 0;
  }

  #sayDropped(): void {
    const bytes = this.#droppedBytes;
    this.#droppedBytes = 0;
    const limit = `${MOST_CONSOLE_BYTES_PER_SECOND} bytes per second`;
    this.#deps.emit("warn", `${bytes} bytes of output were dropped: a replica may print ${limit}`);
  }
}

/** Roughly how much would have been printed. */
function estimate(args: readonly unknown[]): number {
  let bytes = 1;
  for (const arg of args) {
    if (typeof arg === "string") bytes += arg.length;
    else bytes += ArrayBuffer.isView(arg) ? arg.byteLength : 16;
  }
  return bytes;
}
