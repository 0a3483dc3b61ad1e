import { InvalidSpecError } from "./error.ts";
import type { Problem } from "./error.ts";
import { MOST_PROBLEMS } from "./limits.ts";

/** Bounds of a number that is read from outside. */
export type NumberBounds = { readonly least: number; readonly most: number; readonly isInteger: boolean };

/** An object of unknown fields. */
export type UnknownRecord = Readonly<Record<string, unknown>>;

/** How many problems an error's message repeats; `details.problems` has all of them. */
const PROBLEMS_IN_MESSAGE = 5;

/**
 * Gathers what is wrong with a value of unknown shape, so that all of it can be told at once. Each `read…` returns the
 * fallback where the value is wrong; whoever reads calls `throwIfAny` before the result is used.
 */
export class ProblemList {
  readonly #problems: Problem[] = [];

  /** Notes one problem; those beyond MOST_PROBLEMS are dropped. */
  add(path: string, message: string): void {
    if (this.#problems.length < MOST_PROBLEMS) this.#problems.push({ path, message });
  }

  /** What was noted. */
  get all(): readonly Problem[] {
    return this.#problems;
  }

  /** @throws {InvalidSpecError} when anything was noted; `subject` names the object, for instance `deployment Gateway`. */
  throwIfAny(subject: string): void {
    if (this.#problems.length === 0) return;
    const shown = this.#problems.slice(0, PROBLEMS_IN_MESSAGE).map((problem) => describeProblem(problem));
    const rest = this.#problems.length - shown.length;
    if (rest > 0) shown.push(`and ${rest} more`);
    throw new InvalidSpecError(`${subject}: ${shown.join("; ")}`, { details: { problems: [...this.#problems] } });
  }

  /** The value as an object with fields; an empty one when it is something else. */
  readRecord(path: string, value: unknown): UnknownRecord {
    if (isRecord(value)) return value;
    this.add(path, `must be an object, not ${kindOf(value)}`);
    return {};
  }

  /** The value as a list; an empty one when it is something else. */
  readList(path: string, value: unknown): readonly unknown[] {
    if (Array.isArray(value)) return value as readonly unknown[];
    this.add(path, `must be a list, not ${kindOf(value)}`);
    return [];
  }

  /** Notes every field that is not in `known`, with what is. */
  refuseUnknown(path: string, value: UnknownRecord, known: readonly string[], shown = known): void {
    for (const key of Object.keys(value)) {
      if (!known.includes(key)) this.add(joinPath(path, key), `is not known here; known are ${shown.join(", ")}`);
    }
  }

  /** A number within bounds; `fallback` when it is not given or wrong. */
  readNumber<F>(path: string, value: unknown, bounds: NumberBounds, fallback: F): number | F {
    if (value === undefined || value === null) return fallback;
    const { least, most, isInteger } = bounds;
    const fits =
      typeof value === "number" && value >= least && value <= most && (!isInteger || Number.isInteger(value));
    if (fits) return value;
    const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
    this.add(path, `must be a ${isInteger ? "whole number" : "number"} ${range}, not ${shown(value)}`);
    return fallback;
  }

  /** True or false; `fallback` when it is not given or wrong. */
  readBoolean(path: string, value: unknown, fallback: boolean): boolean {
    if (value === undefined || value === null) return fallback;
    if (typeof value === "boolean") return value;
    this.add(path, `must be true or false, not ${shown(value)}`);
    return fallback;
  }

  /** A text that `pattern` matches; empty when it is wrong. `what` says what it must be. */
  readText(path: string, value: unknown, pattern: RegExp, what: string): string {
    if (typeof value === "string" && pattern.test(value)) return value;
    this.add(path, `must be ${what}, not ${shown(value)}`);
    return "";
  }

  /** One of a few words; `fallback` when it is not given or wrong. */
  readChoice<C extends string>(path: string, value: unknown, choices: readonly C[], fallback: C): C {
    if (value === undefined || value === null) return fallback;
    const found = choices.find((choice) => choice === value);
    if (found !== undefined) return found;
    this.add(path, `must be one of ${choices.join(", ")}, not ${shown(value)}`);
    return fallback;
  }
}

/** True for an object with fields: not null, not a list, not an instance of a class. */
export function isRecord(value: unknown): value is UnknownRecord {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
}

/** The path of a field of the object at `path`. */
export function joinPath(path: string, key: string | number): string {
  if (typeof key === "number") return `${path}[${key}]`;
  return path === "" ? key : `${path}.${key}`;
}

function describeProblem({ path, message }: Problem): string {
  return path === "" ? message : `${path} ${message}`;
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return value === undefined ? "missing" : `a ${typeof value}`;
}

/** A short rendering of a wrong value. Options are the deployer's own words, never a request's payload. */
function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return kindOf(value);
}
