/**
 * What autoscaling promises, measured over HTTP against clusters of its own with real processes.
 *
 *   npm run bench:scaling -- [--only step|zero|independent] [--rounds 3] [--out FILE]
 *
 * Load, control plane and replicas share all cores, as they do on a user's machine: starts take as long as they do there. A
 * constant load over a long time is a matter of virtual time: test/sim and test/unit/controller/decide/autoscale.test.ts.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { table } from "../../cli/print.ts";
import { closeClusters } from "../deployed-cluster.ts";
import { root } from "../program.ts";
import { surroundings } from "../surroundings.ts";
import { formatVerdict } from "../verdict.ts";
import { INDEPENDENT_RUN } from "./run-independent.ts";
import { STEP_RUN } from "./run-step.ts";
import { ZERO_RUN } from "./run-zero.ts";
import type { ScalingRunResult } from "./scaling-run.ts";

const RUNS = [STEP_RUN, ZERO_RUN, INDEPENDENT_RUN];

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    rounds: { type: "string", default: "3" },
    out: { type: "string", default: path.join(root, "bench/result/scaling.json") },
  },
});
const rounds = Number(values.rounds);
const runs = RUNS.filter(({ name }) => name.includes(values.only));
if (!(rounds >= 1) || runs.length === 0) {
  console.error(`nothing to measure; runs are ${RUNS.map(({ name }) => name).join(", ")}`);
  process.exit(64);
}
process.once("SIGINT", () => void closeClusters().then(() => process.exit(130)));

const results: ({ readonly run: string } & ScalingRunResult)[] = [];
const problems: { readonly run: string; readonly problem: string }[] = [];
for (const run of runs) {
  try {
    const result = await run.measure({ rounds });
    results.push({ run: run.name, ...result });
    console.log(`\n${[result.title, ...result.notes].join("\n")}`);
  } catch (error) {
    // The other runs' figures are as good without it.
    const problem = error instanceof Error ? error.message : String(error);
    problems.push({ run: run.name, problem });
    console.error(`\n${run.name} was not measured: ${problem}`);
  }
}
const promises = results.flatMap((result) => result.promises);
console.log(`\n${table(promises.map(formatVerdict))}`);
const written = results.map(({ run, title, notes, figures }) => ({ run, title, notes, figures }));
const report = { ...surroundings(), options: { rounds }, results: written, problems, promises };
writeFileSync(values.out, `${JSON.stringify(report, undefined, 1)}\n`);
if (problems.length > 0) process.exitCode = 1;
