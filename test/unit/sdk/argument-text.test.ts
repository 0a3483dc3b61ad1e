import assert from "node:assert/strict";
import { it } from "node:test";
import { argumentText } from "../../../sdk/argument-text.ts";
import { DeploymentReference } from "../../../sdk/load-app.ts";

it("equal arguments give equal text, whatever the order of fields", () => {
  const one = argumentText([{ a: 1, b: [new Date(0), new Map([["x", 1n]])] }, new DeploymentReference("A" as never)]);
  const two = argumentText([{ b: [new Date(0), new Map([["x", 1n]])], a: 1 }, new DeploymentReference("A" as never)]);
  assert.deepEqual(one, two);
  assert.equal(one.isOpaque, false);
});

it("different arguments give different text", () => {
  const values = [
    undefined,
    null,
    0,
    -0,
    Number.NaN,
    "",
    "0",
    false,
    1n,
    [],
    {},
    [[]],
    { a: undefined },
    new Date(0),
    new Date(1),
    /a/,
    new Set([1]),
    new Map(),
    new Uint8Array(1),
    new Uint8Array(2),
    new Int8Array(1),
    new ArrayBuffer(1),
    new DeploymentReference("A" as never),
    new DeploymentReference("B" as never),
    new URL("http://a/"),
  ];
  assert.equal(new Set(values.map((value) => argumentText([value]).text)).size, values.length);
});

it("says so when an argument's content cannot be seen", () => {
  class Opaque {}
  for (const value of [() => 1, new Opaque(), [new Opaque()], new Map([[1, () => 2]])]) {
    assert.equal(argumentText([value]).isOpaque, true);
  }
});
