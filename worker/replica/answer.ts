/**
 * Runs the functions of the user's that the control plane asks, beside the requests and never among them.
 *
 *   policy: asked → running → answered, or late: told to stop, and not asked again before that run is over,
 *           or was waited for POLICY_LEFT_AFTER_ASKS times: then it is left to itself, and what comes of it is nothing
 *   verify: asked → running ⇄ asked again for the same versions, which waits for that run → answered
 *           running → aborted by its time, by a question for other versions, or by the end of the replica
 *
 * Every question is answered in time, whatever the user's function does.
 */
import type { Clock } from "../../core/clock.ts";
import { CancelledError, DeadlineExceededError } from "../../core/error.ts";
import type { Version } from "../../core/ids.ts";
import { MOST_POLICY_RUNS, MOST_SCORES, POLICY_LEFT_AFTER_ASKS, POLICY_TIMEOUT_MS } from "../../core/limits.ts";
import type { Logger } from "../../core/log.ts";
import type { Answer, PolicyFigures, Question } from "../../core/question.ts";
import { isRecord } from "../../core/problem-list.ts";
import { isScoreName } from "../../core/rollout-options.ts";
import type { ControlFunctions } from "../../sdk/control-functions.ts";
import { describeError } from "./user-error.ts";

/** What {@link ControlAnswers} is made of. */
export type ControlAnswersDeps = {
  readonly clock: Clock;
  readonly log: Logger;
  readonly functions: ControlFunctions;
  /** Source lines are named relative to it. */
  readonly applicationDir: string;
  /** A handle of this deployment whose calls reach that version alone, and end with the signal. */
  readonly toHandle: (version: Version, signal: AbortSignal) => unknown;
};

type VerifyQuestion = Extract<Question, { readonly kind: "verify" }>;

type VerifyRun = { readonly versions: string; readonly stop: AbortController; readonly answer: Promise<Answer> };

/** `askedCount`: how often it was asked for while it ran, its own question included. */
type PolicyRun = { readonly stop: AbortController; askedCount: number };

/** Answers for one replica. */
export class ControlAnswers {
  readonly #deps: ControlAnswersDeps;
  #policyState: unknown;
  /** The one that is waited for. */
  #policy: PolicyRun | undefined;
  /** Those that are not over, whether waited for or left to themselves. */
  #policyRunCount = 0;
  #verify: VerifyRun | undefined;

  constructor(deps: ControlAnswersDeps) {
    this.#deps = deps;
  }

  /** Never rejects. */
  answer(question: Question): Promise<Answer> {
    return question.kind === "policy" ? this.#askPolicy(question.input) : this.#askVerify(question);
  }

  /** The replica ends: what runs is told to. */
  close(): void {
    this.#verify?.stop.abort(new CancelledError("the replica that ran `verify` is ending"));
    this.#policy?.stop.abort(new CancelledError("the replica that ran `policy` is ending"));
  }

