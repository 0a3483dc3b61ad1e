import { readDeploymentName } from "../core/deployment-name.ts";
import { readDeploymentOptions } from "../core/deployment-options.ts";
import { InvalidSpecError } from "../core/error.ts";
import { ProblemList } from "../core/problem-list.ts";
import type { PlacementSpec, ResourceSpec, RoutingPolicy } from "../core/spec.ts";
import type { RequestContext } from "../core/request-context.ts";
import { takeFunctions } from "./control-functions.ts";
import type { AutoscalingOptions, ControlFunctions, RolloutOptions } from "./control-functions.ts";
import type { HandleTarget } from "./handle.ts";
import type { Secret } from "./secret.ts";

declare const boundOf: unique symbol;

/** Marks bound deployments, for every copy of this package alike. */
const BOUND = Symbol.for("thornback.Bound");

type Optional<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** Options of a deployment. Names are Ray Serve's in camelCase where the meaning is the same; units come last. */
export type DeploymentOptions<T = unknown> = {
  /** Unique in its application: letters, digits, `_` and `-`, at most 63. Default: the name of the class or function. */
  readonly name?: string | undefined;
  /** Fixed count of replicas; default 1. Ignored where `autoscaling` is given. */
  readonly numReplicas?: number | undefined;
  /**
   * Bounds and delays of scaling: `minReplicas` (1; 0 lets it rest), `maxReplicas` (10), `initialReplicas` (the minimum; of
   * the first deploy only), `upscaleDelayMs` (1,000), `downscaleDelayMs` (30,000), `scaleToZeroDelayMs` (60,000). Aims, of
   * which the one that asks for most counts: `targetOngoingRequests` per replica (2; waiting ones included, as in Ray
   * Serve), `targetUtilisation` (0.8 of a replica's time), `targetQueueDelayMs` (not looked at), and a `metric` of your
   * own: `{ name, targetPerReplica, url? }`, read as Prometheus text from `url`, else pushed to the admin API.
   * `upscalingFactor` and `downscalingFactor` (1): the share of a change that is done in one step. Or a `policy` of your own
   * decides.
   */
  readonly autoscaling?: AutoscalingOptions | undefined;
  /**
   * How a new version takes over: `strategy` is `rolling` (replica by replica), `canary` (`steps` of percent of the requests
   * for the new version, 5, 25, 100, each watched by `gates` for `gateWindowMs`, 10,000) or `blueGreen` (all at once, when a
   * full new set is ready; the old one stands by for `keepOldMs`, 600,000). `maxSurge` (0.25) and `maxUnavailable` (0):
   * replicas beyond and below the target meanwhile, a count or below 1 a share. `match` sends requests with a header to the
   * new version from the first step on. `verify` runs before all that, for at most `verifyTimeoutMs` (600,000).
   */
  readonly rollout?: RolloutOptions<T> | undefined;
  /**
   * What a replica needs of its node: `cpus` (0.1), `gpus` (0; a share below 1 divides a device), `memoryBytes` (0),
   * `custom` amounts. A declaration that placement counts with, not a cap; too little crowds nodes, too much leaves
   * replicas pending.
   */
  readonly resources?: Optional<ResourceSpec> | undefined;
  /** Where replicas may go: `labels` that a node must have, and `maxReplicasPerNode` (0: no limit). */
  readonly placement?: Optional<PlacementSpec> | undefined;
  /** Environment of its replicas; a value may be `secret("NAME")`. */
  readonly env?: Readonly<Record<string, string | Secret>> | undefined;
  /**
   * Requests one replica works on at a time, waiting for a batch included. Default: twice its largest `maxBatchSize`, so
   * that the next batch gathers while one runs; eight times with `bucketBy`, which wants a choice; 16 without a batch. Below its largest `maxBatchSize` it fails to start.
   */
  readonly maxOngoingRequests?: number | undefined;
  /** Requests that may wait in one router; the next is answered 503. Default 1,000; 0 refuses what cannot run at once. */
  readonly maxQueuedRequests?: number | undefined;
  /** Milliseconds until a request without a deadline of its own ends with 504; default 60,000. */
  readonly requestTimeoutMs?: number | undefined;
  /** Largest body in bytes, else 413; default 8 MiB. Bodies are gathered in memory, so a high limit costs memory. */
  readonly maxRequestBodyBytes?: number | undefined;
  /** Whether a request may be sent again after its replica was lost; default false. GET and HEAD always may. */
  readonly idempotent?: boolean | undefined;
  /** Any JSON value, given to `reconfigure`. A change of it alone restarts nothing. */
  readonly userConfig?: unknown;
  /**
   * Milliseconds a replica may take to import, load its models and set up; default 120,000. Without it a model that
   * never finishes loading would leave a deploy waiting for ever.
   */
  readonly startTimeoutMs?: number | undefined;
  /** Milliseconds between two `healthCheck`s; default 10,000. */
  readonly healthCheckPeriodMs?: number | undefined;
  /** Milliseconds one `healthCheck` may take; default 5,000. Three failures in a row replace the replica. */
  readonly healthCheckTimeoutMs?: number | undefined;
  /** Milliseconds that ongoing requests get to finish when a replica drains; default 20,000. */
  readonly gracefulShutdownTimeoutMs?: number | undefined;
  /**
   * Bytes of the machine's memory that a replica's process may use, at least 128 MiB. Above 90 % of it another replica is
   * started, and then this one drained; above it the process is ended. Default 0: no limit, a leak goes on until the system
   * ends something. Too low, and replicas are replaced time and again. Looked at once a second, on Linux only.
   */
  readonly memoryLimitBytes?: number | undefined;
  /** How a router chooses among replicas; default `leastOngoing`. */
  readonly routing?: RoutingPolicy | undefined;
  /**
   * What answers while this deployment cannot: another bound deployment with methods of the same names, or a function,
   * `(request) => Response` in place of `fetch`, `(input, context) => result` in place of `predict`. Used when the queue is
   * full, when a request would be too late in it, when the last start failed, and when no replica runs (not with
   * `minReplicas: 0`, where waiting requests are what starts one); never for an error of your code. The answer has the
   * header `x-thornback-degraded: NAME`, and `thornback_degraded_requests_total` counts it. Default: none, the request
   * waits or fails with 503 or 504. A change of it alone restarts nothing.
   *
   * A function becomes a deployment of its own, `NAME-fallback`, with one replica.
   */
  readonly fallback?: FallbackOf<T> | undefined;
};

