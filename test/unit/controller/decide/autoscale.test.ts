import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { autoscale, type AutoscaleInput } from "../../../../controller/decide/autoscale.ts";
import {
  emptyHistory,
  type LoadHistory,
  type LoadSample,
  recorded,
} from "../../../../controller/decide/load-history.ts";
import type { AutoscalingSpec } from "../../../../core/spec.ts";
import { autoscalingSpec } from "../../../fake/scaling-fixture.ts";

const SAMPLE_MS = 500;

/** A load that stays as it is for so long. */
type Stretch = { readonly ms: number } & Partial<LoadSample>;

function historyOf(stretches: readonly Stretch[], keepMs: number): { history: LoadHistory; now: number } {
  let history = emptyHistory(0);
  let at = 0;
  for (const { ms, ...given } of stretches) {
    for (let left = ms; left > 0; left -= SAMPLE_MS) {
      at += SAMPLE_MS;
      const none = { ongoing: 0, queued: 0, arrived: 0, answered: 0, busy: 0, ready: 1 };
      history = recorded(history, { ...none, ...given, at, ms: SAMPLE_MS }, keepMs);
    }
  }
  return { history, now: at };
}

function decide(
  given: Partial<AutoscalingSpec>,
  stretches: readonly Stretch[],
  rest: Partial<AutoscaleInput> = {},
): ReturnType<typeof autoscale> {
  const spec = autoscalingSpec(given);
  const { history, now } = historyOf(stretches, spec.downscaleDelayMs);
  const none = {
    current: 1,
    roseAt: Number.NEGATIVE_INFINITY,
    startMs: 300,
    metric: undefined,
    policy: undefined,
    isDeaf: false,
  };
  return autoscale({ ...none, spec, history, ...rest }, now);
}

const BOUNDS = { minReplicas: 1, maxReplicas: 20 };

