import assert from "node:assert/strict";

const url = process.argv[2] ?? "http://127.0.0.1:8000/";

async function hello(body: string): Promise<Response> {
  return fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
}

const named = await hello(JSON.stringify({ name: "Ada" }));
assert.equal(named.status, 200);
assert.deepEqual(await named.json(), { greeting: "Hello, Ada!" });

const unnamed = await hello("{}");
assert.deepEqual(await unnamed.json(), { greeting: "Hello, world!" });

const broken = await hello('{"name": ');
assert.equal(broken.status, 400);
const problem = (await broken.json()) as { code: string };
assert.equal(problem.code, "invalid_request");

console.log("hello: 3 requests, all answered as they should be");