/** A class or function of the user's. */
export type CodePart = DeploymentClass | FallbackFunction;

/** Any function that stands in for a deployment. */
export type FallbackFunction = (...args: never[]) => unknown;

/** Methods that are not asked for on behalf of a request. */
type Hook = "setup" | "authorize" | "reconfigure" | "healthCheck" | "teardown";

/** What may stand in for a class: whatever offers at least one of its methods, and each in a way that callers can use. */
type StandIn<T> = {
  readonly [K in keyof T as K extends Hook ? never : K]?: T[K] extends (...args: infer P) => infer R
    ? (...args: P) => Awaited<R> | Promise<Awaited<R>>
    : unknown;
};

type FirstOf<P> = P extends readonly [infer I, ...unknown[]] ? I : unknown;

/** Options whose fallback and functions nobody has looked at yet. */
type GivenOptions = Omit<DeploymentOptions, "fallback" | "rollout"> & {
  readonly fallback?: unknown;
  readonly rollout?: unknown;
};

/** A fallback of a deployment of `T`. */
type FallbackOf<T> = unknown extends T
  ? Bound<unknown> | FallbackFunction
  :
      | Bound<StandIn<T>>
      | (T extends { readonly fetch: unknown }
          ? FetchFunction
          : T extends { readonly predict: (...args: infer P) => infer R }
            ? (input: FirstOf<P>, context: RequestContext) => Awaited<R> | Promise<Awaited<R>>
            : never);

/** A class whose instances serve. Its constructor may ask for handles; see {@link deployment}. */
export type DeploymentClass = abstract new (...args: never[]) => object;

/** A function that serves: web-standard, one request in, one answer out. */
export type FetchFunction = (request: Request) => Response | Promise<Response>;

/** A deployment with its constructor arguments: what an application is made of. Made by `bind`. */
export interface Bound<out T> {
  /** Only there for the compiler, which tells the deployments of two classes apart by it. */
  readonly [boundOf]: T;
  /** The deployment's name, unless two of an application have the same and one is told apart by a number. */
  readonly name: string;
}

/** What a bound deployment holds; for the runtime's own use. */
export type BoundParts = {
  readonly name: string;
  /** Whether the user gave the name, so that it must not be changed to be unique. */
  readonly isNamed: boolean;
  readonly target: DeploymentClass | FetchFunction;
  readonly args: readonly unknown[];
  /** As the user wrote them, without the name, the fallback and functions. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Those that the control plane asks. */
  readonly functions?: ControlFunctions | undefined;
  readonly fallback?: BoundParts | FallbackFunction | undefined;
  /** What of the user's `target` was made of; undefined: it is the user's own. */
  readonly sources?: readonly CodePart[] | undefined;
};

/** A constructor's argument as `bind` takes it: a bound deployment for a handle, also inside arrays and records. */
type BindArgument<P> = P extends unknown
  ? unknown extends HandleTarget<P>
    ? Nested<P>
    : Bound<HandleTarget<P>>
  : never;
type Nested<P> = P extends readonly unknown[]
  ? { readonly [K in keyof P]: BindArgument<P[K]> }
  : P extends (...args: never[]) => unknown
    ? P
    : P extends object
      ? { readonly [K in keyof P]: BindArgument<P[K]> }
      : P;
