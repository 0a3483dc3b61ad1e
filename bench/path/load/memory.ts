import { residentMegabytes } from "../process-figures.ts";
import { wrk } from "../wrk.ts";
import { type Load, mustSucceed } from "./load.ts";

const CONNECTIONS = 64;
/** So many times as long as other windows: a minute where those last two seconds. */
const WINDOWS = 30;
const SAMPLE_EVERY_MS = 1_000;

/** Whether memory grows while many clients send large bodies. */
export const MEMORY_LOADS: readonly Load[] = [
  {
    name: `memory while ${String(CONNECTIONS)} clients send 1 MB`,
    designs: ["bare", "llhttp", "node"],
    isRepeated: false,
    columns: [
      { key: "perSecond", title: "req/s", digits: 0 },
      { key: "proxyBeforeMb", title: "proxy MB before", digits: 0 },
      { key: "proxyEarlyMb", title: "most, 1st half", digits: 0 },
      { key: "proxyLateMb", title: "most, 2nd half", digits: 0 },
      { key: "replicaBeforeMb", title: "replica MB before", digits: 0 },
      { key: "replicaEarlyMb", title: "most, 1st half", digits: 0 },
      { key: "replicaLateMb", title: "most, 2nd half", digits: 0 },
      { key: "failed", title: "failed", digits: 0 },
    ],
    async measure(design, { cores, seconds }) {
      const pids = [design.proxyPids, design.replicaPids("work")];
      const sample = (): readonly number[] =>
        pids.map((some) => some.reduce((sum, pid) => sum + residentMegabytes(pid), 0));
      const before = sample();
      const samples: (readonly number[])[] = [];
      const timer = setInterval(() => samples.push(sample()), SAMPLE_EVERY_MS);
      const options = { url: `${design.url}/work`, body: "1 MB", connectionCount: CONNECTIONS } as const;
      const figures = await wrk({ ...options, seconds: seconds * WINDOWS, core: cores.load });
      clearInterval(timer);
      mustSucceed(figures.failed, figures.requests);
      const half = Math.ceil(samples.length / 2);
      const most = (some: readonly (readonly number[])[], which: number): number =>
        Math.max(...some.map((one) => one[which] ?? Number.NaN));
      return {
        perSecond: (figures.requests / figures.elapsedMs) * 1_000,
        proxyBeforeMb: before[0] ?? Number.NaN,
        proxyEarlyMb: most(samples.slice(0, half), 0),
        proxyLateMb: most(samples.slice(half), 0),
        replicaBeforeMb: before[1] ?? Number.NaN,
        replicaEarlyMb: most(samples.slice(0, half), 1),
        replicaLateMb: most(samples.slice(half), 1),
        failed: figures.failed,
      };
    },
  },
];
