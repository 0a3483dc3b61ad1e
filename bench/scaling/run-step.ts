/** A step from no load to four times what one replica can do, with default settings, and its end. */
import { setTimeout } from "node:timers/promises";
import { deployCluster } from "../deployed-cluster.ts";
import { spread } from "../spread.ts";
import { verdict } from "../verdict.ts";
import { startTrace } from "./load-trace.ts";
import type { ScalingRun } from "./scaling-run.ts";
import { backBelowAtMs, p99Between } from "./sliding-p99.ts";
import { WatchedDeployment } from "./watched-deployment.ts";

const CAPACITY_PER_SECOND = 50;
const TIMES_CAPACITY = 4;
const LOAD_MS = 20_000;
/** Its last part is what is normal for as many replicas. */
const NORMAL_MS = 8_000;
const DOWN_WITHIN_MS = 120_000;

type StepFigures = {
  readonly atTargetMs: number;
  readonly normalP99Ms: number;
  readonly worstP99Ms: number;
  readonly backMs: number;
  readonly failed: number;
  readonly downMs: number;
  readonly turns: number;
  readonly targets: readonly number[];
};

/** See the head of this file. */
export const STEP_RUN: ScalingRun = {
  name: "step",
  async measure({ rounds }) {
    const figures: StepFigures[] = [];
    for (let round = 0; round < rounds; round++) figures.push(await measureOnce());
    const median = (key: "atTargetMs" | "backMs"): number => spread(figures.map((each) => each[key])).median;
    const most = (key: "turns" | "failed"): number => Math.max(...figures.map((each) => each[key]));
    const never = (key: "atTargetMs" | "backMs" | "downMs"): number =>
      figures.filter((each) => Number.isNaN(each[key])).length;
    return {
      title: `step: 0 → ${TIMES_CAPACITY} × a replica's ${CAPACITY_PER_SECOND} requests per second for ${LOAD_MS / 1_000} s, default settings, ${rounds} rounds`,
      notes: figures.map(describe),
      figures: { rounds: figures },
      promises: [
        verdict("step: replicas at target ≤ 3,000 ms after it", median("atTargetMs"), { most: 3_000 }),
        verdict("step: p99 of the last second ≤ 2 × normal ≤ 5,000 ms after it", median("backMs"), { most: 5_000 }),
        verdict("step: rounds that never got there", never("atTargetMs") + never("backMs"), { most: 0 }),
        verdict("step: requests that failed", most("failed"), { most: 0 }),
        verdict("load removed: changes of direction", most("turns"), { most: 1 }),
        verdict("load removed: rounds that did not get back to min", never("downMs"), { most: 0 }),
      ],
    };
  },
};

async function measureOnce(): Promise<StepFigures> {
  const cluster = await deployCluster("bench/scaling/app.ts", undefined, []);
  const watch = new WatchedDeployment(cluster.admin, "step");
  try {
    await watch.until(({ ready }) => ready === 1, DOWN_WITHIN_MS);
    const stepAtMs = watch.elapsedMs;
    const load = startTrace(`${cluster.url}/step`, "hello", CAPACITY_PER_SECOND * TIMES_CAPACITY);
    const atTarget = await watch.until(({ target, ready }) => target >= TIMES_CAPACITY && ready >= target, LOAD_MS);
    await setTimeout(Math.max(0, stepAtMs + LOAD_MS - watch.elapsedMs));
    const { sent, succeeded } = await load.stop();
    const endAtMs = watch.elapsedMs;
    const down = await watch.until(({ target }) => target === 1, DOWN_WITHIN_MS);
    const { ended } = load;
    const normalP99Ms = p99Between(ended, LOAD_MS - NORMAL_MS, LOAD_MS);
    const perSecond = Array.from({ length: LOAD_MS / 1_000 }, (_, i) => p99Between(ended, i * 1_000, (i + 1) * 1_000));
    return {
      atTargetMs: (atTarget?.atMs ?? Number.NaN) - stepAtMs,
      normalP99Ms,
      worstP99Ms: Math.max(...perSecond.filter((ms) => !Number.isNaN(ms))),
      backMs: backBelowAtMs(ended, 2 * normalP99Ms, LOAD_MS),
      failed: sent - succeeded,
      downMs: (down?.atMs ?? Number.NaN) - endAtMs,
      turns: watch.turns,
      targets: watch.targets,
    };
  } finally {
    await watch.close();
    await cluster.close();
  }
}

function describe(each: StepFigures, round: number): string {
  const { atTargetMs, normalP99Ms, worstP99Ms, backMs, failed, downMs, turns, targets } = each;
  return (
    `round ${round + 1}: at target after ${atTargetMs.toFixed(0)} ms; p99 normally ${normalP99Ms.toFixed(1)} ms, worst second ` +
    `${worstP99Ms.toFixed(0)} ms, back after ${backMs.toFixed(0)} ms; ${failed} failed; back to 1 after ` +
    `${(downMs / 1_000).toFixed(1)} s; targets ${targets.join(" → ")}, ${turns} change of direction`
  );
}
