/** `examples/digits` at zero replicas: the first byte of one request's answer, and a hundred requests at once. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { deployCluster } from "../deployed-cluster.ts";
import { root } from "../program.ts";
import { spread } from "../spread.ts";
import { verdict } from "../verdict.ts";
import type { ScalingRun } from "./scaling-run.ts";
import { WatchedDeployment } from "./watched-deployment.ts";

const AT_ONCE = 100;
const AT_LEAST_ROUNDS = 5;
const ZERO_WITHIN_MS = 60_000;
/** A blank process that takes the place of the used one is ready by then. */
const REST_MS = 3_000;

type Sample = { readonly pixels: readonly number[]; readonly label: number };

/** See the head of this file. */
export const ZERO_RUN: ScalingRun = {
  name: "zero",
  async measure({ rounds }) {
    const samples = JSON.parse(readFileSync(path.join(root, "examples/digits/held-out.json"), "utf8")) as Sample[];
    const sampleOf = (i: number): Sample => samples[i % samples.length] ?? { pixels: [], label: -1 };
    const cluster = await deployCluster("bench/scaling/digits.yaml", undefined, []);
    const watch = new WatchedDeployment(cluster.admin, "Digits");
    const atZero = async (): Promise<void> => {
      const look = await watch.until(({ target, exists }) => target === 0 && exists === 0, ZERO_WITHIN_MS);
      if (look === undefined) throw new Error("it did not scale to zero");
      await setTimeout(REST_MS);
    };
    try {
      const firstByteMs: number[] = [];
      let wrong = 0;
      for (let round = 0; round < Math.max(rounds, AT_LEAST_ROUNDS); round++) {
        await atZero();
        const answer = await ask(cluster.url, sampleOf(round));
        firstByteMs.push(answer.firstByteMs);
        if (!answer.isRight) wrong += 1;
      }
      await atZero();
      const many = await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => ask(cluster.url, sampleOf(i))));
      const answered = many.filter(({ isRight }) => isRight).length;
      const one = spread(firstByteMs);
      const all = spread(many.map((answer) => answer.firstByteMs));
      return {
        title: `zero: examples/digits, ${firstByteMs.length} times one request, then ${AT_ONCE} at once`,
        notes: [
          `first byte from zero: ${firstByteMs.map((ms) => ms.toFixed(0)).join(", ")} ms`,
          `${AT_ONCE} at once: ${answered} answered rightly, between ${all.min.toFixed(0)} and ${all.max.toFixed(0)} ms`,
        ],
        figures: { firstByteMs, atOnceMs: all, answered, wrong },
        promises: [
          verdict("zero: first byte of digits ≤ 300 ms, median", one.median, { most: 300 }),
          verdict("zero: wrong or failed answers of one at a time", wrong, { most: 0 }),
          verdict(`zero: of ${AT_ONCE} at once answered`, answered, { least: AT_ONCE }),
        ],
      };
    } finally {
      await watch.close();
      await cluster.close();
    }
  },
};

async function ask(url: string, { pixels, label }: Sample): Promise<{ firstByteMs: number; isRight: boolean }> {
  const sentAt = performance.now();
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify({ pixels }) });
  const firstByteMs = performance.now() - sentAt;
  const text = await response.text();
  return {
    firstByteMs,
    isRight: response.status === 200 && (JSON.parse(text) as { label: unknown }).label === label,
  };
}
