import type { CallOptions, CallTransport } from "../core/call.ts";
import type { DeploymentId } from "../core/ids.ts";
import { isRecord } from "../core/problem-list.ts";
import { remoteCall, type RemoteCall } from "./remote-call.ts";

declare const handleOf: unique symbol;

/** Methods of a class that the runtime calls itself, and names that would change what a handle is. */
type NotRemote =
  | "setup"
  | "authorize"
  | "reconfigure"
  | "healthCheck"
  | "teardown"
  | "fetch"
  | "websocket"
  | "with"
  | "then";

/** The same names at run time. `toJSON` is there because `JSON.stringify` would make a call of it. */
const NOT_REMOTE: ReadonlySet<string> = new Set<NotRemote | "toJSON">([
  "setup",
  "authorize",
  "reconfigure",
  "healthCheck",
  "teardown",
  "fetch",
  "websocket",
  "with",
  "then",
  "toJSON",
]);

/** A call that was not awaited may stand where its result is asked for. */
type RemoteArguments<P extends readonly unknown[]> = { [K in keyof P]: P[K] | PromiseLike<P[K]> };

/** What is sent item by item: whatever is async iterable, and generators; a list or a Map is sent whole. */
type Yielding = AsyncIterable<unknown> | (Iterable<unknown> & { next: unknown });
type ItemOf<R> = R extends AsyncIterable<infer I> | Iterable<infer I> ? I : never;
type IsAny<R> = 0 extends 1 & R ? true : false;

/** What a call answers with: the result as a promise, or the items of a method that yields. */
export type RemoteResult<R> =
  IsAny<R> extends true
    ? Promise<R>
    : Awaited<R> extends Yielding
      ? AsyncIterable<ItemOf<Awaited<R>>>
      : Promise<Awaited<R>>;

/** A method as it looks through a handle: the same arguments, its result as a promise or an AsyncIterable. */
type RemoteMethod<F> = F extends (...args: infer P) => infer R
  ? (...args: RemoteArguments<P>) => RemoteResult<R>
  : never;

type RemoteKeys<T> = {
  [K in keyof T]-?: K extends NotRemote | symbol ? never : RemoteMethod<T[K]> extends never ? never : K;
}[keyof T];

/**
 * Another deployment, as code sees it: its public methods but the hooks, `fetch` and `websocket`, each answering with a
 * promise. A bound deployment that is passed to `bind` arrives as one. A plain object of the methods satisfies it, so a
 * class that takes handles is tested with `new` and needs neither a cluster nor a cast.
 *
 * A method that yields (an async generator, or a generator) answers with an AsyncIterable: `for await (const token of
 * model.generate(prompt))`. The other side computes no faster than the loop reads; leaving the loop early ends its
 * generator. Every call is sent when it is made, awaited or not, streams too: a stream that nobody reads holds its replica's
 * slot until the deadline, so read it or cancel it (`signal`).
 *
 * `handle.with(options)` answers with the same handle under other {@link CallOptions}. It is optional in the type
 * because test doubles need not have it, and loosely typed so that it can be called all the same: annotate what it
 * returns (`const quick: Handle<Digits> = digits.with({ timeoutMs: 50 })`) to have the compiler check the calls.
 *
 * @example
 * ```ts
 * import type { Handle } from "thornback";
 *
 * class Doubler {
 *   double(value: number): number {
 *     return value * 2;
 *   }
 * }
 *
 * class Gateway {
 *   readonly #doubler: Handle<Doubler>;
 *   constructor(doubler: Handle<Doubler>) {
 *     this.#doubler = doubler;
 *   }
 *   async predict(input: { value: number }): Promise<number> {
 *     return await this.#doubler.double(input.value);
 *   }
 * }
 *
 * const gateway = new Gateway({ double: async (value) => (await value) * 2 });
 * console.log(await gateway.predict({ value: 21 })); // 42
 * ```
 */
export type Handle<T> = { readonly [K in RemoteKeys<T>]: RemoteMethod<T[K]> } & {
  // oxlint-disable-next-line typescript/no-explicit-any -- the only type that an optional member can be called with
  readonly with?: any;
  /** Never there: makes the handles of two classes with the same methods different types. */
  readonly [handleOf]?: (self: T) => T;
};

/** The deployment that a handle type stands for; `unknown` when `P` is no handle. */
export type HandleTarget<P> = P extends { readonly [handleOf]?: ((self: infer T) => unknown) | undefined }
  ? T
  : unknown;

/** A handle before its class is known: any method may be called. */
export type UntypedHandle = {
  readonly [method: string]: (...args: readonly unknown[]) => RemoteCall;
};

const OPTION_NAMES = ["timeoutMs", "signal", "key", "modelId", "priority", "idempotent"] as const;

const handles = new WeakSet();

/**
 * Makes a handle that calls `deployment` through `transport`. It is no promise (awaiting one answers with the handle
 * itself), and it has the members of a plain object so that printing and comparing it make no calls.
 */
export function createHandle(
  deployment: DeploymentId,
  transport: CallTransport,
  options: CallOptions = {},
): UntypedHandle {
  const methods = new Map<string, (...args: readonly unknown[]) => RemoteCall>();
  const withOptions = (more: unknown): UntypedHandle =>
    createHandle(deployment, transport, { ...options, ...checkedOptions(more) });
  const target: UntypedHandle = Object.create({ [Symbol.toStringTag]: `Handle ${deployment}` }) as UntypedHandle;
  const handle = new Proxy(target, {
    get(object, property): unknown {
      if (property === "with") return withOptions;
      if (typeof property === "symbol" || property in Object.prototype) return Reflect.get(object, property);
      if (NOT_REMOTE.has(property)) return undefined;
      let method = methods.get(property);
      if (method === undefined) {
        method = (...args) => remoteCall(transport.call({ deployment, method: property, args, options }));
        methods.set(property, method);
      }
      return method;
    },
    set(_object, property): boolean {
      throw new TypeError(`a handle of ${deployment} cannot be changed: ${String(property)} was assigned`);
    },
  });
  handles.add(handle);
  return handle;
}

/** Whether a value is a handle; looking at its members does not tell, because it seems to have a method of every name. */
export function isHandle(value: object): boolean {
  return handles.has(value);
}

/** Whether handles offer a method of this name. */
export function isRemoteMethodName(name: string): boolean {
  return !NOT_REMOTE.has(name) && !(name in Object.prototype);
}

function checkedOptions(options: unknown): CallOptions {
  if (!isRecord(options)) throw new TypeError("handle.with(options) takes an object of options");
  for (const [name, value] of Object.entries(options)) {
    if (!(OPTION_NAMES as readonly string[]).includes(name)) {
      throw new TypeError(`handle.with: ${name} is not an option; known are ${OPTION_NAMES.join(", ")}`);
    }
    if (value === undefined) continue;
    if (!hasRightType(name as keyof CallOptions, value)) throw new TypeError(`handle.with: ${name} has a wrong type`);
  }
  return options as CallOptions;
}

function hasRightType(name: keyof CallOptions, value: unknown): boolean {
  if (name === "timeoutMs") return typeof value === "number" && value > 0;
  if (name === "priority") return typeof value === "number" && Number.isFinite(value);
  if (name === "signal") return value instanceof AbortSignal;
  return name === "idempotent" ? typeof value === "boolean" : typeof value === "string";
}