type BindArguments<P extends readonly unknown[]> = { [K in keyof P]: BindArgument<P[K]> };

/** A class or function with options, ready to be bound to its arguments. */
export interface Deployment<P extends readonly unknown[], T> {
  /**
   * Fixes the constructor's arguments. Another bound deployment among them, also inside arrays and records, arrives as a
   * {@link Handle}.
   *
   * @throws {InvalidSpecError} when the class has a public method that a handle could not offer (`with`, `then`)
   */
  bind(...args: BindArguments<P>): Bound<T>;
  /**
   * The same deployment with other options; those not named stay.
   *
   * @throws {InvalidSpecError} when an option is wrong
   */
  options(options: DeploymentOptions<T>): Deployment<P, T>;
}

/** Name of a function that has none of its own: such a deployment can only be an ingress. */
const UNNAMED = "ingress";
const REFUSED_METHODS = ["with", "then"] as const;

/**
 * Makes a deployment of a plain class, or of a function from request to response. The class stays as it is: it can still
 * be constructed with `new` in a test.
 *
 * @throws {InvalidSpecError} when an option is wrong; lists everything that is, each with its path
 *
 * @example
 * ```ts
 * import { deployment } from "thornback";
 *
 * class Greeter {
 *   readonly #greeting: string;
 *   constructor(greeting: string) {
 *     this.#greeting = greeting;
 *   }
 *   async predict(input: { name: string }): Promise<string> {
 *     return `${this.#greeting}, ${input.name}!`;
 *   }
 * }
 *
 * export default deployment(Greeter, { numReplicas: 2 }).bind("Hello");
 * ```
 */
export function deployment<P extends readonly unknown[], T extends object>(
  target: new (...args: P) => T,
  options?: DeploymentOptions<NoInfer<T>>,
): Deployment<P, T>;
export function deployment(
  target: FetchFunction,
  options?: DeploymentOptions<{ fetch: FetchFunction }>,
): Deployment<[], { fetch: FetchFunction }>;
export function deployment(target: DeploymentClass | FetchFunction, options: GivenOptions = {}): unknown {
  if (typeof target !== "function") {
    throw new InvalidSpecError(
      "deployment(target): the target must be a class, or a function from Request to Response",
    );
  }
  return define(target, options);
}

/** What `bind` put into a bound deployment; undefined for anything else. */
export function boundParts(value: unknown): BoundParts | undefined {
  if (typeof value !== "object" || value === null || !(BOUND in value)) return undefined;
  return value[BOUND] as BoundParts;
}

/** Whether a deployment's target is a class, not a plain function. */
export function isClass(target: DeploymentClass | FetchFunction): target is DeploymentClass {
  // A class has a `prototype` that cannot be assigned; arrow, async and bound functions have none at all.
  const prototype = Object.getOwnPropertyDescriptor(target, "prototype");
  if (prototype === undefined) return false;
  // Classes compiled down to functions are told by their methods: a plain function's prototype has a constructor alone.
  return prototype.writable === false || Object.getOwnPropertyNames(prototype.value).length > 1;
}

function define(
  target: DeploymentClass | FetchFunction,
  options: GivenOptions,
): Deployment<readonly unknown[], unknown> {
  const { name: givenName, fallback: givenFallback, ...given } = options;
  const name = givenName ?? (target.name === "" ? UNNAMED : target.name);
  const problems = new ProblemList();
  readDeploymentName(problems, "name", name);
  const { rest, functions } = takeFunctions(problems, given);
  readDeploymentOptions(problems, "", rest);
  const fallback = readFallback(problems, givenFallback);
  problems.throwIfAny(`deployment ${name}`);
  return {
    bind(...args) {
      refuseMethods(name, target);
      const isNamed = givenName !== undefined;
      const parts: BoundParts = { name, isNamed, target, args, options: rest, functions, fallback };
      return Object.freeze({ name, [BOUND]: parts }) as unknown as Bound<unknown>;
    },
    options: (more) => define(target, { ...options, ...more }),
  };
}

function readFallback(problems: ProblemList, value: unknown): BoundParts["fallback"] {
  if (value === undefined || value === null) return undefined;
  const parts = boundParts(value);
  if (parts !== undefined) return parts;
  if (typeof value === "function" && !isClass(value as DeploymentClass)) return value as FallbackFunction;
  problems.add("fallback", "must be a bound deployment, as deployment(X).bind() makes, or a function that answers");
  return undefined;
}

function refuseMethods(name: string, target: DeploymentClass | FetchFunction): void {
  if (!isClass(target)) return;
  for (const method of REFUSED_METHODS) {
    if (method in (target.prototype as object)) {
      const why = method === "then" ? "await would call it on a handle" : "handle.with(options) is taken";
      throw new InvalidSpecError(`deployment ${name}: a public method cannot be named ${method}, because ${why}`);
    }
  }
}
