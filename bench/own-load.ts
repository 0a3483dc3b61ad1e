import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Arrivals } from "../load/arrival-schedule.ts";
import type { LoadReport } from "../load/load-report.ts";

const PROGRAM = fileURLToPath(new URL("own-load-process.ts", import.meta.url));
const FLAGS = ["--conditions=thornback-source"];
const MOST_OUTPUT_BYTES = 1024 * 1024;

/** A load of our own generator: with a rate an open one, else a closed one. */
export type OwnLoadOptions = {
  readonly url: string;
  /** JSON; of a list each in turn. All together go on a command line: 100 KB at most. */
  readonly body: string | readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly seconds: number;
  readonly ratePerSecond?: number;
  /** Default `fixed`. */
  readonly arrivals?: Arrivals;
  /** With it the arrivals of a rate are the same every time; see {@link ArrivalSchedule}. */
  readonly seed?: number;
  readonly connectionCount: number;
  readonly timeoutMs: number;
  readonly core: number;
};

/** Runs our load in a process of its own, on a core of its own. */
export async function ownLoad({ core, ...options }: OwnLoadOptions): Promise<LoadReport> {
  const program = ["-c", String(core), process.execPath, ...FLAGS, PROGRAM, JSON.stringify(options)];
  const timeout = options.seconds * 1_000 + options.timeoutMs + 10_000;
  const { stdout } = await promisify(execFile)("taskset", program, { timeout, maxBuffer: MOST_OUTPUT_BYTES });
  // JSON has no NaN, which is what is said of nothing.
  return JSON.parse(stdout, (_key, value: unknown) => (value === null ? Number.NaN : value)) as LoadReport;
}
