/**
 * Runs simulated worlds: `npm run sim -- --seed 7` for one, `--count 100` for many (seeds from `--seed` on, spread over
 * `--jobs` processes). `--minutes` is the virtual time during which faults happen (0.35), `--faults off` leaves them out,
 * `--load` multiplies the clients' requests (1), `--least-requests` is how many each seed must have (0), `--verbose` prints
 * every line. A seed and a commit say everything about a run: on a violation both are printed, with the check's name and the
 * last lines of the transcript, and the exit code is 1; so it is when a kind of fault did not occur in all of many seeds.
 */
import { execFileSync, fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type RunResult, simulate } from "./cluster.ts";
import { Summary } from "./summary.ts";

const TAIL_LINES = 40;
/** Worlds leave much garbage and keep little: collected less often, more of it is garbage by then. */
const JOB_FLAGS = ["--min-semi-space-size=128", "--max-semi-space-size=128"] as const;

type Arguments = {
  readonly seed: number;
  readonly count: number;
  readonly jobs: number;
  readonly minutes: number;
  readonly load: number;
  readonly leastRequests: number;
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
      "least-requests": { type: "string", default: "0" },
      faults: { type: "string", default: "on" },
      verbose: { type: "boolean", default: false },
    },
  });
  const numbers = {
    count: Number(values.count),
    jobs: Number(values.jobs),
    minutes: Number(values.minutes),
    load: Number(values.load),
    leastRequests: Number(values["least-requests"]),
  };
  const seed = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed);
  const areValid = Object.values({ ...numbers, seed }).every((value) => Number.isFinite(value) && value >= 0);
  if (!areValid || (values.faults !== "on" && values.faults !== "off")) {
    console.error(
      "usage: sim [--seed N] [--count N] [--jobs N] [--minutes M] [--load L] [--least-requests N] [--faults on|off] [--verbose]",
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

/** Seeds one after another in this process, or spread over several. */
async function runAll(args: Arguments, summary: Summary): Promise<void> {
  const seeds = Array.from({ length: args.count }, (_, index) => args.seed + index);
  const onResult = (result: RunResult): void => {
    summary.add(result);
    print(result, args);
  };
  const jobs = Math.max(1, Math.min(args.jobs, seeds.length));
  if (jobs === 1) for (const seed of seeds) onResult(await runOne(seed, args));
  else await Promise.all(Array.from({ length: jobs }, () => runJob(seeds, args, onResult)));
}

/** One process that runs the next of `seeds` as long as there is one: worlds differ in what they cost. */
function runJob(seeds: number[], args: Arguments, onResult: (result: RunResult) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, THORNBACK_SIM_JOB: "1" };
    const child = fork(fileURLToPath(import.meta.url), [], { env, execArgv: [...process.execArgv, ...JOB_FLAGS] });
    let current = seeds.shift();
    const next = (): void => {
      if (current === undefined) child.disconnect();
      else child.send({ seed: current, args });
    };
    child.on("message", (message) => {
      onResult(message as RunResult);
      current = seeds.shift();
      next();
    });
    child.on("exit", (code) => {
      if (code === 0 && current === undefined) resolve();
      else reject(new Error(`a job ended with code ${code} in seed ${current}`));
    });
    next();
  });
}

/** The next seed comes only when the last one's result has gone: nothing real happens in a process while a world runs. */
function serveAsJob(): void {
  process.on("message", (message) => {
    const { seed, args } = message as { seed: number; args: Arguments };
    runOne(seed, args).then(
      (result) => void process.send?.(result.violations.length === 0 ? { ...result, tail: [] } : result),
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
  const summary = new Summary(args.leastRequests);
  await runAll(args, summary);
  const problems = summary.problems();
  for (const line of [...summary.lines(), ...problems.map((problem) => `FAILED: ${problem}`)]) console.log(line);
  console.log(`${args.count} seeds from ${args.seed} in ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
  process.exit(problems.length === 0 ? 0 : 1);
}
