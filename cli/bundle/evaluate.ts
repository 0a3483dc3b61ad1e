import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { InternalError, InvalidSpecError } from "../../core/error.ts";
import { EVALUATE_TIMEOUT_MS, MOST_EVALUATE_OUTPUT_BYTES } from "../../core/limits.ts";
import { RESULT_FD } from "../../sdk/evaluation.ts";
import type { EvaluateRequest, EvaluateResult } from "../../sdk/evaluation.ts";

/**
 * The parent's side of evaluating app.ts: one child process in a group of its own, which is started before there is
 * anything to evaluate so that its start and the build overlap. Whatever happens, the whole group is ended: user code may
 * have started processes.
 */

/** What the child left: its result, and what the user's code printed. */
export type Evaluated = { readonly result: EvaluateResult; readonly output: string };

type Limits = { readonly timeoutMs: number; readonly outputBytes: number };

const EXTENSION = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
const CHILD = fileURLToPath(new URL(`../../sdk/evaluate-main${EXTENSION}`, import.meta.url));
/** Node's exit code for a top-level await that can never settle. */
const UNSETTLED_AWAIT = 13;

/** A child process that waits for something to evaluate. Used once. */
export class Evaluator {
  readonly #child: ChildProcess;
  readonly #limits: Limits;
  readonly #result: Buffer[] = [];
  readonly #output: Buffer[] = [];
  #outputBytes = 0;
  #failure: string | undefined;
  /** From then on the group's number may belong to somebody else. */
  #isGroupEnded = false;
  readonly #ended: Promise<string>;
  readonly #onExit = (): void => this.close();

  constructor(limits: Limits = { timeoutMs: EVALUATE_TIMEOUT_MS, outputBytes: MOST_EVALUATE_OUTPUT_BYTES }) {
    this.#limits = limits;
    // A group of its own, so that what the user's code starts ends with it.
    this.#child = spawn(process.execPath, [CHILD], { detached: true, stdio: ["pipe", "pipe", "pipe", "pipe"] });
    process.once("exit", this.#onExit);
    this.#child.stdout?.on("data", (chunk: Buffer) => this.#keepOutput(chunk));
    this.#child.stderr?.on("data", (chunk: Buffer) => this.#keepOutput(chunk));
    const results = this.#child.stdio[RESULT_FD];
    results?.on("data", (chunk: Buffer) => this.#result.push(chunk));
    // The child may be gone before its request is written; how it ended says why.
    this.#child.stdin?.on("error", () => {});
    this.#ended = new Promise((resolve) => {
      this.#child.once("error", (error) => resolve(`the evaluating process could not be started: ${error.message}`));
      // What the user's code started may hold the pipes open; without its group ended, they would never close.
      this.#child.once("exit", () => {
        this.#killGroup();
        this.#isGroupEnded = true;
      });
      this.#child.once("close", (code, signal) => resolve(this.#failure ?? this.#endedBy(code, signal)));
    });
  }

  /**
   * Evaluates one bundle and ends the child. `shownFile` is how messages call the user's file.
   *
   * @throws {InvalidSpecError} when the user's code ended the process, printed without end, or never finished
   */
  async evaluate(request: EvaluateRequest, shownFile: string): Promise<Evaluated> {
    const seconds = this.#limits.timeoutMs / 1000;
    const timer = setTimeout(
      () => this.#fail(`was not done after ${seconds} s; move what takes long into setup() or a method`),
      this.#limits.timeoutMs,
    );
    try {
      this.#child.stdin?.end(JSON.stringify(request));
      const ending = await this.#ended;
      const text = Buffer.concat(this.#result).toString();
      const output = Buffer.concat(this.#output).toString();
      if (text !== "" && this.#failure === undefined) return { result: parseResult(text), output };
      throw new InvalidSpecError(`${shownFile} ${ending}`);
    } finally {
      clearTimeout(timer);
      this.close();
    }
  }

  /** Ends the child and all it started. Safe to call at any time. */
  close(): void {
    process.removeListener("exit", this.#onExit);
    this.#killGroup();
  }

  #endedBy(code: number | null, signal: NodeJS.Signals | null): string {
    if (code === UNSETTLED_AWAIT) {
      return "never finished: a top-level await waits for something that nothing can settle any more";
    }
    const how = signal === null ? `with exit code ${code ?? 0}` : `by ${signal}`;
    return `ended the process ${how} while it was evaluated${lastLines(Buffer.concat(this.#output).toString())}`;
  }

  #keepOutput(chunk: Buffer): void {
    this.#outputBytes += chunk.byteLength;
    if (this.#outputBytes <= this.#limits.outputBytes) this.#output.push(chunk);
    else this.#fail(`printed more than ${this.#limits.outputBytes} bytes; app.ts only describes an application`);
  }

  #fail(reason: string): void {
    this.#failure ??= reason;
    this.#killGroup();
  }

  #killGroup(): void {
    const { pid } = this.#child;
    if (pid === undefined || this.#isGroupEnded) return;
    try {
      process.kill(-pid, "SIGKILL");
    } catch (error) {
      // ESRCH: nobody is left in the group, which is what was wanted.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

function parseResult(text: string): EvaluateResult {
  try {
    return JSON.parse(text) as EvaluateResult;
  } catch (error) {
    throw new InternalError("the evaluating process wrote a result that is not JSON", { cause: error });
  }
}

/** The end of what was printed, where a process that died says why. */
function lastLines(output: string): string {
  const lines = output.trim().split("\n").slice(-10).join("\n").slice(-2_000);
  return lines === "" ? "" : `; the last it printed was:\n${lines}`;
}
