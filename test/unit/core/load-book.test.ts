import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DeploymentId, Version } from "../../../core/ids.ts";
import { LoadBook } from "../../../core/load-book.ts";
import type { DeploymentLoad } from "../../../core/load.ts";

const load = (given: Partial<DeploymentLoad> = {}): DeploymentLoad => ({
  deployment: "app/D" as DeploymentId,
  queued: 0,
  ongoingMean: 0,
  arrived: 0,
  answered: 0,
  versions: [],
  ...given,
});
const outcomes = (version: string, answered: number): DeploymentLoad["versions"][number] => ({
  version: version as Version,
  sent: answered,
  answered,
  failed: 1,
  firstError: `${version} broke`,
  latencies: [0, answered],
});

describe("a load book", () => {
  it("adds up the newest levels of its sources, and counts since it was asked last", () => {
    const book = new LoadBook<string>();
    book.heard("a", [load({ queued: 5, ongoingMean: 9, arrived: 10, answered: 4 })]);
    book.heard("a", [load({ queued: 2, ongoingMean: 4, arrived: 3, answered: 9 })]);
    book.heard("b", [load({ queued: 1, ongoingMean: 1.5, arrived: 1 })]);
    assert.deepEqual(book.take(), [load({ queued: 3, ongoingMean: 5.5, arrived: 14, answered: 13 })]);
    assert.deepEqual(book.take(), [load({ queued: 3, ongoingMean: 5.5 })]);
  });

  it("tells the end of a load once, and forgets a source that is gone", () => {
    const book = new LoadBook<string>();
    book.heard("a", [load({ ongoingMean: 1 })]);
    book.take();
    assert.equal(book.isChanged, false);
    book.gone("a");
    assert.equal(book.isChanged, true);
    assert.deepEqual(book.take(), [load()]);
    assert.deepEqual(book.take(), []);
  });

  it("adds up outcomes by version", () => {
    const book = new LoadBook<string>();
    book.heard("a", [load({ versions: [outcomes("v1", 3)] })]);
    book.heard("b", [load({ versions: [outcomes("v1", 2), outcomes("v2", 7)] })]);
    assert.deepEqual(book.take()[0]?.versions, [
      { version: "v1", sent: 5, answered: 5, failed: 2, firstError: "v1 broke", latencies: [0, 5] },
      { version: "v2", sent: 7, answered: 7, failed: 1, firstError: "v2 broke", latencies: [0, 7] },
    ]);
  });
});
