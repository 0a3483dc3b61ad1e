import type { Clock } from "../core/clock.ts";
import { HandlerError } from "../core/error.ts";
import type { BatchEntry } from "./batch-entry.ts";
import { bisect, bisectRuns, type Suspects } from "./decide/bisect.ts";

/** What a batch is run by. */
export type BatchRunner<I, O, C> = {
  /** How errors name it: `method classify`. */
  readonly name: () => string;
  /** Answers one entry per item, in order; an Error fails that item alone. May throw, which fails all, or is bisected. */
  readonly run: (items: I[], callers: C[]) => Promise<readonly (O | Error)[]> | readonly (O | Error)[];
  /** Items may be run again, alone or with others: the results are the same, and nothing else happens. */
  readonly isPure?: boolean | undefined;
};

/** What a batch is run with. */
export type RunDeps = {
  readonly clock: Clock;
  /** Nothing is answered, and nothing run again, before this: the batch handed over before this one has ended. */
  readonly turn: Promise<void>;
  /** Told of every call of the handler when it has settled, the first one included. */
  readonly onRun: (report: RunReport) => void;
};

/** What came of one call of the handler. */
export type RunReport = { readonly size: number; readonly runMs: number; readonly hasFailed: boolean };

/** A batch whose handler failed, and with what. */
type Failed<I, O, C> = { readonly entries: readonly BatchEntry<I, O, C>[]; readonly error: Error };

/**
 * Runs a batch and gives every item its outcome. A pure handler that fails is run again with halves of the batch, until the
 * item that makes it fail stands alone; those cancelled or too late meanwhile are left out. Never rejects.
 */
export async function runBatch<I, O, C>(
  entries: readonly BatchEntry<I, O, C>[],
  runner: BatchRunner<I, O, C>,
  { clock, turn, onRun }: RunDeps,
): Promise<void> {
  const call = async (group: readonly BatchEntry<I, O, C>[]): Promise<Failed<I, O, C> | undefined> => {
    const startedAt = clock.now();
    const outcome = await callOnce(group, runner);
    const hasFailed = outcome instanceof Error;
    onRun({ size: group.length, runMs: clock.now() - startedAt, hasFailed });
    await turn;
    const error = hasFailed ? outcome : handOut(group, outcome);
    return error === undefined ? undefined : { entries: group, error };
  };
  const failures: Failed<I, O, C>[] = [];
  const first = await call(entries);
  if (first !== undefined) failures.push(first);
  let runsLeft = runner.isPure === true ? bisectRuns(entries.length) : 0;
  for (let failure = failures.pop(); failure !== undefined; failure = failures.pop()) {
    const { entries: suspects, error } = failure;
    // A handler that answers too few or too many is wrong about every item: there is none to look for.
    const decision = bisect({ from: 0, count: suspects.length }, error instanceof WrongLength ? 0 : runsLeft);
    if (decision.kind === "fail") {
      for (const entry of suspects) entry.reject(error);
      continue;
    }
    for (const { from, count } of decision.halves satisfies readonly Suspects[]) {
      const half = suspects.slice(from, from + count).filter((entry) => !entry.hasEnded && !entry.expire(clock.now()));
      if (half.length === 0) continue;
      runsLeft -= 1;
      const failed = await call(half);
      if (failed !== undefined) failures.push(failed);
    }
  }
}

class WrongLength extends HandlerError {}

/** One entry per item, or what all of them failed with. */
async function callOnce<I, O, C>(
  entries: readonly BatchEntry<I, O, C>[],
  { name, run }: BatchRunner<I, O, C>,
): Promise<readonly (O | Error)[] | Error> {
  try {
    const results = await run(
      entries.map((entry) => entry.item),
      entries.map((entry) => entry.caller),
    );
    checkLength(results, entries.length, name);
    return results;
  } catch (thrown) {
    return errorOf(thrown);
  }
}

/** Gives what those that are left fail with, because a result is of a kind that cannot even be looked at. */
function handOut<I, O, C>(entries: readonly BatchEntry<I, O, C>[], results: readonly (O | Error)[]): Error | undefined {
  try {
    for (const [at, entry] of entries.entries()) {
      const result = results[at] as O | Error;
      if (result instanceof Error) entry.reject(result);
      else entry.resolve(result);
    }
    return undefined;
  } catch (thrown) {
    return errorOf(thrown);
  }
}

/** User code may throw what cannot even be made a text of. */
export function errorOf(thrown: unknown): Error {
  try {
    return thrown instanceof Error ? thrown : new Error(String(thrown));
  } catch {
    return new Error("something was thrown that is no Error and has no text");
  }
}

function checkLength(results: unknown, expected: number, name: () => string): void {
  if (Array.isArray(results) && results.length === expected) return;
  const got = Array.isArray(results) ? `an array of ${results.length}` : describe(results);
  throw new WrongLength(
    `the batch handler of ${name()} was given ${expected} items and returned ${got}; ` +
      `return an array of ${expected}, in the order of the items, with an Error where one failed`,
  );
}

function describe(value: unknown): string {
  if (typeof value !== "object" || value === null) return value === null ? "null" : typeof value;
  return `a ${value.constructor?.name ?? "object"}`;
}
