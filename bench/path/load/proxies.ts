import { setTimeout as wait } from "node:timers/promises";
import { connectionCount } from "../process-figures.ts";
import { wrk } from "../wrk.ts";
import { type Load, mustSucceed, REQUEST_COLUMNS, withCpu } from "./load.ts";

const CONNECTIONS = 128;
/** By then wrk has opened all of its connections. */
const COUNT_AFTER_MS = 500;

/** Two proxies on one port against one. */
export const PROXY_LOADS: readonly Load[] = [
  {
    name: `1 KB, ${String(CONNECTIONS)} connections, one proxy and two`,
    designs: ["bare", "llhttp", "two proxies"],
    columns: [...REQUEST_COLUMNS, { key: "fullerShare", title: "fuller proxy", digits: 2 }],
    async measure(design, { cores, seconds }) {
      const options = { url: `${design.url}/work`, body: "1 KB", connectionCount: CONNECTIONS, seconds } as const;
      const port = Number(new URL(design.url).port);
      const { result, proxyMicros, replicaMicros } = await withCpu(design, "work", async () => {
        const counted = wait(COUNT_AFTER_MS).then(() => design.proxyPids.map((pid) => connectionCount(pid, port)));
        return { figures: await wrk({ ...options, core: cores.load }), counts: await counted };
      });
      const { requests, elapsedMs, p50Ms, p99Ms, failed } = result.figures;
      mustSucceed(failed, requests);
      const sum = result.counts.reduce((total, count) => total + count, 0);
      return {
        perSecond: (requests / elapsedMs) * 1_000,
        ...{ p50Ms, p99Ms, failed },
        proxyMicros: proxyMicros / requests,
        replicaMicros: replicaMicros / requests,
        fullerShare: Math.max(...result.counts) / sum,
      };
    },
  },
];
