import assert from "node:assert/strict";

const url = process.argv[2] ?? "http://127.0.0.1:8000/";

function write(input: unknown, signal?: AbortSignal): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(input),
    signal: signal ?? null,
  });
}

/** The events of an answer as they come. */
async function* events(response: Response): AsyncGenerator<string> {
  assert.ok(response.body);
  let text = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const parts = text.split("\n\n");
    text = parts.pop() ?? "";
    yield* parts;
  }
  assert.equal(text, "");
}

async function allEvents(response: Response): Promise<string[]> {
  const all: string[] = [];
  for await (const event of events(response)) all.push(event);
  return all;
}

const response = await write({ prompt: "one two three", words: 4 });
assert.equal(response.status, 200);
assert.equal(response.headers.get("content-type"), "text/event-stream");
assert.deepEqual(await allEvents(response), [
  'data: {"text":"one "}',
  'data: {"text":"two "}',
  'data: {"text":"three "}',
  'data: {"text":"one "}',
  'data: {"text":"","count":4}',
  "data: [DONE]",
]);

// The first word is here long before the last one is written, and whoever has read enough may leave.
const controller = new AbortController();
const endless = await write({ prompt: "again", words: 1_000 }, controller.signal);
for await (const event of events(endless)) {
  assert.equal(event, 'data: {"text":"again "}');
  break;
}
controller.abort();

const refused = await write({ prompt: "", words: 4 });
assert.equal(refused.status, 400);
assert.equal(refused.headers.get("content-type"), "application/problem+json");

// Many streams at once.
const many = await Promise.all(
  Array.from({ length: 12 }, async (_, index) => allEvents(await write({ prompt: `stream ${index}`, words: 20 }))),
);
for (const all of many) assert.equal(all.length, 22);

console.log("streaming: events as they come, a reader that leaves, a refusal, and 12 streams at once");
