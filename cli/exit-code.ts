import type { Problem } from "../core/error.ts";
import { ServeError } from "../core/error.ts";

/** Exit codes of the command line: sysexits where one fits, so that scripts can tell causes apart. */
export const EXIT = {
  ok: 0,
  /** The deploy or run failed. */
  failed: 1,
  /** The command line is wrong. */
  usage: 64,
  /** Something needed cannot be had: nothing answers at the address, or a port is taken. */
  unavailable: 69,
  /** The token is missing or wrong. */
  notAllowed: 77,
  /** A configuration that is understood and refused, for instance a public admin port without a token. */
  refused: 78,
  interrupted: 130,
} as const;

/** One of {@link EXIT}. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** How a command ends badly: what happened to which object, what to do next, and the exit code that goes with it. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: ExitCode;
  /** What to do next; empty when the message says it. */
  readonly next: string;

  constructor(exitCode: ExitCode, message: string, next = "", options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
    this.next = next;
  }

  /** At the boundary of a command: whatever was thrown, as something a person can act on. */
  static from(thrown: unknown): CliError {
    if (thrown instanceof CliError) return thrown;
    if (thrown instanceof ServeError) return fromServeError(thrown);
    const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
    return new CliError(EXIT.failed, `unexpected error in the command line: ${text}`, "", { cause: thrown });
  }
}

function fromServeError(error: ServeError): CliError {
  const isCredential = error.code === "unauthenticated" || error.code === "permission_denied";
  const next = isCredential ? "pass --token-file with the file that holds the cluster's token" : "";
  const exitCode = isCredential ? EXIT.notAllowed : EXIT.failed;
  return new CliError(exitCode, withProblems(error.message, error.details.problems), next, { cause: error });
}

/** A message with the problems that it does not name itself, a line each. */
export function withProblems(message: string, problems: readonly Problem[] | undefined): string {
  const untold = (problems ?? []).filter((problem) => !message.includes(problem.message));
  return [message, ...untold.map((problem) => `${problem.path} ${problem.message}`.trim())].join("\n  ");
}
