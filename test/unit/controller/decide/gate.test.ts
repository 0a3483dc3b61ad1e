import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type GateInput, judge, NO_OUTCOMES, type Outcomes } from "../../../../controller/decide/gate.ts";
import { emptyLatencies, latencyBucket } from "../../../../core/latency-histogram.ts";

/** So many requests that took about so long. */
function outcomes(answered: number, failed: number, ms: number | readonly number[] = 10): Outcomes {
  const latencies = emptyLatencies();
  for (let i = 0; i < answered; i++) {
    const took = typeof ms === "number" ? ms : (ms[i % ms.length] ?? 0);
    const bucket = latencyBucket(took);
    latencies[bucket] = (latencies[bucket] ?? 0) + 1;
  }
  return { sent: answered, answered, failed, firstError: "", latencies };
}

const OLD = outcomes(2_000, 0);
const cause = (given: Partial<GateInput>): string | undefined => {
  const none = { gates: [], newVersion: NO_OUTCOMES, oldVersion: OLD, scores: {}, isOver: false };
  const verdict = judge({ ...none, ...given });
  return verdict.kind === "fails" ? verdict.cause : undefined;
};

const ERRORS = [{ metric: "errorRate", most: 0.01 }];
const SLOW = [{ metric: "p99Ms", mostTimes: 2 }];

describe("a gate", () => {
  it("refuses 5 % of errors within 100 requests, and one unlucky request of 20 not before the window is over", () => {
    assert.match(
      cause({ gates: ERRORS, newVersion: outcomes(100, 8) }) ?? "",
      /errorRate 8.00 % \(8 of 100 requests\)/,
    );
    assert.equal(cause({ gates: ERRORS, newVersion: outcomes(20, 1) }), undefined);
    assert.equal(cause({ gates: ERRORS, newVersion: outcomes(2, 1) }), undefined);
    assert.equal(cause({ gates: ERRORS, newVersion: outcomes(20, 1), isOver: true }), undefined);
    assert.ok(cause({ gates: ERRORS, newVersion: outcomes(100, 5), isOver: true }) !== undefined);
    assert.equal(cause({ gates: ERRORS, newVersion: outcomes(100, 1), isOver: true }), undefined);
  });

  it("allows an error rate that the old version has too, where mostTimes says so", () => {
    const both = [{ metric: "errorRate", most: 0.01, mostTimes: 1.5 }];
    const given = { newVersion: outcomes(400, 20), oldVersion: outcomes(4_000, 200), isOver: true };
    assert.equal(cause({ gates: both, ...given }), undefined);
    assert.ok(cause({ gates: ERRORS, ...given }) !== undefined);
  });

  it("refuses a version that is ten times slower after ten requests", () => {
    assert.match(cause({ gates: SLOW, newVersion: outcomes(10, 0, 100) }) ?? "", /p99Ms: p50Ms of the new version is/);
    assert.equal(cause({ gates: SLOW, newVersion: outcomes(9, 0, 100) }), undefined);
    assert.equal(cause({ gates: SLOW, newVersion: outcomes(500, 0, 11), isOver: true }), undefined);
  });

  it("compares the highest quantile that enough requests lie beyond, at the end of the window", () => {
    const tail = [...Array.from({ length: 9 }, () => 10), 100];
    const slow = { gates: SLOW, newVersion: outcomes(200, 0, tail) };
    assert.equal(cause(slow), undefined);
    assert.match(cause({ ...slow, isOver: true }) ?? "", /p98Ms|p97Ms/);
    assert.equal(
      cause({ gates: SLOW, newVersion: outcomes(30, 0, tail), isOver: true }),
      undefined,
      "3 of 30 are chance",
    );
  });

  it("asks nothing of a version without requests, nor compares with an old one without any", () => {
    assert.equal(cause({ gates: [...ERRORS, ...SLOW], isOver: true }), undefined);
    assert.equal(cause({ gates: SLOW, newVersion: outcomes(50, 0, 900), oldVersion: NO_OUTCOMES }), undefined);
    const fixed = [{ metric: "p99Ms", most: 200 }];
    assert.ok(cause({ gates: fixed, newVersion: outcomes(50, 0, 900), oldVersion: NO_OUTCOMES }) !== undefined);
  });

  it("holds scores against their bounds", () => {
    const gates = [{ metric: "accuracy", least: 0.9 }];
    assert.equal(cause({ gates, scores: { accuracy: 0.95 } }), undefined);
    assert.equal(cause({ gates, scores: { accuracy: 0.8 } }), "score accuracy is 0.8, below 0.9");
    assert.match(cause({ gates }) ?? "", /no score "accuracy"/);
  });

  it("tells the first error", () => {
    const failing = { ...outcomes(100, 50), firstError: "index out of range" };
    assert.match(cause({ gates: ERRORS, newVersion: failing }) ?? "", /; the first error: index out of range$/);
  });

  it("counts a stream that broke off after it was answered once", () => {
    assert.ok(cause({ gates: ERRORS, newVersion: outcomes(30, 40) }) !== undefined);
  });
});
