import assert from "node:assert/strict";

const url = (process.argv[2] ?? "http://127.0.0.1:8000/").replace(/\/$/, "");

function area(input: unknown): Promise<Response> {
  return fetch(`${url}/area`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(input),
  });
}

const hello = await fetch(`${url}/hello/Ada`);
assert.equal(hello.status, 200);
assert.deepEqual(await hello.json(), { greeting: "Hello, Ada!" });

assert.deepEqual(await (await area({ width: 3, height: 4 })).json(), { area: 12 });

const invalid = await area({ width: "wide", height: 4 });
assert.equal(invalid.status, 400);
assert.match(((await invalid.json()) as { message: string }).message, /width/);

const missing = await fetch(`${url}/nowhere`);
assert.equal(missing.status, 404);

console.log("fastify: routes, Fastify's own validation, and its own 404");
