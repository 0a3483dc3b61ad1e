import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDurationMs } from "../../../cli/duration.ts";

const parse = (text: string): number => parseDurationMs(text, "--deadline", { leastMs: 0, mostMs: 60_000 });

test("a duration is seconds unless it says otherwise, and must be within its bounds", () => {
  assert.deepEqual(["0", "1.5", "30s", "500ms", "1m"].map(parse), [0, 1_500, 30_000, 500, 60_000]);
  for (const text of ["", "-1", "1h", "two", "61s"]) {
    assert.throws(() => parse(text), { exitCode: 64, message: `--deadline "${text}" is not a duration` });
  }
  assert.equal(parseDurationMs("2h", "--deadline", { leastMs: 0, mostMs: 24 * 3_600_000 }), 7_200_000);
});
