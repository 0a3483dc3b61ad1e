import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { backBelowAtMs, type EndedRequest, p99Between } from "../../../../bench/scaling/sliding-p99.ts";

/** One request every 10 ms, that took as long as `tookMs` says of its moment. */
function requests(untilMs: number, tookMs: (atMs: number) => number): readonly EndedRequest[] {
  return Array.from({ length: untilMs / 10 }, (_, i) => ({ atMs: (i + 1) * 10, tookMs: tookMs((i + 1) * 10) }));
}

describe("the p99 of the second before", () => {
  it("is that of what ended in it", () => {
    const ended = requests(1_000, (atMs) => atMs);
    assert.equal(p99Between(ended, 0, 1_000), 990);
    assert.ok(Number.isNaN(p99Between(ended, 1_000, 2_000)));
  });

  it("is back a second after the last slow request, and only when it stays below", () => {
    const slowUntil = (end: number): readonly EndedRequest[] => requests(10_000, (at) => (at <= end ? 500 : 20));
    assert.equal(backBelowAtMs(slowUntil(2_000), 50, 10_000), 3_000);
    const twice = requests(10_000, (at) => (at <= 2_000 || (at > 3_500 && at <= 4_000) ? 500 : 20));
    assert.equal(backBelowAtMs(twice, 50, 10_000), 5_000);
  });

  it("says 0 where nothing was slow, and nothing where it never is back", () => {
    assert.equal(
      backBelowAtMs(
        requests(5_000, () => 20),
        50,
        5_000,
      ),
      0,
    );
    assert.ok(
      Number.isNaN(
        backBelowAtMs(
          requests(5_000, () => 500),
          50,
          5_000,
        ),
      ),
    );
  });
});
