import { InvalidSpecError } from "../core/error.ts";
import { isRecord, ProblemList } from "../core/problem-list.ts";
import { readApplicationName, readRoutePrefix } from "../core/spec-validate.ts";
import { boundParts } from "./deployment.ts";
import type { Bound } from "./deployment.ts";

declare const applicationOf: unique symbol;

/** Marks applications, for every copy of this package alike. */
const APPLICATION = Symbol.for("thornback.Application");

/** Options of an application. */
export type ApplicationOptions = {
  /**
   * Lower-case letters, digits and dashes, at most 63. Default: the folder's name when the file is `app.*` or `index.*`,
   * else the file's name. `--name` goes before it.
   */
  readonly name?: string | undefined;
  /** URL path it answers under; default `/`. A prefix that another application owns is refused, never replaced. */
  readonly routePrefix?: string | undefined;
  /**
   * Files to ship beside those that are found: paths or patterns (`models/*.onnx`), relative to the folder of app.ts and
   * below it. Files named in `new OnnxModel("./x.onnx")` and `new URL("./x", import.meta.url)` are found without it.
   */
  readonly assets?: readonly string[] | undefined;
  /** Packages to leave out of the bundle although they do not look native; they must be installed on every node. */
  readonly nativePackages?: readonly string[] | undefined;
};

/** An ingress with the options of the application around it. */
export interface Application<out T> {
  /** Only there for the compiler: the class of the ingress. */
  readonly [applicationOf]: T;
}

/** What an application holds; for the runtime's own use. */
export type ApplicationParts = {
  readonly ingress: Bound<unknown>;
  readonly name: string | undefined;
  readonly routePrefix: string | undefined;
  readonly assets: readonly string[];
  readonly nativePackages: readonly string[];
};

/**
 * Gives an application options of its own. Without any, a module exports its bound ingress alone.
 *
 * @throws {InvalidSpecError} when `ingress` is not bound or an option is wrong
 *
 * @example
 * ```ts
 * import { application, deployment } from "thornback";
 *
 * class Echo {
 *   async predict(input: unknown): Promise<unknown> {
 *     return input;
 *   }
 * }
 *
 * export default application(deployment(Echo).bind(), { name: "echo", routePrefix: "/echo" });
 * ```
 */
export function application<T>(ingress: Bound<T>, options: ApplicationOptions = {}): Application<T> {
  if (boundParts(ingress) === undefined) {
    throw new InvalidSpecError(
      "application(ingress): the ingress must be a bound deployment, as deployment(X).bind() makes",
    );
  }
  const problems = new ProblemList();
  problems.refuseUnknown("", problems.readRecord("", options), ["name", "routePrefix", "assets", "nativePackages"]);
  const { name, routePrefix } = options;
  const parts: ApplicationParts = {
    ingress,
    name: name === undefined ? undefined : readApplicationName(problems, "name", name),
    routePrefix: routePrefix === undefined ? undefined : readRoutePrefix(problems, "routePrefix", routePrefix),
    assets: readTexts(problems, "assets", options.assets),
    nativePackages: readTexts(problems, "nativePackages", options.nativePackages),
  };
  problems.throwIfAny("application(ingress, options)");
  return Object.freeze({ [APPLICATION]: parts }) as unknown as Application<T>;
}

/** What is in an application, or in a bound deployment standing for one; undefined for anything else. */
export function applicationParts(value: unknown): ApplicationParts | undefined {
  if (isRecord(value) && APPLICATION in value) return value[APPLICATION] as ApplicationParts;
  if (boundParts(value) === undefined) return undefined;
  const ingress = value as Bound<unknown>;
  return { ingress, name: undefined, routePrefix: undefined, assets: [], nativePackages: [] };
}

function readTexts(problems: ProblemList, path: string, value: unknown): readonly string[] {
  if (value === undefined) return [];
  return problems
    .readList(path, value)
    .map((text, index) => problems.readText(`${path}[${index}]`, text, /^[^\0]{1,1024}$/, "a text"));
}
