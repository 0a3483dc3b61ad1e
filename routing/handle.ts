import type { Call, CallTransport } from "../core/call.ts";
import { Cancellation } from "../core/cancellation.ts";
import type { Clock } from "../core/clock.ts";
import { CancelledError, InternalError, InvalidRequestError } from "../core/error.ts";
import type { RequestId } from "../core/ids.ts";
import { MOST_CALL_DEPTH, MOST_FRAME_BODY_BYTES } from "../core/limits.ts";
import { randomSuffix, type Random } from "../core/random.ts";
import type { RequestScope } from "../core/request-scope.ts";
import { bytesOf } from "../proto/body-bytes.ts";
import { isStream, type BodyStream } from "../proto/body.ts";
import { RECORD } from "../proto/codec/record.ts";
import { decodeValue, encodeValue } from "../proto/codec/value.ts";
import { headerOf } from "../proto/header-of.ts";
import { RecordStream } from "../proto/record-stream.ts";
import { degradedName, DEGRADED_HEADER } from "./fallback.ts";
import type { Routers } from "./routers.ts";

/** The request during which a call is made: the call is part of it. */
export type CallerContext = {
  readonly requestId: RequestId;
  /** Infinity for one that may last, a WebSocket: its calls have the time of the deployment that they are for. */
  readonly deadlineAt: number;
  /** Handle calls above it: 0 for a request from HTTP. */
  readonly depth: number;
  /** W3C trace context; empty without. */
  readonly traceparent: string;
  readonly cancellation: Cancellation | undefined;
  /** Those it works for: what answers them is marked where the call was answered by another deployment's fallback. */
  readonly requests?: readonly RequestScope[] | undefined;
};

/** What a call transport is made of. */
export type CallTransportDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly routers: Routers;
  /** The request that runs right now; undefined outside of any, for instance in `setup`. */
  readonly current: () => CallerContext | undefined;
};

const REQUEST_ID_LENGTH = 20;

/** How handles in a replica reach other deployments: over the same routers as HTTP requests. */
export function createCallTransport(deps: CallTransportDeps): CallTransport {
  return { call: (call) => send(deps, call) };
}

async function send({ clock, random, routers, current }: CallTransportDeps, call: Call): Promise<unknown> {
  // Before the first await, while the caller is still the one that runs.
  const caller = current();
  const { deployment, method, options } = call;
  const depth = (caller?.depth ?? -1) + 1;
  if (depth > MOST_CALL_DEPTH) {
    const text = `calls are nested deeper than ${MOST_CALL_DEPTH} at ${deployment}.${method}: do deployments call each other in a circle?`;
    throw new InvalidRequestError(text);
  }
  const entry = routers.deployment(deployment);
  const now = clock.now();
  const isBounded = caller !== undefined && Number.isFinite(caller.deadlineAt);
  const ownDeadlineAt = isBounded ? caller.deadlineAt : now + entry.requestTimeoutMs;
  const deadlineAt = options.timeoutMs === undefined ? ownDeadlineAt : Math.min(ownDeadlineAt, now + options.timeoutMs);
  const linked = linkSignal(caller?.cancellation, options.signal);
  let items: BodyStream | undefined;
  try {
    // A call that was not awaited may be an argument of another.
    const args = call.args.some((arg) => arg instanceof Promise) ? await Promise.all(call.args) : call.args;
    const head = {
      kind: "call",
      requestId: caller?.requestId ?? (randomSuffix(random, REQUEST_ID_LENGTH) as RequestId),
      depth,
      traceparent: caller?.traceparent ?? "",
      method,
      key: options.key ?? "",
      modelId: options.modelId ?? "",
      priority: options.priority ?? 0,
    } as const;
    const { key, modelId, priority } = head;
    const isIdempotent = options.idempotent ?? entry.idempotent;
    const body = encodeValue(args, "arguments");
    const { answer, degradedBy } = await routers.send(deployment, {
      head,
      body,
      deadlineAt,
      isIdempotent,
      priority,
      key,
      modelId,
      version: call.version,
      cancellation: linked.cancellation,
    });
    // Names the deployment that answered this call, or one further down.
    const by = degradedBy === undefined ? headerOf(answer.headers, DEGRADED_HEADER) : degradedName(degradedBy);
    if (by !== undefined) for (const request of caller?.requests ?? []) request.degradedBy ??= by;
    // What is yielded has no length beforehand; a long result that only travels in pieces has.
    if (isStream(answer.body) && answer.body.length === undefined) {
      items = answer.body;
      return itemsOf(items);
    }
    return decodeValue(await bytesOf(answer.body));
  } finally {
    // What cancels a call cancels its items too, to the last.
    if (items === undefined) linked.unlink();
    else items.onSettled(linked.unlink);
  }
}

/** What a method yields. It is computed no faster than it is read, and no further once nobody reads on. */
function itemsOf(body: BodyStream): AsyncIterable<unknown> {
  return new RecordStream<unknown>(body, {
    mostBytes: MOST_FRAME_BODY_BYTES,
    decode(kind, payload) {
      if (kind === RECORD.ITEM) return decodeValue(payload);
      throw new InternalError(`a record of kind ${kind} has no place among the items of a call`);
    },
  });
}

/** The cancellation of a call: its caller's, or one that follows both the caller's and the signal. */
function linkSignal(
  cancellation: Cancellation | undefined,
  signal: AbortSignal | undefined,
): { readonly cancellation: Cancellation | undefined; readonly unlink: () => void } {
  if (signal === undefined) return { cancellation, unlink: () => {} };
  const linked = new Cancellation();
  const onAbort = (): void =>
    linked.cancel(new CancelledError("the call was cancelled by its signal", { cause: signal.reason }));
  const unsubscribe = cancellation?.onCancel((reason) => linked.cancel(reason));
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  return {
    cancellation: linked,
    unlink() {
      unsubscribe?.();
      signal.removeEventListener("abort", onAbort);
    },
  };
}
