import assert from "node:assert/strict";
import { test } from "node:test";
import { isLoaded, loadBound } from "../../../../routing/decide/load-bound.ts";

test("the bound is a quarter more than the mean, the request on its way included", () => {
  assert.equal(loadBound(15, 4), 5);
  assert.equal(loadBound(0, 0), 2);
});

test("a replica is loaded at the bound, but never below a quarter of its slots", () => {
  assert.equal(isLoaded({ ongoing: 5, maxOngoingRequests: 4 }, 5), true);
  assert.equal(isLoaded({ ongoing: 4, maxOngoingRequests: 4 }, 5), false);
  assert.equal(isLoaded({ ongoing: 5, maxOngoingRequests: 40 }, 2), false);
  assert.equal(isLoaded({ ongoing: 10, maxOngoingRequests: 40 }, 2), true);
});
