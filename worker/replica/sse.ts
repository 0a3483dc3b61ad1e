/**
 * What a `predict` yields, as server-sent events: `data: <json>` for each item, `data: [DONE]` after the last, a comment
 * into a long silence. The event that tells of a failure is the proxy's to write, because a replica may be gone.
 */
import type { Clock } from "../../core/clock.ts";
import { SSE_SILENCE_MS } from "../../core/limits.ts";
import type { BodyStream } from "../../proto/body.ts";
import type { Answer } from "../../proto/exchange.ts";
import { pumpBody, type PumpOptions } from "./body-pump.ts";
import { jsonText } from "./json-text.ts";

const HEADERS = ["content-type", "text/event-stream", "cache-control", "no-cache", "x-accel-buffering", "no"];
const DONE = Buffer.from("data: [DONE]\n\n");
const COMMENT = Buffer.from(": \n\n");

/** What events are made from. */
export type EventsOptions = Pick<PumpOptions, "source" | "toError" | "cancellation"> & {
  readonly clock: Clock;
  /** Looks at each item before it is sent; undefined: nobody does. */
  readonly validate: ((item: unknown) => Promise<unknown>) | undefined;
};

/**
 * The answer to a request whose handler yields. Waits for the first item, so that a failure before it is an ordinary
 * error, but no longer than a silence may last.
 */
export async function eventsAnswer({ clock, validate, ...pump }: EventsOptions): Promise<Answer> {
  const write =
    validate === undefined
      ? writeEvent
      : async (body: BodyStream, item: unknown): Promise<void> => writeEvent(body, await validate(item));
  const silence = { clock, afterMs: SSE_SILENCE_MS, bytes: COMMENT };
  return { status: 200, headers: HEADERS, body: await pumpBody({ ...pump, write, end: DONE, silence }) };
}

function writeEvent(body: BodyStream, item: unknown): void {
  body.write(Buffer.from(`data: ${jsonText(item)}\n\n`));
}
