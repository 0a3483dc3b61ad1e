import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  answeredPerReplica,
  emptyHistory,
  type LoadHistory,
  type LoadSample,
  meanOf,
  peakOf,
  recorded,
} from "../../../../controller/decide/load-history.ts";

const sample = (at: number, given: Partial<LoadSample> = {}): LoadSample => ({
  at,
  ms: 500,
  ongoing: 0,
  queued: 0,
  arrived: 0,
  answered: 0,
  busy: 0,
  ready: 1,
  ...given,
});

function history(samples: readonly LoadSample[], keepMs = 30_000): LoadHistory {
  return samples.reduce((so, one) => recorded(so, one, keepMs), emptyHistory(0));
}

describe("a load history", () => {
  it("gives the mean of a window, samples counted by how long they were", () => {
    const so = history([
      sample(500, { ongoing: 100, arrived: 1_000 }),
      sample(1_000, { ongoing: 2, arrived: 10 }),
      sample(1_250, { ms: 250, ongoing: 8, arrived: 20, queued: 3 }),
    ]);
    const mean = meanOf(so, 750, 1_250);
    assert.equal(mean?.ongoing, 4);
    assert.equal(mean?.arrivedPerSecond, 40);
    assert.equal(mean?.queued, 3);
    assert.equal(meanOf(so, 100, 5_000), undefined);
  });

  it("takes the share of a sample that lies in the window", () => {
    const so = history([sample(500, { ongoing: 4, arrived: 50 }), sample(1_000, { ongoing: 8, arrived: 100 })]);
    assert.equal(meanOf(so, 750, 1_000)?.arrived, 125);
    assert.equal(meanOf(so, 750, 1_000)?.ms, 750);
  });

  it("remembers the peaks of the whole delay in few spans, each the mean of its time", () => {
    const samples = Array.from({ length: 400 }, (_, i) => sample((i + 1) * 500, { ongoing: i === 300 ? 40 : 1 }));
    const so = history(samples);
    assert.ok(so.peaks.length <= 17, `${so.peaks.length} spans`);
    assert.ok(so.samples.length <= 25, `${so.samples.length} samples`);
    const peak = peakOf(so, 60_000, 200_000).ongoing;
    assert.equal(peakOf(so, 30_000, 200_000).ongoing, 1, "the peak is 49 s old");
    assert.equal(peak, 1, "spans older than the delay are forgotten");
    const near = history(samples.slice(0, 310));
    const found = peakOf(near, 30_000, 155_000).ongoing;
    assert.ok(found > 8 && found < 12, `a moment of 40 in a span of 2 s with 1 is ${found}`);
  });

  it("knows what a replica gets done from those that have all they can do, over seconds", () => {
    const light = sample(500, { arrived: 60, answered: 60, busy: 0.5, ready: 1 });
    const full = [1_000, 1_500].map((at) => sample(at, { queued: 9, arrived: 50, answered: 20, busy: 0, ready: 1 }));
    assert.equal(answeredPerReplica(history([])), 0);
    assert.equal(answeredPerReplica(history([light])), 240);
    const flash = sample(520, { ms: 20, queued: 9, arrived: 10, ready: 1 });
    assert.ok(answeredPerReplica(history([light, flash])) > 200, "a moment without an answer says nothing");
    assert.equal(answeredPerReplica(history([light, ...full])), 40);
    assert.equal(answeredPerReplica(history([light, sample(9_000, { busy: 1, answered: 5 })])), 10);
  });

  it("knows when a request was last there", () => {
    assert.equal(history([sample(500)]).lastActiveAt, undefined);
    assert.equal(history([sample(500, { arrived: 1 }), sample(1_000)]).lastActiveAt, 500);
  });
});
