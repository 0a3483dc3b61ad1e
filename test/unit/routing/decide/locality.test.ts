import assert from "node:assert/strict";
import { test } from "node:test";
import { distance } from "../../../../routing/decide/locality.ts";

const HERE = { node: "n1", zone: "a" };

test("the same node is nearer than the same zone, and that than any other place", () => {
  assert.equal(distance(HERE, { node: "n1", zone: "a" }), 0);
  assert.equal(distance(HERE, { node: "n2", zone: "a" }), 1);
  assert.equal(distance(HERE, { node: "n2", zone: "b" }), 2);
});

test("nodes without a zone are not in one zone", () => {
  assert.equal(distance({ node: "n1", zone: "" }, { node: "n2", zone: "" }), 2);
});

test("a router that does not know where it runs finds all equally far", () => {
  assert.equal(distance(undefined, { node: "n1", zone: "a" }), 2);
});
