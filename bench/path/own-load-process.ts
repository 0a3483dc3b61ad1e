/** Runs one load, as its argument says, and prints the report; the process behind own-load.ts. */
import { availableParallelism } from "node:os";
import { startClosedLoad } from "../../load/closed-loop.ts";
import { startLoad } from "../../load/open-loop.ts";
import type { TrafficOptions } from "../../load/traffic.ts";
import type { OwnLoadOptions } from "./own-load.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as Omit<OwnLoadOptions, "core">;
const { url, body, seconds, ratePerSecond, connectionCount, timeoutMs } = options;
const traffic: TrafficOptions = {
  ...{ url, body, timeoutMs, method: "POST", headers: { "content-type": "application/json" } },
  eventLatenessMs(data) {
    const dueAt = /"dueAt":([\d.]+)/.exec(data)?.[1];
    return dueAt === undefined ? undefined : performance.timeOrigin + performance.now() - Number(dueAt);
  },
};
const isPrecise = availableParallelism() >= 4;
const load =
  ratePerSecond === undefined
    ? startClosedLoad({ ...traffic, connectionCount })
    : startLoad({ ...traffic, ratePerSecond, mostConnections: connectionCount, isPrecise });
await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
process.stdout.write(JSON.stringify(await load.stop()));
