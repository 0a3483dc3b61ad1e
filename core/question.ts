import type { Version } from "./ids.ts";
import { MOST_SCORES, POLICY_TIMEOUT_MS } from "./limits.ts";
import { isRecord, joinPath } from "./problem-list.ts";
import type { ProblemList, UnknownRecord } from "./problem-list.ts";

/**
 * What a controller asks of a user's own functions. They run in a replica's process, never in the controller, so a question
 * goes to the replica's worker, from there to its process, and its answer back: it always gets one.
 */

/** What a deployment has to do just now, for the user's `policy`. */
export type PolicyFigures = {
  /** Replicas it is to have at present. */
  readonly target: number;
  /** Replicas of which a router may choose. */
  readonly ready: number;
  /** Mean of the requests it had over the last seconds, waiting ones included. */
  readonly ongoing: number;
  /** Requests that wait for a replica. */
  readonly queued: number;
  readonly arrivedPerSecond: number;
  /** Mean share of their time that its replicas were busy, 0–1. */
  readonly utilisation: number;
  readonly minReplicas: number;
  readonly maxReplicas: number;
  /** Newest value of the figure that `autoscaling.metric` names; undefined without one. */
  readonly metric?: number | undefined;
};

/** One question to a function of the user's. */
export type Question =
  | { readonly kind: "policy"; readonly input: PolicyFigures }
  | {
      readonly kind: "verify";
      /** Empty: none serves. */
      readonly oldVersion: Version | "";
      readonly newVersion: Version;
      readonly timeoutMs: number;
    };

/** What came of a question. */
export type Answer =
  | { readonly kind: "policy"; readonly target: number }
  | { readonly kind: "verify"; readonly scores: Readonly<Record<string, number>> }
  | {
      readonly kind: "failed";
      readonly reason: string;
      /** The function itself did not fail: its replica or the way to it is gone, so another replica may be asked. */
      readonly isGone?: boolean | undefined;
    };

/** How long the user's function has. */
export function answerTimeMs(question: Question): number {
  return question.kind === "policy" ? POLICY_TIMEOUT_MS : question.timeoutMs;
}

/** Members of options that say whether the code has such a function; nobody writes them by hand. */
const FLAGS = { autoscaling: ["hasPolicy", "policy"], rollout: ["hasVerify", "verify"] } as const;

/** Notes every member of `options` that only the code itself can say. */
export function refuseFlags(problems: ProblemList, path: string, options: UnknownRecord): void {
  for (const [option, [flag, name]] of Object.entries(FLAGS)) {
    const given = options[option];
    if (!isRecord(given) || given[flag] === undefined) continue;
    problems.add(
      joinPath(joinPath(path, option), flag),
      `cannot be set: it is so where the code has a function ${option}.${name}`,
    );
  }
}

/** Whether a value that came from another process is a question. */
export function isQuestion(value: unknown): value is Question {
  if (!isRecord(value)) return false;
  if (value["kind"] === "policy") return isRecord(value["input"]);
  const { kind, oldVersion, newVersion, timeoutMs } = value;
  const areVersions = typeof oldVersion === "string" && typeof newVersion === "string";
  return kind === "verify" && areVersions && Number.isFinite(timeoutMs);
}

/** Whether a value that came from another process is an answer. */
export function isAnswer(value: unknown): value is Answer {
  if (!isRecord(value)) return false;
  if (value["kind"] === "policy") return Number.isFinite(value["target"]);
  if (value["kind"] === "failed") return typeof value["reason"] === "string";
  const { kind, scores } = value;
  if (kind !== "verify" || !isRecord(scores)) return false;
  const values = Object.values(scores);
  return values.length <= MOST_SCORES && values.every((score) => Number.isFinite(score));
}
