import type { Call, CallTransport } from "../core/call.ts";
import { Cancellation } from "../core/cancellation.ts";
import type { Clock } from "../core/clock.ts";
import { CancelledError, InvalidRequestError } from "../core/error.ts";
import type { RequestId } from "../core/ids.ts";
import { MOST_CALL_DEPTH } from "../core/limits.ts";
import { randomSuffix, type Random } from "../core/random.ts";
import { decodeValue, encodeValue } from "../proto/codec/value.ts";
import type { Routers } from "./routers.ts";

/** The request during which a call is made: the call is part of it. */
export type CallerContext = {
  readonly requestId: RequestId;
  readonly deadlineAt: number;
  /** Handle calls above it: 0 for a request from HTTP. */
  readonly depth: number;
  /** W3C trace context; empty without. */
  readonly traceparent: string;
  readonly cancellation: Cancellation | undefined;
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
  const ownDeadlineAt = caller?.deadlineAt ?? now + entry.requestTimeoutMs;
  const deadlineAt = options.timeoutMs === undefined ? ownDeadlineAt : Math.min(ownDeadlineAt, now + options.timeoutMs);
  const linked = linkSignal(caller?.cancellation, options.signal);
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
    const isIdempotent = options.idempotent ?? entry.idempotent;
    const body = encodeValue(args, "arguments");
    const { answer } = await routers.send(deployment, {
      head,
      body,
      deadlineAt,
      isIdempotent,
      cancellation: linked.cancellation,
    });
    const result = answer.body.length <= 1 ? answer.body[0] : Buffer.concat(answer.body);
    return result === undefined ? undefined : decodeValue(result);
  } finally {
    linked.unlink();
  }
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
