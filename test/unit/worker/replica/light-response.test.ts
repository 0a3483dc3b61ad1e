import assert from "node:assert/strict";
import { before, test } from "node:test";
import { adoptLightResponses, lightAnswer } from "../../../../worker/replica/light-response.ts";

const NativeResponse = globalThis.Response;
before(adoptLightResponses);

/** What a light one and the engine's own say of the same arguments. */
async function both(body: BodyInit | null | undefined, init?: ResponseInit): Promise<void> {
  const [light, native] = [new Response(body, init), new NativeResponse(body, init)];
  assert.ok(light instanceof Response && light instanceof NativeResponse && native instanceof Response);
  const answer = lightAnswer(light);
  assert.ok(answer !== undefined, "it was not light");
  const sorted = (pairs: readonly string[]): string[] =>
    pairs.flatMap((name, at) => (at % 2 === 0 ? [`${name}: ${pairs[at + 1]}`] : [])).toSorted();
  assert.deepEqual(sorted(answer.headers), sorted([...native.headers].flat()));
  assert.deepEqual([...light.headers], [...native.headers]);
  for (const name of ["status", "ok", "statusText", "type", "url", "redirected", "bodyUsed"] as const) {
    assert.equal(light[name], native[name], name);
  }
  const bytes = new Uint8Array(await native.arrayBuffer());
  assert.deepEqual(Buffer.concat(answer.body as Uint8Array[]), Buffer.from(bytes));
  assert.deepEqual(new Uint8Array(await light.arrayBuffer()), bytes);
  assert.equal(light.bodyUsed, native.bodyUsed);
}

test("a light response says what the engine's own would", async () => {
  await both("ü");
  await both("");
  await both(null);
  await both(undefined, { status: 404 });
  await both(Uint8Array.of(1, 2), { headers: { "Content-Type": "image/png", "X-A": "b c" } });
  const headers = new Headers({ "content-type": "text/html" });
  headers.append("set-cookie", "a=1");
  headers.append("set-cookie", "b=2");
  await both("<p>", { status: 201, statusText: "Made", headers });
});

test("Response.json is light, and what it cannot take is refused as ever", async () => {
  const response = Response.json({ a: 1 }, { status: 201, headers: { "x-a": "1" } });
  const answer = lightAnswer(response);
  assert.deepEqual(answer?.headers, ["x-a", "1", "content-type", "application/json"]);
  assert.deepEqual([answer.status, Buffer.concat(answer.body as Uint8Array[]).toString()], [201, '{"a":1}']);
  assert.deepEqual(await response.json(), { a: 1 });
  assert.throws(() => Response.json(undefined), TypeError);
  assert.throws(() => Response.json(1n), TypeError);
});

test("headers that are changed afterwards are sent as they are then", () => {
  const response = new Response("x");
  response.headers.set("x-a", "1");
  response.headers.set("content-type", "text/html");
  assert.deepEqual(lightAnswer(response)?.headers, ["content-type", "text/html", "x-a", "1"]);
});

test("clone, the body's stream and a copy made of another's parts work", async () => {
  const response = new Response("abc", { headers: { "x-a": "1" } });
  assert.equal(await response.clone().text(), "abc");
  const changed = new Response(response.body, { ...response, status: 202, headers: response.headers });
  assert.deepEqual([await changed.text(), changed.status, changed.headers.get("x-a")], ["abc", 202, "1"]);
  assert.equal(lightAnswer(response), undefined, "its body is the stream's now");
});

test("memory that is used again after the response was made does not change it", () => {
  const scratch = Uint8Array.of(1);
  const response = new Response(scratch);
  scratch[0] = 2;
  assert.deepEqual(lightAnswer(response)?.body, [Uint8Array.of(1)]);
});

test("whatever is out of the ordinary is the engine's: kinds of bodies, statuses, headers, subclasses", () => {
  class Own extends Response {
    readonly isOwn = true;
  }
  const own = new Own("x");
  assert.ok(own instanceof Response && own.isOwn);
  const others = [
    own,
    new Response(new URLSearchParams({ a: "1" })),
    new Response(new ReadableStream()),
    new Response("x", { statusText: " Fine " }),
    new Response("x", { headers: [["x-a", "1"]] }),
    new Response("x", { headers: { "x-a": " padded " } }),
    new Response("x", { headers: { "x-a": "1", "X-A": "2" } }),
    new Response(null, { status: 204 }),
    Response.redirect("http://h/"),
    Response.error(),
  ];
  for (const response of others) {
    assert.ok(response instanceof Response);
    assert.equal(lightAnswer(response), undefined);
  }
  assert.throws(() => new Response("x", { status: 99 }), RangeError);
  assert.throws(() => new Response("x", { status: 204 }), TypeError);
  assert.throws(() => new Response("x", { headers: { "x y": "1" } }), TypeError);
  assert.throws(() => new Response("x", { headers: { "x-a": "a\nb" } }), TypeError);
  assert.throws(() => Reflect.apply(Response, undefined, ["x"]), TypeError);
});