  async #askPolicy(figures: PolicyFigures): Promise<Answer> {
    const { policy } = this.#deps.functions;
    if (policy === undefined) return failed("the code has no `policy`; deploy it again");
    const before = this.#policy;
    if (before !== undefined && before.askedCount < POLICY_LEFT_AFTER_ASKS) {
      before.askedCount += 1;
      return failed("`policy` has not answered the question before this one yet");
    }
    if (this.#policyRunCount >= MOST_POLICY_RUNS) {
      return failed(`\`policy\` has not answered ${MOST_POLICY_RUNS} questions in this process: it may wait for ever`);
    }
    const stop = new AbortController();
    const own: PolicyRun = { stop, askedCount: 1 };
    this.#policy = own;
    this.#policyRunCount += 1;
    const run = Promise.resolve({ ...figures, state: this.#policyState, signal: stop.signal })
      .then(policy)
      .finally(() => this.#policyRunCount--)
      .then((result): Answer => this.#tookPolicy(own, result))
      .finally(() => {
        if (this.#policy === own) this.#policy = undefined;
      });
    return await this.#limited("policy", run, stop, POLICY_TIMEOUT_MS);
  }

  #tookPolicy(run: PolicyRun, result: unknown): Answer {
    if (this.#policy !== run) return failed("`policy` answered when it had long been asked again");
    const { target, state } = isRecord(result) ? result : { target: result, state: this.#policyState };
    if (typeof target !== "number" || !Number.isFinite(target) || target < 0) {
      return failed("`policy` returned no number of replicas: it is to be finite and not below 0");
    }
    this.#policyState = state;
    return { kind: "policy", target };
  }

  #askVerify(question: VerifyQuestion): Promise<Answer> {
    const { oldVersion, newVersion, timeoutMs } = question;
    const versions = `${oldVersion} ${newVersion}`;
    // A controller that was replaced asks once more: the run goes on for it.
    if (this.#verify?.versions === versions) return this.#verify.answer;
    this.#verify?.stop.abort(new CancelledError(`\`verify\` was asked for other versions: ${versions}`));
    const stop = new AbortController();
    const answer = this.#limited("verify", this.#runVerify(question, stop.signal), stop, timeoutMs);
    const run: VerifyRun = { versions, stop, answer };
    this.#verify = run;
    void answer.then(() => {
      if (this.#verify === run) this.#verify = undefined;
    });
    return answer;
  }

  async #runVerify({ oldVersion, newVersion }: VerifyQuestion, signal: AbortSignal): Promise<Answer> {
    const { functions, toHandle } = this.#deps;
    if (functions.verify === undefined) return failed("the code has no `verify`; deploy it again");
    const input = {
      oldVersion: oldVersion === "" ? undefined : (toHandle(oldVersion, signal) as never),
      newVersion: toHandle(newVersion, signal) as never,
      signal,
    };
    return toScores(await functions.verify(input));
  }

  /** The outcome of a run, its error, or that it was stopped: by its time here, or by whoever aborts `stop`. */
  #limited(
    name: keyof ControlFunctions,
    run: Promise<Answer>,
    stop: AbortController,
    timeoutMs: number,
  ): Promise<Answer> {
    const { clock, log, applicationDir } = this.#deps;
    return new Promise((resolve) => {
      const timer = clock.after(timeoutMs, () => {
        stop.abort(new DeadlineExceededError(`\`${name}\` did not answer within ${timeoutMs} ms`));
      });
      let isOver = false;
      const end = (answer: Answer): void => {
        if (isOver) return;
        isOver = true;
        timer.cancel();
        if (answer.kind === "failed") log.warn({ reason: answer.reason }, `\`${name}\` failed`);
        resolve(answer);
      };
      stop.signal.addEventListener("abort", () => end(stopped(stop.signal.reason)), { once: true });
      run.then(end, (thrown: unknown) => end(failed(`\`${name}\` threw ${describeError(thrown, applicationDir)}`)));
    });
  }
}

/** Why it was stopped says whether another replica may be asked. */
function stopped(reason: unknown): Answer {
  const message = reason instanceof Error ? reason.message : "it was stopped";
  return reason instanceof CancelledError ? { ...failed(message), isGone: true } : failed(message);
}

function toScores(result: unknown): Answer {
  if (result === undefined || result === null) return { kind: "verify", scores: {} };
  if (!isRecord(result)) return failed("`verify` returned no record of scores; return { name: number }, or nothing");
  const entries = Object.entries(result);
  if (entries.length > MOST_SCORES)
    return failed(`\`verify\` returned ${entries.length} scores; ${MOST_SCORES} are kept`);
  for (const [name, score] of entries) {
    if (!isScoreName(name)) {
      return failed(
        `\`verify\` returned a score named ${JSON.stringify(name.slice(0, 64))}; letters, digits and _ are possible, and no figure that is measured`,
      );
    }
    if (typeof score !== "number" || !Number.isFinite(score)) {
      return failed(`\`verify\` returned a score ${name} that is no finite number`);
    }
  }
  return { kind: "verify", scores: Object.fromEntries(entries) as Record<string, number> };
}

function failed(reason: string): Extract<Answer, { readonly kind: "failed" }> {
  return { kind: "failed", reason };
}
