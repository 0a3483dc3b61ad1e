import { seededRandom } from "../../core/random.ts";
import { type Arrivals, ArrivalSchedule } from "../../load/arrival-schedule.ts";
import { LatencyHistogram, type LatencySummary } from "../../load/latency-histogram.ts";

/** When the first `count` requests of a load with this seed are due, in milliseconds after its start. */
export function arrivalTimes(
  count: number,
  ratePerSecond: number,
  arrivals: Arrivals,
  seed: number,
): readonly number[] {
  const schedule = new ArrivalSchedule(ratePerSecond, arrivals, seededRandom(seed));
  return Array.from({ length: count }, () => {
    const dueMs = schedule.nextDueMs;
    schedule.advance();
    return dueMs;
  });
}

/**
 * Latencies where nothing but the model takes time, and it never rests while an item waits: an idle model takes all that
 * wait, oldest first and `maxBatchSize` at most, and answers them `runMs` later. Of nothing where `runMs` was not measured.
 */
export function idealLatencies(arrivedAt: readonly number[], maxBatchSize: number, runMs: number): LatencySummary {
  const latencies = new LatencyHistogram();
  if (Number.isNaN(runMs)) return latencies.summary();
  let freeAt = Number.NEGATIVE_INFINITY;
  for (let next = 0; next < arrivedAt.length;) {
    const startedAt = Math.max(freeAt, arrivedAt[next] ?? 0);
    freeAt = startedAt + runMs;
    const full = next + maxBatchSize;
    for (; next < full && (arrivedAt[next] ?? Number.POSITIVE_INFINITY) <= startedAt; next++) {
      latencies.record(freeAt - (arrivedAt[next] ?? 0));
    }
  }
  return latencies.summary();
}