describe("autoscaling", () => {
  it("begins with the initial count, and stays within bounds that change", () => {
    const first = decide({ ...BOUNDS, initialReplicas: 3 }, [], { current: undefined });
    assert.deepEqual([first.target, first.reason], [3, "initial"]);
    const fewer = decide({ minReplicas: 1, maxReplicas: 4 }, [], { current: 9 });
    assert.deepEqual([fewer.target, fewer.reason], [4, "bounds"]);
    assert.equal(decide({ minReplicas: 2, maxReplicas: 4 }, [], { current: 1 }).target, 2);
  });

  it("gives each replica targetOngoingRequests, waiting ones included", () => {
    const steady = { ms: 4_000, ongoing: 12, arrived: 100, answered: 100, busy: 0.5, ready: 3 };
    const { target, reason } = decide({ ...BOUNDS, targetOngoingRequests: 2 }, [steady], { current: 4 });
    assert.deepEqual([target, reason], [6, "loadRose"]);
    assert.equal(decide({ ...BOUNDS, targetOngoingRequests: 4 }, [steady], { current: 4 }).target, 4);
  });

  it("waits for upscaleDelayMs, except in a burst", () => {
    const rest = { ms: 10_000, ongoing: 2, arrived: 20, answered: 20, busy: 0.3 };
    const more = { ms: SAMPLE_MS, ongoing: 11, arrived: 150, answered: 150, busy: 0.4, ready: 4 };
    const slow = { ...BOUNDS, upscaleDelayMs: 3_000 };
    assert.equal(decide(slow, [rest, more], { current: 4 }).target, 4);
    assert.ok(decide(slow, [rest, { ...more, ms: 3_000 }], { current: 4 }).target > 4);
    const burst = decide(slow, [rest, { ...more, ongoing: 30 }], { current: 4 });
    assert.deepEqual([burst.target, burst.reason], [15, "burst"]);
  });

  it("asks for what keeps up and catches up, not for every request that waits, where replicas do all they can", () => {
    // One replica does 50 a second; 200 a second arrive, and 150 wait after a second.
    const step = { ms: 1_000, ongoing: 90, queued: 150, arrived: 100, answered: 25, busy: 1, ready: 1 };
    const { target } = decide(BOUNDS, [{ ms: 5_000 }, step], { current: 1 });
    assert.ok(target >= 5 && target <= 8, `${target} replicas for 4 replicas' worth of requests`);
  });

  it("does not take the first moments of a burst for a hundred replicas' worth, before anybody knows how busy they are", () => {
    const first = { ms: SAMPLE_MS, ongoing: 45, queued: 75, arrived: 100, answered: 25, busy: 0, ready: 1 };
    const { target, reason } = decide({ ...BOUNDS, maxReplicas: 100 }, [{ ms: 5_000 }, first], { current: 1 });
    assert.equal(reason, "burst");
    assert.ok(target >= 5 && target <= 8, `${target} replicas`);
  });

  it("does not take for a burst what one node told within a moment of the last look", () => {
    const spec = autoscalingSpec({ ...BOUNDS, maxReplicas: 100 });
    const queue = { ms: 5_000, ongoing: 150, queued: 134, arrived: 25, answered: 20, busy: 1, ready: 1 };
    const { history: before, now: at } = historyOf([queue], spec.downscaleDelayMs);
    const given = { spec, current: 2, roseAt: 0, startMs: 3_000, metric: undefined, policy: undefined, isDeaf: false };
    const full = autoscale({ ...given, history: before }, at).target;
    const now = at + 20;
    const history = recorded(before, { ...queue, at: now, ms: 20, arrived: 10, answered: 0 }, spec.downscaleDelayMs);
    const { target } = autoscale({ ...given, history }, now);
    assert.ok(Math.abs(target - full) <= 1, `${target} replicas after a moment, ${full} before`);
  });

  it("does not take for a burst what chance makes of few requests", () => {
    const rest = { ms: 10_000, ongoing: 6, arrived: 4, answered: 4, busy: 0.5, ready: 3 };
    const chance = { ms: SAMPLE_MS, ongoing: 12.8, arrived: 12, answered: 6, busy: 0.5, ready: 3 };
    assert.equal(decide(BOUNDS, [rest, chance], { current: 3 }).target, 3);
    assert.equal(decide(BOUNDS, [rest, { ...chance, arrived: 40, ongoing: 30 }], { current: 3 }).reason, "burst");
  });

  it("keeps replicas at targetUtilisation when few requests are ongoing", () => {
    const busy = { ms: 5_000, ongoing: 3, arrived: 100, answered: 100, busy: 2.9, ready: 3 };
    assert.equal(decide(BOUNDS, [busy], { current: 3 }).target, 4);
    assert.equal(decide({ ...BOUNDS, targetUtilisation: 1 }, [busy], { current: 3 }).target, 3);
  });

  it("keeps the predicted wait below targetQueueDelayMs", () => {
    const queue = { ms: 5_000, ongoing: 6, queued: 40, arrived: 100, answered: 100, busy: 3, ready: 3 };
    const options = { ...BOUNDS, targetOngoingRequests: 100, targetUtilisation: 1 };
    assert.equal(decide(options, [queue], { current: 3 }).target, 3);
    // A busy replica does 66 a second, so 40 take 0.6 replica seconds.
    assert.equal(decide({ ...options, targetQueueDelayMs: 100 }, [queue], { current: 3 }).target, 6);
  });

  it("does not take chance for a rise: the fewer requests, the more it takes", () => {
    const few = { ms: 1_000, ongoing: 9.5, arrived: 5, answered: 5, busy: 0.3, ready: 4 };
    assert.equal(decide(BOUNDS, [few], { current: 4 }).target, 4);
    const many = { ...few, arrived: 2_000, answered: 2_000 };
    assert.equal(decide(BOUNDS, [many], { current: 4 }).target, 5);
  });

  it("adds what the load will have grown by when a replica that is wanted now can help", () => {
    const growth = Array.from({ length: 16 }, (_, i) => ({
      ms: SAMPLE_MS,
      ongoing: 4 + i * 0.7,
      arrived: 400 + i * 70,
      answered: 400 + i * 70,
      busy: 0.3,
      ready: 4,
    }));
    const quick = decide(BOUNDS, growth, { current: 4, startMs: 100 }).target;
    const slow = decide(BOUNDS, growth, { current: 4, startMs: 5_000 }).target;
    assert.ok(slow > quick, `${slow} with a slow start, ${quick} with a quick one`);
  });

  it("takes replicas away only when the load was low for all of downscaleDelayMs", () => {
    const low = { ongoing: 2, arrived: 50, answered: 50, busy: 0.3 };
    const delay = { ...BOUNDS, downscaleDelayMs: 10_000 };
    const high = { ms: 2_000, ongoing: 12, arrived: 50, busy: 1 };
    assert.equal(decide(delay, [high, { ...low, ms: 9_000 }], { current: 6 }).target, 6);
    const { target, reason } = decide(delay, [high, { ...low, ms: 13_000 }], { current: 6 });
    assert.deepEqual([target, reason], [2, "loadFell"]);
    assert.equal(decide(delay, [{ ...low, ms: 9_000 }], { current: 6 }).target, 6, "not known for long enough");
    assert.equal(decide(delay, [{ ...low, ms: 13_000 }], { current: 6, isDeaf: true }).target, 6);
  });

  it("does not take back at once what it decided on the same load", () => {
    // Whatever the load was like: a second look at the same moment changes nothing.
    let state = 7;
    const next = (): number => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
    for (let round = 0; round < 500; round++) {
      const delay = { ...BOUNDS, downscaleDelayMs: 5_000 };
      const stretches = Array.from({ length: 8 }, () => ({
        ms: SAMPLE_MS * Math.ceil(next() * 6),
        ongoing: next() < 0.3 ? 0 : next() * 40,
        arrived: next() * 100,
        answered: next() * 100,
        queued: next() < 0.5 ? 0 : next() * 50,
        busy: next() * 6,
        ready: 6,
      }));
      const current = Math.ceil(next() * 12);
      const first = decide(delay, stretches, { current }).target;
      const roseAt = first > current ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
      const second = decide(delay, stretches, { current: first, roseAt }).target;
      assert.ok(
        Math.sign(second - first) !== -Math.sign(first - current) || first === current,
        `${current} → ${first} → ${second}`,
      );
    }
  });

  it("changes by a share of the way with the factors, by one at least", () => {
    const high = { ms: 5_000, ongoing: 30, arrived: 500, answered: 500, busy: 1, ready: 5 };
    assert.equal(decide({ ...BOUNDS, upscalingFactor: 0.2 }, [high], { current: 5 }).target, 7);
    assert.equal(decide({ ...BOUNDS, upscalingFactor: 0.01 }, [high], { current: 5 }).target, 6);
    const low = { ms: 40_000, ongoing: 1, busy: 0.1 };
    assert.equal(decide({ ...BOUNDS, downscalingFactor: 0.5 }, [low], { current: 11 }).target, 6);
    assert.equal(decide({ ...BOUNDS, downscalingFactor: 0.01 }, [low], { current: 11 }).target, 10);
  });

  it("goes to zero after a silence, and from zero at the first request", () => {
    const zero = { minReplicas: 0, maxReplicas: 5, scaleToZeroDelayMs: 5_000 };
    const used = { ms: 1_000, ongoing: 1, arrived: 5 };
    assert.equal(decide(zero, [used, { ms: 4_000 }]).target, 1);
    const idle = decide(zero, [used, { ms: 5_000 }]);
    assert.deepEqual([idle.target, idle.reason], [0, "idle"]);
    assert.equal(decide(zero, [used, { ms: 5_000 }], { isDeaf: true }).target, 1);
    const waiting = { ms: SAMPLE_MS, queued: 1, arrived: 1, ready: 0 };
    const first = decide(zero, [{ ms: 9_000 }, waiting], { current: 0 });
    assert.deepEqual([first.target, first.reason], [1, "requestWaits"]);
    assert.equal(decide(zero, [{ ms: 9_000 }], { current: 0 }).target, 0);
    assert.equal(decide({ ...zero, minReplicas: 1 }, [used, { ms: 60_000 }]).target, 1);
  });

  it("scales by a metric of the user's, and holds what there is while its value is unknown", () => {
    const options = { ...BOUNDS, metric: { name: "lag", targetPerReplica: 10, url: undefined } };
    const quiet = [{ ms: 40_000 }];
    assert.equal(decide(options, quiet, { current: 2, metric: 75 }).target, 8);
    assert.equal(decide(options, quiet, { current: 8, metric: undefined }).target, 8);
    assert.equal(decide(options, quiet, { current: 8, metric: 15 }).target, 2);
  });

  it("starts from zero by a metric, and does not take that back at once when it falls to 0", () => {
    const metric = { name: "lag", targetPerReplica: 10, url: undefined };
    const zero = { minReplicas: 0, maxReplicas: 5, scaleToZeroDelayMs: 5_000, metric };
    const quiet = [{ ms: 9_000 }];
    const first = decide(zero, quiet, { current: 0, metric: 25 });
    assert.deepEqual([first.target, first.reason], [3, "loadRose"]);
    assert.equal(decide(zero, quiet, { current: 0, metric: 1_000 }).target, 5);
    assert.equal(decide(zero, quiet, { current: 0, metric: 0 }).target, 0);
    assert.equal(decide(zero, quiet, { current: 0, metric: undefined }).target, 0);
    assert.equal(decide(zero, quiet, { current: 3, metric: 0, roseAt: 8_000 }).target, 3);
    assert.equal(decide(zero, quiet, { current: 3, metric: 0, roseAt: 4_000 }).target, 0);
  });

  it("leaves the decision to the user's policy, within bounds", () => {
    const load = [{ ms: 5_000, ongoing: 30, arrived: 500 }];
    assert.equal(decide(BOUNDS, load, { current: 3, policy: 2.2 }).target, 3);
    assert.equal(decide(BOUNDS, load, { current: 3, policy: 7 }).target, 7);
    assert.equal(decide(BOUNDS, load, { current: 3, policy: 700 }).target, 20);
  });

  it("does not move under a constant load at its target, whatever chance makes of it", () => {
    const spec = autoscalingSpec(BOUNDS);
    let history = emptyHistory(0);
    let current = 4;
    let changes = 0;
    // Poisson arrivals, 160 a second of 50 ms each: 8 ongoing, two for each of four replicas.
    let state = 12_345;
    const next = (): number => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
    for (let at = SAMPLE_MS; at <= 600_000; at += SAMPLE_MS) {
      let arrived = 0;
      for (let t = -Math.log(1 - next()); t < 80; t -= Math.log(1 - next())) arrived += 1;
      const ongoing = (arrived * 50) / SAMPLE_MS;
      const one = { at, ms: SAMPLE_MS, ongoing, queued: 0, arrived, answered: arrived, busy: 2.4, ready: current };
      history = recorded(history, one, spec.downscaleDelayMs);
      const none = {
        roseAt: Number.NEGATIVE_INFINITY,
        startMs: 300,
        metric: undefined,
        policy: undefined,
        isDeaf: false,
      };
      const { target } = autoscale({ ...none, spec, history, current }, at);
      if (target !== current) changes += 1;
      current = target;
    }
    assert.equal(changes, 0);
  });
});
