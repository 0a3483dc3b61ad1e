/** Batching policies, ours and those of peers as published, in virtual time. */
import { type Verdict, verdict } from "../verdict.ts";
import { OURS, OURS_AHEAD, OURS_IN_THREAD, OURS_NEVER_PAUSING, POLICIES } from "./policies.ts";
import { simulate, type SimulatedFigures } from "./simulate.ts";
import type { SimulatedLoad } from "./simulated-load.ts";

/** What to simulate. */
export type PolicyOptions = { readonly only: string; readonly seconds: number; readonly seed: number };

/** A policy under a load. */
export type PolicyFigures = SimulatedFigures & { readonly load: string; readonly policy: string };

const MAX_BATCH_SIZE = 64;
/** An MLP of 18.9 M weights on one thread, best of each run: milliseconds by batch size. */
const MEASURED: readonly (readonly [number, number])[] = [
  [1, 4.8],
  [2, 4.8],
  [4, 5.5],
  [8, 7.4],
  [16, 8.5],
  [32, 14.4],
  [64, 25.8],
];
const PROMISED_SHARE = 0.8;

/** Every policy under every load whose name contains `only`. */
export async function simulatePolicies({ only, seconds, seed }: PolicyOptions): Promise<readonly PolicyFigures[]> {
  const results: PolicyFigures[] = [];
  for (const [load, simulated] of Object.entries(loads())) {
    if (!load.includes(only)) continue;
    for (const [name, policy] of Object.entries(POLICIES)) {
      const world = { policy, load: simulated, runMs, maxBatchSize: MAX_BATCH_SIZE, seconds, seed };
      results.push({ load, policy: name, ...(await simulate(world)) });
    }
  }
  return results;
}

/** The simulated figures as a table, header first. */
export function policyTable(results: readonly PolicyFigures[]): readonly (readonly string[])[] {
  const header = ["load", "policy", "items/s", "p50 ms", "p99 ms", "mean batch"];
  const rows = results.map(({ load, policy, itemsPerSecond, p50Ms, p99Ms, meanBatch }) => {
    return [load, policy, itemsPerSecond.toFixed(0), p50Ms.toFixed(2), p99Ms.toFixed(2), meanBatch.toFixed(1)];
  });
  return [header, ...rows];
}

/** What is promised of our policy. */
export function policyPromises(results: readonly PolicyFigures[]): readonly Verdict[] {
  const load = poissonName(PROMISED_SHARE);
  const p50Ms = (policy: string): number =>
    results.find((one) => one.policy === policy && one.load === load)?.p50Ms ?? Number.NaN;
  const pausing = p50Ms(OURS) / p50Ms(OURS_NEVER_PAUSING);
  const ahead = p50Ms(OURS_AHEAD) / p50Ms(OURS_IN_THREAD);
  return [
    verdict(`${load}: p50 ≤ 1.03 × never pausing`, pausing, { most: 1.03 }),
    verdict(`${load}, in a thread: p50 of handing over ahead ≤ 0.9 × of waiting for the end`, ahead, { most: 0.9 }),
  ];
}

function loads(): Readonly<Record<string, SimulatedLoad>> {
  const perSecond = (MAX_BATCH_SIZE / runMs(MAX_BATCH_SIZE)) * 1_000;
  return {
    ...Object.fromEntries([1, 2, 4, 16, 64].map((callers) => [`${callers} callers`, { kind: "closed", callers }])),
    ...Object.fromEntries(
      [0.1, 0.5, PROMISED_SHARE, 0.9].map((share) => [
        poissonName(share),
        { kind: "poisson", perSecond: perSecond * share },
      ]),
    ),
  };
}

function poissonName(share: number): string {
  return `Poisson, ${share * 100} % of capacity`;
}

/** Straight lines between what was measured. */
function runMs(size: number): number {
  let [fromSize, fromMs] = MEASURED[0] ?? [1, 0];
  for (const [toSize, toMs] of MEASURED) {
    if (size <= toSize) {
      return toSize === fromSize ? toMs : fromMs + ((toMs - fromMs) * (size - fromSize)) / (toSize - fromSize);
    }
    [fromSize, fromMs] = [toSize, toMs];
  }
  return fromMs;
}
