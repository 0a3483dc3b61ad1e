/**
 * What batching promises, measured over HTTP against clusters of its own; or, with `--simulate`, its policy and those of
 * peers in virtual time.
 *
 *   npm run bench:batch -- [--only sleep|onnx|onnx-small|proxies|deadline|lengths] [--seconds N] [--rounds 5] [--out FILE]
 *   npm run bench:batch -- --simulate [--only LOAD] [--seconds 30] [--seed 1]
 *
 * Without `--seconds` every run has windows as long as it needs. Needs `taskset` and `chrt`. Where models sleep, the load has
 * core 0 and all else core 1; where one computes, its thread has core 1 and all else core 0.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { table } from "../../cli/print.ts";
import { closeClusters } from "../deployed-cluster.ts";
import { root } from "../program.ts";
import { surroundings } from "../surroundings.ts";
import { formatVerdict, type Verdict } from "../verdict.ts";
import { type BatchRun, type BatchRunResult, planBatchCores } from "./batch-run.ts";
import { DEADLINE_RUN } from "./run-deadline.ts";
import { LENGTHS_RUN } from "./run-lengths.ts";
import { ONNX_RUNS } from "./run-onnx.ts";
import { policyPromises, policyTable, simulatePolicies } from "./run-policies.ts";
import { PROXIES_RUN } from "./run-proxies.ts";
import { SLEEP_RUN } from "./run-sleep.ts";

const RUNS: readonly BatchRun[] = [SLEEP_RUN, ...ONNX_RUNS, PROXIES_RUN, DEADLINE_RUN, LENGTHS_RUN];
const SIMULATED_SECONDS = 30;

const { values } = parseArgs({
  options: {
    simulate: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    seconds: { type: "string" },
    rounds: { type: "string", default: "5" },
    seed: { type: "string", default: "1" },
    out: { type: "string", default: path.join(root, "bench/result/batch.json") },
  },
});
const seconds = values.seconds === undefined ? undefined : Number(values.seconds);
const rounds = Number(values.rounds);
const runs = RUNS.filter(({ name }) => name.includes(values.only));
if (!(rounds >= 1) || (seconds !== undefined && !(seconds >= 1)) || (runs.length === 0 && !values.simulate)) {
  console.error(`nothing to measure; runs are ${RUNS.map(({ name }) => name).join(", ")}`);
  process.exit(64);
}
process.once("SIGINT", () => void closeClusters().then(() => process.exit(130)));
const promises = values.simulate ? await simulateAll() : await measureAll();
const made = promises.filter(({ holds }) => holds !== undefined);
if (made.length > 0) console.log(`\n${table(made.map(formatVerdict))}`);

async function simulateAll(): Promise<readonly Verdict[]> {
  const options = { only: values.only, seconds: seconds ?? SIMULATED_SECONDS, seed: Number(values.seed) };
  const results = await simulatePolicies(options);
  console.log(table(policyTable(results)));
  return policyPromises(results);
}

async function measureAll(): Promise<readonly Verdict[]> {
  const cores = planBatchCores();
  const results: ({ readonly run: string } & BatchRunResult)[] = [];
  const problems: { readonly run: string; readonly problem: string }[] = [];
  for (const run of runs) {
    try {
      const result = await run.measure({ seconds, rounds, cores });
      results.push({ run: run.name, ...result });
      console.log(`\n${[result.title, table(result.table), ...result.notes].join("\n")}`);
    } catch (error) {
      // The other runs' figures are as good without it.
      const problem = error instanceof Error ? error.message : String(error);
      problems.push({ run: run.name, problem });
      console.error(`\n${run.name} was not measured: ${problem}`);
    }
  }
  const made = results.flatMap((result) => result.promises);
  const written = results.map(({ run, title, notes, figures }) => ({ run, title, notes, figures }));
  const report = { ...surroundings(), cores, options: { rounds, seconds }, results: written, problems, promises: made };
  writeFileSync(values.out, `${JSON.stringify(report, undefined, 1)}\n`);
  if (problems.length > 0) process.exitCode = 1;
  return made;
}
