import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const url = process.argv[2] ?? "http://127.0.0.1:8000/";
const CALLERS = 64;

type HeldOut = { readonly pixels: readonly number[]; readonly truth: number; readonly label: number };
const images = JSON.parse(readFileSync(new URL("held-out.json", import.meta.url), "utf8")) as HeldOut[];

function post(input: unknown, contentType = "application/json"): Promise<Response> {
  return fetch(url, { method: "POST", headers: { "content-type": contentType }, body: JSON.stringify(input) });
}

async function classify({ pixels }: HeldOut): Promise<number> {
  const response = await post({ pixels });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return (JSON.parse(text) as { label: number }).label;
}

// One by one: every answer is the model's own.
const alone: number[] = [];
for (const image of images) alone.push(await classify(image));
assert.deepEqual(
  alone,
  images.map(({ label }) => label),
);
const right = images.filter(({ truth }, index) => alone[index] === truth).length;
assert.ok(right / images.length >= 0.97, `${right} of ${images.length} are right`);

// Many at once: an answer does not depend on whom it is batched with.
const together = new Map<number, number>();
const waiting = [...images.entries()];
async function caller(): Promise<void> {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const [index, image] = next;
    together.set(index, await classify(image));
  }
}
await Promise.all(Array.from({ length: CALLERS }, caller));
assert.deepEqual(
  images.map((_, index) => together.get(index)),
  alone,
);

// Bad input is refused, and everything that is wrong with it is named.
const bad = await post({ pixels: [0, "ink", 99] });
assert.equal(bad.status, 400);
const { code, problems } = (await bad.json()) as { code: string; problems: { path: string }[] };
assert.equal(code, "invalid_request");
assert.deepEqual(problems.map(({ path }) => path).sort(), ["pixels", "pixels[1]", "pixels[2]"]);
assert.equal((await post({ pixels: Array(65).fill(0) })).status, 400);
assert.equal((await post({ pixels: [] }, "text/plain")).status, 415);
assert.equal((await fetch(url)).status, 405);

console.log(`digits: ${images.length} held-out images one by one and with ${CALLERS} callers, ${right} right`);
