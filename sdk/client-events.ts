import { ServeError } from "../core/error.ts";
import { errorFromProblem } from "./problem-error.ts";

/** What follows the last item. */
const DONE = "[DONE]";

/**
 * The items of an event stream, as `predict` yields them. Leaving the loop early cancels the request.
 *
 * @throws {ServeError} with the code that the application broke off with; replica_lost when it said none
 */
export async function* eventItems(body: ReadableStream<Uint8Array>, status: number): AsyncGenerator<unknown> {
  for await (const event of eventTexts(body)) {
    const { name, data } = fieldsOf(event);
    if (name === "error") throw errorFromProblem(status, data);
    if (data === DONE) return;
    // Without data it is a comment.
    if (data !== "") yield JSON.parse(data) as unknown;
  }
  throw new ServeError("replica_lost", "the stream ended before its last item: send the request again");
}

/** The events of a stream, each without the empty line that ends it. */
async function* eventTexts(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      text += decoder.decode(chunk.value, { stream: true });
      const events = text.split("\n\n");
      text = events.pop() ?? "";
      yield* events;
    }
  } finally {
    // The connection is of no more use either way; one that has broken has nothing left to cancel.
    await reader.cancel().catch(() => undefined);
  }
}

function fieldsOf(event: string): { readonly name: string; readonly data: string } {
  let [name, data] = ["", ""];
  for (const line of event.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice("event: ".length);
    else if (line.startsWith("data: ")) data += line.slice("data: ".length);
  }
  return { name, data };
}
