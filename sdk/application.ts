import { readAccess, readCors } from "../core/access.ts";
import type { AccessKeySpec, AccessSpec, CorsSpec } from "../core/access.ts";
import { InvalidSpecError } from "../core/error.ts";
import { isRecord, ProblemList } from "../core/problem-list.ts";
import { readApplicationName, readRoutePrefix } from "../core/spec-validate.ts";
import { boundParts } from "./deployment.ts";
import type { Bound } from "./deployment.ts";

declare const applicationOf: unique symbol;

/** Marks applications, for every copy of this package alike. */
const APPLICATION = Symbol.for("thornback.Application");

/** One key that may ask, as `access` takes it. */
export type AccessKeyOptions = Pick<AccessKeySpec, "name" | "sha256"> & {
  /**
   * Requests a second on average, per node; what is above is answered 429 with `Retry-After`. Default: no limit. Fractions
   * are allowed: 0.5 is one request in two seconds.
   */
  readonly requestsPerSecond?: number | undefined;
  /** Requests that may come at once after a pause; default one second's worth. 1 makes them come evenly. */
  readonly burst?: number | undefined;
  /** Requests that may be on their way at one time, per node, streams and WebSockets for as long as they last; default: no limit. */
  readonly maxOngoingRequests?: number | undefined;
};

/** Which web pages of other origins may call, as `cors` takes it. */
export type CorsOptions = Pick<CorsSpec, "origins"> & {
  /** Default GET, HEAD, POST, PUT, PATCH and DELETE. */
  readonly methods?: readonly string[] | undefined;
  /** Request headers a page may send; default: whatever it asks for. */
  readonly headers?: readonly string[] | undefined;
  /** Headers of the answer that a page may read; default `x-request-id`, `x-thornback-version`, `x-thornback-degraded` and `retry-after`. */
  readonly exposedHeaders?: readonly string[] | undefined;
  /** Whether browsers send cookies; default false. Needs a list of origins. */
  readonly credentials?: boolean | undefined;
  /** Seconds a browser need not ask again; default 600. */
  readonly maxAgeSeconds?: number | undefined;
};

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
  /**
   * Keys, of which every request has to bring one: `authorization: Bearer KEY` or `x-api-key: KEY`. Only their SHA-256
   * is told here (`serve keys new NAME` makes a pair), so it may stand in the code. Default: open to everybody. Who
   * may do what beyond that is for the ingress to say, in `authorize(request)`.
   */
  readonly access?: { readonly keys: readonly AccessKeyOptions[] } | undefined;
  /**
   * Web pages of other origins that may call it. The proxy answers preflights and adds the headers, to errors too.
   * Default: nothing is added, and OPTIONS goes to a `fetch` ingress as any other method.
   */
  readonly cors?: CorsOptions | undefined;
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
  readonly access: AccessSpec | undefined;
  readonly cors: CorsSpec | undefined;
};

const OPTION_NAMES = ["name", "routePrefix", "assets", "nativePackages", "access", "cors"];

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
  problems.refuseUnknown("", problems.readRecord("", options), OPTION_NAMES);
  const { name, routePrefix } = options;
  const parts: ApplicationParts = {
    ingress,
    name: name === undefined ? undefined : readApplicationName(problems, "name", name),
    routePrefix: routePrefix === undefined ? undefined : readRoutePrefix(problems, "routePrefix", routePrefix),
    assets: readTexts(problems, "assets", options.assets),
    nativePackages: readTexts(problems, "nativePackages", options.nativePackages),
    access: readAccess(problems, "access", options.access),
    cors: readCors(problems, "cors", options.cors),
  };
  problems.throwIfAny("application(ingress, options)");
  return Object.freeze({ [APPLICATION]: parts }) as unknown as Application<T>;
}

/** What is in an application, or in a bound deployment standing for one; undefined for anything else. */
export function applicationParts(value: unknown): ApplicationParts | undefined {
  if (isRecord(value) && APPLICATION in value) return value[APPLICATION] as ApplicationParts;
  if (boundParts(value) === undefined) return undefined;
  const ingress = value as Bound<unknown>;
  const [name, routePrefix, access, cors] = [undefined, undefined, undefined, undefined];
  return { ingress, name, routePrefix, assets: [], nativePackages: [], access, cors };
}

function readTexts(problems: ProblemList, path: string, value: unknown): readonly string[] {
  if (value === undefined) return [];
  return problems
    .readList(path, value)
    .map((text, index) => problems.readText(`${path}[${index}]`, text, /^[^\0]{1,1024}$/, "a text"));
}
