import assert from "node:assert/strict";

const url = (process.argv[2] ?? "http://127.0.0.1:8000/").replace(/\/$/, "");

const hello = await fetch(`${url}/hello/Ada`);
assert.deepEqual(await hello.json(), { greeting: "Hello, Ada!" });

const echo = await fetch(`${url}/echo`, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: '{"a": [1, 2]}',
});
assert.deepEqual(await echo.json(), { echo: { a: [1, 2] } });

const who = await fetch(`${url}/whoami`, { headers: { "x-request-id": "check-1" } });
assert.equal(who.headers.get("x-request-id"), "check-1");
const { deployment, requestId } = (await who.json()) as { deployment: string; requestId: string };
assert.equal(deployment, "Api");
assert.equal(requestId, "check-1");

const missing = await fetch(`${url}/nowhere`);
assert.equal(missing.status, 404);
assert.equal(await missing.text(), "no such page");

console.log("hono: routes, JSON, request context, and the application's own 404");
