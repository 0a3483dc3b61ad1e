import assert from "node:assert/strict";

const url = process.argv[2] ?? "http://127.0.0.1:8000/";

async function translate(input: unknown): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(input),
  });
  return { status: response.status, body: await response.json() };
}

assert.deepEqual(await translate({ text: "The cat sleeps", to: ["fr"] }), {
  status: 200,
  body: { translations: { fr: "le chat dort" } },
});
assert.deepEqual(await translate({ text: "Hello, world!", to: ["es", "fr"] }), {
  status: 200,
  body: { translations: { es: "hola, mundo!", fr: "bonjour, monde!" } },
});

// Both translators answer while many ask at once.
const answers = await Promise.all(
  Array.from({ length: 40 }, (_, index) => translate({ text: "hello", to: [index % 2 === 0 ? "fr" : "es"] })),
);
const expected = answers.map((_, index) => (index % 2 === 0 ? { fr: "bonjour" } : { es: "hola" }));
assert.deepEqual(
  answers.map(({ body }) => (body as { translations: unknown }).translations),
  expected,
);

const unknown = await translate({ text: "hello", to: ["fr", "tlh"] });
assert.equal(unknown.status, 400);
const { problems } = unknown.body as { problems: { path: string }[] };
assert.deepEqual(
  problems.map(({ path }) => path),
  ["to[1]"],
);

console.log("composition: one language, two, 40 callers, and an unknown language");
