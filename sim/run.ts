/**
 * Runs simulated worlds: `npm run sim -- --seed 7` for one, `--count 100` for many (seeds from `--seed` on, spread over
 * `--jobs` processes). `--minutes` is the virtual time during which faults happen (0.35), `--faults off` leaves them out,
 * `--load` multiplies the clients' requests (1), `--verbose` prints every line. A seed and a commit say everything about a run: on a violation both are printed, with
 * the check's name and the last lines of the transcript, and the exit code is 1.
 */
import { execFileSync, fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type RunResult, simulate } from "./cluster.ts";

const TAIL_LINES = 40;

type Arguments = {
  readonly seed: number;
  readonly count: number;
  readonly jobs: number;
  readonly minutes: number;
  readonly load: number;
  readonly hasFaults: boolean;
  readonly isVerbose: boolean;
};

function readArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      count: { type: "string", default: "1" },
      jobs: { type: "string", default: String(Math.min(availableParallelism(), 8)) },
      minutes: { type: "string", default: "0.35" },
      load: { type: "string", default: "1" },
      faults: { type: "string", default: "on" },
      verbose: { type: "boolean", default: false },
    },
  });
  const numbers = {
    count: Number(values.count),
    jobs: Number(values.jobs),
    minutes: Number(values.minutes),
    load: Number(values.load),
  };
  const seed = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed);
  const areValid = Object.values({ ...numbers, seed }).every((value) => Number.isFinite(value) && value >= 0);
  if (!areValid || (values.faults !== "on" && values.faults !== "off")) {
    console.error(
      "usage: sim [--seed N] [--count N] [--jobs N] [--minutes M] [--load L] [--faults on|off] [--verbose]",
    );
    process.exit(64);
  }
  return { ...numbers, seed, hasFaults: values.faults === "on", isVerbose: values.verbose };
}

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { stdio: ["ignore", "pipe", "ignore"] })
      .toString()
      .trim();
  } catch {
    return "unknown";
  }
}

function print(result: RunResult, args: Arguments): void {
  const { seed, hash, steps, virtualMs, requests, outcomes, violations } = result;
  const seconds = (virtualMs / 1_000).toFixed(1);
  const counts = Object.entries(outcomes).map(([outcome, count]) => `${outcome} ${count}`);
  console.log(
    `seed ${seed}: hash ${hash}, ${seconds} virtual s, ${steps} steps, ${requests} requests (${counts.join(", ")})`,
  );
  for (const { check, at, message } of violations) {
    console.log(`\n  VIOLATION of ${check} at ${at.toFixed(3)} ms: ${message}`);
  }
  if (violations.length === 0) return;
  const options = `--seed ${seed} --minutes ${args.minutes}${args.load === 1 ? "" : ` --load ${args.load}`}${args.hasFaults ? "" : " --faults off"}`;
  console.log(`  commit ${commit()}; replay with: npm run sim -- ${options} --verbose\n`);
  for (const line of result.tail.slice(-TAIL_LINES)) console.log(`  ${line}`);
  console.log("");
}

async function runOne(seed: number, args: Arguments): Promise<RunResult> {
  return simulate({
    seed,
    faultMs: args.minutes * 60_000,
    hasFaults: args.hasFaults,
    load: args.load,
    onLine: args.isVerbose ? (line) => console.log(line) : undefined,
  });
}

/** The seeds of one job, one after another; each result goes to `onResult`. */
async function runSlice(
  seeds: readonly number[],
  args: Arguments,
  onResult: (result: RunResult) => void,
): Promise<void> {
  for (const seed of seeds) onResult(await runOne(seed, args));
}

/** Seeds spread over processes. Resolves with whether every one was free of violations. */
async function runMany(args: Arguments): Promise<boolean> {
  const seeds = Array.from({ length: args.count }, (_, index) => args.seed + index);
  const jobs = Math.max(1, Math.min(args.jobs, seeds.length));
  let isClean = true;
  const faults: Record<string, number> = {};
  const onResult = (result: RunResult): void => {
    if (result.violations.length > 0) isClean = false;
    for (const [kind, count] of Object.entries(result.faults)) faults[kind] = (faults[kind] ?? 0) + count;
    print(result, args);
  };
  if (jobs === 1) {
    await runSlice(seeds, args, onResult);
  } else {
    await Promise.all(
      Array.from({ length: jobs }, (_, job) => {
        const slice = seeds.filter((_seed, index) => index % jobs === job);
        return runJob(slice, args, onResult);
      }),
    );
  }
  console.log(
    `faults: ${
      Object.entries(faults)
        .map(([kind, count]) => `${kind} ${count}`)
        .join(", ") || "none"
    }`,
  );
  return isClean;
}

/** One slice in a process of its own. */
function runJob(seeds: readonly number[], args: Arguments, onResult: (result: RunResult) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), [], { env: { ...process.env, THORNBACK_SIM_JOB: "1" } });
    let count = 0;
    child.on("message", (message) => {
      count += 1;
      onResult(message as RunResult);
    });
    child.on("exit", (code) => {
      if (code === 0 && count === seeds.length) resolve();
      else reject(new Error(`a job ended with code ${code} after ${count} of ${seeds.length} seeds`));
    });
    child.send({ seeds, args });
  });
}

function serveAsJob(): void {
  process.once("message", (message) => {
    const { seeds, args } = message as { seeds: readonly number[]; args: Arguments };
    const send = (result: RunResult): void => void process.send?.(result);
    runSlice(seeds, args, send).then(
      () => process.disconnect(),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
}

if (process.env["THORNBACK_SIM_JOB"] === "1") {
  serveAsJob();
} else {
  const args = readArguments();
  const startedAt = performance.now();
  const isClean = await runMany(args);
  console.log(`${args.count} seeds from ${args.seed} in ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
  process.exit(isClean ? 0 : 1);
}
