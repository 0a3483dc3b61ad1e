import { ownLoad } from "../../own-load.ts";
import { smallBody } from "../work.ts";
import { wrk } from "../wrk.ts";
import { type Load, mustSucceed } from "./load.ts";

const BULK_CONNECTIONS = 8;
const SMALL = { body: smallBody(), connectionCount: 1, timeoutMs: 10_000 } as const;

/** What small requests suffer when large ones take the same way. */
export const MIXED_LOADS: readonly Load[] = [
  {
    name: `1 KB on one connection, alone and beside 1 MB on ${String(BULK_CONNECTIONS)}`,
    designs: ["bare", "llhttp", "node"],
    columns: [
      { key: "aloneP50Ms", title: "alone p50 ms", digits: 3 },
      { key: "mixedP50Ms", title: "mixed p50 ms", digits: 3 },
      { key: "timesSlower", title: "mixed ÷ alone", digits: 2, ratio: true },
      { key: "mixedP99Ms", title: "mixed p99 ms", digits: 2 },
      { key: "bulkPerSecond", title: "1 MB/s", digits: 0, ratio: true },
      { key: "failed", title: "failed", digits: 0 },
    ],
    async measure(design, { cores, seconds }) {
      const url = `${design.url}/work`;
      const small = { ...SMALL, url, core: cores.load };
      const alone = await ownLoad({ ...small, seconds: seconds / 2 });
      const [mixed, bulk] = await Promise.all([
        ownLoad({ ...small, seconds }),
        wrk({ url, body: "1 MB", connectionCount: BULK_CONNECTIONS, seconds: seconds + 1, core: cores.bulkLoad }),
      ]);
      const failed = bulk.failed + mixed.sent - mixed.succeeded + alone.sent - alone.succeeded;
      mustSucceed(failed, bulk.requests + mixed.sent + alone.sent);
      return {
        failed,
        aloneP50Ms: alone.latency.p50Ms,
        mixedP50Ms: mixed.latency.p50Ms,
        timesSlower: mixed.latency.p50Ms / alone.latency.p50Ms,
        mixedP99Ms: mixed.latency.p99Ms,
        bulkPerSecond: (bulk.requests / bulk.elapsedMs) * 1_000,
      };
    },
  },
];
