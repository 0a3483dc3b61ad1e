/**
 * What the data path promises, held against what was measured. A bar says nothing where its load was not run.
 */
import { DEFAULT_MAX_QUEUED_REQUESTS } from "../../core/limits.ts";
import { type Verdict, verdict } from "../verdict.ts";
import type { DesignName } from "./design.ts";
import { CAPACITY_PER_SECOND } from "./load/overload.ts";
import type { LoadResult, RatedSpread } from "./rounds.ts";

/** Bodies of 1 MB from many clients may leave memory this much higher in the second half of the time than in the first. */
const FLAT_RATIO = 1.1;
/** The overloaded deployment's queue ÷ what it drains: 1,000 ÷ 1,600 a second is 625 ms. */
const QUEUE_MS = (DEFAULT_MAX_QUEUED_REQUESTS / CAPACITY_PER_SECOND) * 1_000;

type Lookup = (load: string, design: DesignName, key: string) => RatedSpread | undefined;
type Bar = { readonly promise: string; readonly most?: number; readonly least?: number; value(at: Lookup): number };

/** Every promise, in the order in which they are made. */
export function verdicts(results: readonly LoadResult[]): readonly Verdict[] {
  const at: Lookup = (load, design, key) => {
    const result = results.find((one) => one.load.startsWith(load));
    return result?.designs.find((one) => one.design === design)?.figures[key];
  };
  return BARS.map(({ promise, least, most, value }) => verdict(promise, value(at), { least, most }));
}

const BARS: readonly Bar[] = [
  ...ratioBars("1 KB, 64 connections", "llhttp", 1.4),
  ...ratioBars("1 KB, 64 connections", "node", 0.8),
  cpuBar("1 KB, 64 connections, both cores busy", "llhttp", 1.4),
  cpuBar("1 KB, 64 connections, both cores busy", "node", 0.8),
  ...(["llhttp", "node"] as const).map((design): Bar => {
    const perSecond = (at: Lookup, count: number): number =>
      median(at(`1 KB, ${String(count)} connections`, design, "perSecond"));
    return {
      promise: `1 KB: ${design} with 256 connections ≥ 0.9 × with 64`,
      least: 0.9,
      value: (at) => perSecond(at, 256) / perSecond(at, 64),
    };
  }),
  addedBar("1 KB, 1 connection", 0.25),
  addedBar("two hops, 1 connection", 0.5),
  ...ratioBars("64 KB, 64 connections", "llhttp", 0.8),
  ...ratioBars("64 KB, 64 connections", "node", 0.6),
  ...ratioBars("1 MB, 8 connections", "llhttp", 0.6),
  {
    promise: "small requests' p50 beside 1 MB bodies ≤ 3 × alone, llhttp",
    most: 3,
    value: (at) => median(at("1 KB on one connection", "llhttp", "timesSlower")),
  },
  ...(["proxy", "replica"] as const).map((part): Bar => ({
    promise: `${part}'s memory flat while 64 clients send 1 MB: most of the 2nd half ÷ most of the 1st ≤ ${String(FLAT_RATIO)}`,
    most: FLAT_RATIO,
    value: (at) => median(at("memory", "llhttp", `${part}LateMb`)) / median(at("memory", "llhttp", `${part}EarlyMb`)),
  })),
  {
    promise: "SSE, 256 paced: proxy CPU a chunk ≤ 1.2 × bare",
    most: 1.2,
    value: (at) => ratio(at("SSE, 256", "llhttp", "proxyMicros")),
  },
  {
    promise: "SSE, 256 paced: lateness p99 ≤ 2 × bare",
    most: 2,
    value: (at) => ratio(at("SSE, 256", "llhttp", "latenessP99Ms")),
  },
  {
    promise: "SSE, 64 as fast as possible: chunks a second ≥ 1.0 × bare",
    least: 1,
    value: (at) => ratio(at("SSE, 64", "llhttp", "chunksPerSecond")),
  },
  {
    promise: "two proxies: CPU a request ≤ 1.1 × one proxy's",
    most: 1.1,
    value: (at) => ofTwoProxies(at, "proxyMicros"),
  },
  {
    promise: "two proxies: throughput ≥ 1.3 × one proxy's (1.6 with 6 cores)",
    least: 1.3,
    value: (at) => ofTwoProxies(at, "perSecond"),
  },
  {
    promise: "two proxies: the fuller has ≤ 65 % of the connections",
    most: 0.65,
    value: (at) => at("1 KB, 128 connections", "two proxies", "fullerShare")?.max ?? Number.NaN,
  },
  overloadBar("goodput ≥ 0.95 × capacity", "goodputRatio", { least: 0.95 }),
  overloadBar("admitted p99 ≤ 1.2 × queue ÷ drain rate", "admittedP99Ms", { most: QUEUE_MS * 1.2 }),
  overloadBar("refused p50 ≤ 5 ms", "refusedP50Ms", { most: 5 }),
  overloadBar("every refusal has Retry-After", "retryAfterRatio", { least: 1 }),
  {
    promise: "overload: p50 in the 2nd second after ≤ 1.2 × before",
    most: 1.2,
    value: (at) =>
      median(at("overload", "llhttp", "secondSecondP50Ms")) / median(at("overload", "llhttp", "calmP50Ms")),
  },
];

function ratioBars(load: string, design: DesignName, least: number): readonly Bar[] {
  const promise = `${load}: ${design} ≥ ${String(least)} × bare`;
  return [{ promise, least, value: (at) => ratio(at(load, design, "perSecond")) }, cpuBar(load, design, least)];
}

/** What requests a second come to where the proxy's core is what limits them. */
function cpuBar(load: string, design: DesignName, least: number): Bar {
  const promise = `${load}: ${design} ≥ ${String(least)} × bare, by CPU time`;
  return { promise, least, value: (at) => 1 / ratio(at(load, design, "proxyMicros")) };
}

function addedBar(load: string, most: number): Bar {
  const promise = `${load}: llhttp adds ≤ ${String(most)} ms to bare's p50`;
  return { promise, most, value: (at) => median(at(load, "llhttp", "p50Ms")) - median(at(load, "bare", "p50Ms")) };
}

function overloadBar(promise: string, key: string, bound: Pick<Bar, "most" | "least">): Bar {
  return { promise: `overload: ${promise}`, ...bound, value: (at) => median(at("overload", "llhttp", key)) };
}

function ofTwoProxies(at: Lookup, key: string): number {
  const load = "1 KB, 128 connections";
  return median(at(load, "two proxies", key)) / median(at(load, "llhttp", key));
}

function median(figure: RatedSpread | undefined): number {
  return figure?.median ?? Number.NaN;
}

function ratio(figure: RatedSpread | undefined): number {
  return figure?.ratio?.median ?? Number.NaN;
}
