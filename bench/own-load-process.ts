/** Runs one load, as its argument says, and prints the report; the process behind own-load.ts. */
import { availableParallelism } from "node:os";
import { seededRandom } from "../core/random.ts";
import { startClosedLoad } from "../load/closed-loop.ts";
import { machineLoadDeps } from "../load/load-deps.ts";
import { startLoad } from "../load/open-loop.ts";
import type { TrafficOptions } from "../load/traffic.ts";
import type { OwnLoadOptions } from "./own-load.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as Omit<OwnLoadOptions, "core">;
const { url, body, headers, seconds, ratePerSecond, arrivals, seed, connectionCount, timeoutMs } = options;
const bodies = [body].flat().map((text) => Buffer.from(text));
const traffic: TrafficOptions = {
  ...{ url, timeoutMs, method: "POST", headers: { "content-type": "application/json", ...headers } },
  body: bodies[0],
  requestOf: bodies.length === 1 ? undefined : (sequence) => ({ body: bodies[sequence % bodies.length] }),
  eventLatenessMs(data) {
    const dueAt = /"dueAt":([\d.]+)/.exec(data)?.[1];
    return dueAt === undefined ? undefined : performance.timeOrigin + performance.now() - Number(dueAt);
  },
};
const isPrecise = availableParallelism() >= 4;
const deps = seed === undefined ? machineLoadDeps : { ...machineLoadDeps, random: seededRandom(seed) };
const load =
  ratePerSecond === undefined
    ? startClosedLoad({ ...traffic, connectionCount }, deps)
    : startLoad({ ...traffic, ratePerSecond, arrivals, mostConnections: connectionCount, isPrecise }, deps);
await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
process.stdout.write(JSON.stringify(await load.stop()));
