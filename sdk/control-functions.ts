import type { ProblemList, UnknownRecord } from "../core/problem-list.ts";
import { isRecord } from "../core/problem-list.ts";
import { type PolicyFigures, refuseFlags } from "../core/question.ts";
import type { AutoscalingSpec, RolloutSpec } from "../core/spec.ts";
import type { Handle } from "./handle.ts";

type Optional<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** What the user's `policy` is given: what the deployment has to do, and what it answered with last. */
export type PolicyInput = PolicyFigures & {
  /** The `state` that `policy` returned before, in the same process; undefined at first, and after that replica has gone. */
  readonly state?: unknown;
  /** Aborts when `policy` has had its second, or when the replica it runs in has to go. */
  readonly signal: AbortSignal;
};

/** The number of replicas that are wanted; a fraction counts up, and it is held within the bounds. */
export type PolicyResult = number | { readonly target: number; readonly state?: unknown };

/** What the user's `verify` is given. */
export type VerifyInput<T> = {
  /** Calls go to replicas of the version that serves; undefined where none does. */
  readonly oldVersion: Handle<T> | undefined;
  /** Calls go to replicas of the new version, which get no other request yet. */
  readonly newVersion: Handle<T>;
  /** Aborts when `verifyTimeoutMs` have passed, or when the replica it runs in has to go. Calls of both handles end with it. */
  readonly signal: AbortSignal;
};

/** What `verify` found out, by name (letters, digits, `_`), for gates to look at; every value a finite number. */
export type Scores = Readonly<Record<string, number>>;

/** The option `autoscaling` as a user writes it. */
export type AutoscalingOptions = Optional<Omit<AutoscalingSpec, "hasPolicy">> & {
  /**
   * Decides how many replicas there are, in place of every aim. It is asked about once a second, in a process of a replica,
   * and has one second; while it fails the count stays, and after three failures in a row another replica is asked.
   */
  readonly policy?: ((input: PolicyInput) => PolicyResult | Promise<PolicyResult>) | undefined;
};

/** The option `rollout` as a user writes it. */
export type RolloutOptions<T> = Optional<Omit<RolloutSpec, "hasVerify">> & {
  /**
   * Runs before any user's request reaches the new version, in a process of one of its replicas. What it returns is kept as
   * the rollout's scores, and gates may name them; throwing refuses the version.
   */
  readonly verify?:
    | ((input: VerifyInput<T>) => Scores | undefined | void | Promise<Scores | undefined | void>)
    | undefined;
};

/** Functions of a deployment that the control plane asks; for the runtime's own use. */
export type ControlFunctions = {
  readonly policy?: ((input: PolicyInput) => unknown) | undefined;
  readonly verify?: ((input: VerifyInput<never>) => unknown) | undefined;
};

/** Which function belongs to which option, and what the specification says of it. */
const PLACES = [
  { option: "autoscaling", name: "policy", flag: "hasPolicy" },
  { option: "rollout", name: "verify", flag: "hasVerify" },
] as const;

/** Options without their functions, which a specification cannot carry: it only says that they are there. */
export function takeFunctions(
  problems: ProblemList,
  options: UnknownRecord,
): { readonly rest: UnknownRecord; readonly functions: ControlFunctions } {
  const rest: Record<string, unknown> = { ...options };
  refuseFlags(problems, "", options);
  const functions: { -readonly [K in keyof ControlFunctions]: ControlFunctions[K] } = {};
  for (const { option, name, flag } of PLACES) {
    const given = rest[option];
    if (!isRecord(given)) continue;
    const { [name]: taken, [flag]: _refused, ...others } = given;
    if (typeof taken === "function") functions[name] = taken as () => unknown;
    else if (taken !== undefined && taken !== null) problems.add(`${option}.${name}`, "must be a function");
    rest[option] = typeof taken === "function" ? { ...others, [flag]: true } : others;
  }
  return { rest, functions };
}
