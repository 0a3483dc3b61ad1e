import { ownLoad } from "../../own-load.ts";
import { wrk } from "../wrk.ts";
import { type Load, mustSucceed, withCpu } from "./load.ts";

const FAST_STREAMS = 64;
const FAST_CHUNKS = 50;
const PACED_STREAMS = 256;
const PACED_CHUNKS = 100;
const PACE_MS = 5;
const TIMEOUT_MS = 20_000;

/** Streams of server-sent events: as fast as they come, and at a model's pace. */
export const STREAM_LOADS: readonly Load[] = [
  {
    name: `SSE, ${String(FAST_STREAMS)} streams of ${String(FAST_CHUNKS)} chunks as fast as possible`,
    designs: ["bare", "fastify", "llhttp", "node"],
    columns: [
      { key: "chunksPerSecond", title: "chunks/s", digits: 0, ratio: true },
      { key: "p50Ms", title: "stream p50 ms", digits: 2 },
      { key: "p99Ms", title: "stream p99 ms", digits: 1 },
      { key: "proxyMicros", title: "proxy µs/chunk", digits: 2, ratio: true },
      { key: "replicaMicros", title: "replica µs/chunk", digits: 2 },
      { key: "failed", title: "failed", digits: 0 },
    ],
    async measure(design, { cores, seconds }) {
      const options = { url: `${design.url}/stream`, body: "stream", connectionCount: FAST_STREAMS } as const;
      const { result, proxyMicros, replicaMicros } = await withCpu(design, "stream", () =>
        wrk({ ...options, seconds, core: cores.load }),
      );
      mustSucceed(result.failed, result.requests);
      const chunks = result.requests * FAST_CHUNKS;
      return {
        chunksPerSecond: (chunks / result.elapsedMs) * 1_000,
        p50Ms: result.p50Ms,
        p99Ms: result.p99Ms,
        proxyMicros: proxyMicros / chunks,
        replicaMicros: replicaMicros / chunks,
        failed: result.failed,
      };
    },
  },
  {
    name: `SSE, ${String(PACED_STREAMS)} streams, a chunk every ${String(PACE_MS)} ms`,
    designs: ["bare", "llhttp", "node"],
    isTiming: true,
    columns: [
      { key: "chunksPerSecond", title: "chunks/s", digits: 0 },
      { key: "latenessP50Ms", title: "lateness p50 ms", digits: 2 },
      { key: "latenessP99Ms", title: "lateness p99 ms", digits: 2, ratio: true },
      { key: "proxyMicros", title: "proxy µs/chunk", digits: 2, ratio: true },
      { key: "replicaMicros", title: "replica µs/chunk", digits: 2 },
      { key: "failed", title: "failed", digits: 0 },
    ],
    async measure(design, { cores, seconds }) {
      const body = JSON.stringify({ tokens: PACED_CHUNKS, everyMs: PACE_MS });
      const options = { url: `${design.url}/stream`, body, connectionCount: PACED_STREAMS, timeoutMs: TIMEOUT_MS };
      const { result, proxyMicros, replicaMicros } = await withCpu(design, "stream", () =>
        ownLoad({ ...options, seconds, core: cores.load }),
      );
      const { events, elapsedMs } = result;
      mustSucceed(result.sent - result.succeeded, result.sent);
      return {
        chunksPerSecond: (events.count / elapsedMs) * 1_000,
        latenessP50Ms: events.lateness.p50Ms,
        latenessP99Ms: events.lateness.p99Ms,
        proxyMicros: proxyMicros / events.count,
        replicaMicros: replicaMicros / events.count,
        failed: result.sent - result.succeeded,
      };
    },
  },
];
