import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { type Clock, sleep, systemDefer } from "../../core/clock.ts";
import { startClosedLoad } from "../../load/closed-loop.ts";
import { readTarget } from "../../load/load-request.ts";
import { startLoad } from "../../load/open-loop.ts";
import type { RunningLoad, TrafficOptions } from "../../load/traffic.ts";
import { formatLoadReport } from "../bench-report.ts";
import { parseDurationMs } from "../duration.ts";
import { CliError, EXIT } from "../exit-code.ts";
import { whileWaiting } from "../progress.ts";
import type { CommandContext, JsonFlag } from "./context.ts";

/** Flags of `serve bench` as they were written. */
export type BenchFlags = JsonFlag & {
  readonly rate?: string;
  readonly duration?: string;
  readonly warmUp?: string;
  readonly connections?: string;
  readonly method?: string;
  readonly body?: string;
  readonly bodyFile?: string;
  readonly header?: readonly string[];
  readonly timeoutMs?: string;
  readonly poisson?: boolean;
};

const DEFAULT_DURATION = "10s";
const DEFAULT_CONNECTIONS = 16;
const DEFAULT_TIMEOUT_MS = 10_000;
const MOST_DURATION_MS = 24 * 60 * 60 * 1_000;
const MOST_CONNECTIONS = 20_000;
const MOST_RATE_PER_SECOND = 1_000_000;
/** With fewer cores, a load that keeps one busy between two requests takes it from the server it measures. */
const CORES_FOR_PRECISION = 4;
/** Nobody is there, or nobody that can be reached: more requests will not change that. */
const UNREACHABLE = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"]);

type Plan = {
  readonly traffic: TrafficOptions;
  readonly ratePerSecond: number | undefined;
  readonly connectionCount: number | undefined;
  readonly durationMs: number;
  readonly arrivals: "fixed" | "poisson";
};

/**
 * `serve bench URL`: an open load with `--rate`, a closed one without, and what became of every request. Fails when no
 * answer was a 2xx; Ctrl-C ends it early, with the figures so far.
 */
export async function bench(context: CommandContext, url: string, flags: BenchFlags): Promise<void> {
  const plan = readPlan(url, flags);
  const { print } = context;
  const ending = new AbortController();
  let unreachable: string | undefined;
  let isReached = false;
  const onEnding: TrafficOptions["onEnding"] = ({ outcome }) => {
    if (UNREACHABLE.has(outcome) && !isReached) {
      unreachable ??= outcome;
      ending.abort();
    } else isReached = true;
  };
  const release = context.onInterrupt(() => ending.abort());
  const load = start(context, { ...plan, traffic: { ...plan.traffic, onEnding } });
  const isWhole = await whileWaiting(context, "sending", elapsed(context.clock, plan.durationMs, ending.signal));
  const report = await load.stop();
  release();
  if (unreachable !== undefined && !isReached) {
    throw new CliError(EXIT.unavailable, `nothing answers at ${url}: ${unreachable}`, "start it, or check the URL");
  }
  if (flags.json === true) print.json({ url, ...report, isComplete: isWhole });
  else print.line(formatLoadReport(report, print));
  if (!isWhole) process.exitCode = EXIT.interrupted;
  else if (report.succeeded === 0) process.exitCode = EXIT.failed;
}

function start(context: CommandContext, { traffic, ratePerSecond, connectionCount, arrivals }: Plan): RunningLoad {
  const deps = { clock: context.clock, random: context.random, defer: systemDefer };
  if (ratePerSecond === undefined) {
    return startClosedLoad({ ...traffic, connectionCount: connectionCount ?? DEFAULT_CONNECTIONS }, deps);
  }
  const isPrecise = availableParallelism() >= CORES_FOR_PRECISION;
  return startLoad({ ...traffic, ratePerSecond, arrivals, mostConnections: connectionCount, isPrecise }, deps);
}

/** Whether the time passed without being cut short. */
async function elapsed(clock: Clock, durationMs: number, signal: AbortSignal): Promise<boolean> {
  await sleep(clock, durationMs, signal).catch(() => undefined);
  return !signal.aborted;
}

/** @throws {CliError} usage */
function readPlan(url: string, flags: BenchFlags): Plan {
  if (readTarget(url) === undefined) {
    throw new CliError(EXIT.usage, `"${url}" is not the URL of an HTTP server`, "for example http://127.0.0.1:8000/");
  }
  const body = readBody(flags);
  const headers = readHeaders(flags.header ?? []);
  const warmUpMs = parseDurationMs(flags.warmUp ?? "0s", "--warm-up", { leastMs: 0, mostMs: MOST_DURATION_MS });
  const bounds = { leastMs: 1, mostMs: MOST_DURATION_MS };
  const durationMs = parseDurationMs(flags.duration ?? DEFAULT_DURATION, "--duration", bounds) + warmUpMs;
  const hasType = Object.keys(headers).some((name) => name.toLowerCase() === "content-type");
  const isBinary = flags.bodyFile !== undefined && !flags.bodyFile.endsWith(".json");
  const type = isBinary ? "application/octet-stream" : "application/json";
  return {
    traffic: {
      url,
      method: readMethod(flags.method ?? (body === undefined ? "GET" : "POST")),
      headers: body === undefined || hasType ? headers : { "content-type": type, ...headers },
      body,
      timeoutMs: readAmount(flags.timeoutMs, "--timeout-ms", MOST_DURATION_MS) ?? DEFAULT_TIMEOUT_MS,
      warmUpMs,
    },
    ratePerSecond: readAmount(flags.rate, "--rate", MOST_RATE_PER_SECOND),
    connectionCount: readCount(flags.connections),
    durationMs,
    arrivals: flags.poisson === true ? "poisson" : "fixed",
  };
}

function readMethod(text: string): string {
  if (/^[A-Za-z]{1,32}$/.test(text)) return text.toUpperCase();
  throw new CliError(EXIT.usage, `--method "${text}" is not an HTTP method`, "for example --method PUT");
}

function readBody(flags: BenchFlags): string | Uint8Array | undefined {
  if (flags.bodyFile === undefined) return flags.body;
  if (flags.body !== undefined) throw new CliError(EXIT.usage, "--body and --body-file exclude each other");
  try {
    return readFileSync(flags.bodyFile);
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new CliError(EXIT.usage, `the body file cannot be read: ${cause}`, "", { cause: error });
  }
}

function readHeaders(lines: readonly string[]): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*([\t\x20-\x7e\x80-\xff]*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      throw new CliError(EXIT.usage, `--header "${line}" is not NAME: VALUE`, 'for example --header "x-api-key: abc"');
    }
    headers[name] = value;
  }
  return headers;
}

function readAmount(text: string | undefined, flag: string, most: number): number | undefined {
  if (text === undefined) return undefined;
  const amount = Number(text);
  if (text.trim() === "" || !(amount > 0) || amount > most) {
    throw new CliError(EXIT.usage, `${flag} "${text}" is not a number above 0 and at most ${String(most)}`);
  }
  return amount;
}

function readCount(text: string | undefined): number | undefined {
  const count = readAmount(text, "--connections", MOST_CONNECTIONS);
  if (count === undefined || Number.isInteger(count)) return count;
  throw new CliError(EXIT.usage, `--connections "${String(text)}" is not a whole number`);
}
