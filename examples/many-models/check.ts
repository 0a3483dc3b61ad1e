import assert from "node:assert/strict";

const url = process.argv[2] ?? "http://127.0.0.1:8000/";

type Scored = { readonly model: string; readonly score: number; readonly replica: string };

async function score(model: string | undefined, text: string): Promise<{ status: number; body: unknown }> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (model !== undefined) headers["x-thornback-model-id"] = model;
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify({ text }) });
  return { status: response.status, body: await response.json() };
}

async function scored(model: string, text: string): Promise<Scored> {
  const { status, body } = await score(model, text);
  assert.equal(status, 200, JSON.stringify(body));
  return body as Scored;
}

// Each customer's own model answers.
assert.equal((await scored("customer-1", "Good and cold")).score, 3);
assert.equal((await scored("customer-2", "Good and cold")).score, -1);

// Six models on two replicas with room for three each: every one of them stays where it was loaded.
const customers = ["customer-1", "customer-2", "customer-3", "customer-4", "customer-5", "customer-6"];
const places = new Map<string, string>();
for (const customer of customers) places.set(customer, (await scored(customer, "good")).replica);
assert.equal(new Set(places.values()).size, 2);
for (let round = 0; round < 5; round++) {
  for (const customer of customers) assert.equal((await scored(customer, "good")).replica, places.get(customer));
}

// Three more push out those that were used longest ago; all are answered.
const all = [...customers, "customer-7", "customer-8", "customer-9"];
const answers = await Promise.all(all.flatMap((customer) => [scored(customer, "bad"), scored(customer, "good")]));
assert.deepEqual(
  answers.map(({ model, score }) => [model, score]),
  all.flatMap((customer) => [
    [customer, -1],
    [customer, 1],
  ]),
);

assert.equal((await score("customer-x", "good")).status, 404);
assert.equal((await score("../secret", "good")).status, 400);
assert.equal((await score(undefined, "good")).status, 400);

console.log("many-models: six at rest, nine in a crowd, one that does not exist, and two refusals");
