import { type LoadDeps, machineLoadDeps } from "./load-deps.ts";
import { readTarget } from "./load-request.ts";
import type { LoadReport } from "./load-report.ts";
import { type RunningLoad, Traffic, type TrafficOptions } from "./traffic.ts";

/** What to send, and over how many connections. */
export type ClosedLoadOptions = TrafficOptions & {
  /** Each sends its next request when the one before has ended. */
  readonly connectionCount: number;
};

/** Time limits are looked at this often. */
const EXPIRE_EVERY_MS = 5;
/** A connection whose request failed rests, so that a server that refuses everybody is not called in a circle. */
const REST_MS = 10;

/**
 * Starts a closed load at once: callers that each wait for their answer. It finds the most a server can do; how long
 * callers wait who do not wait for one another is what an open load (`startLoad`) finds.
 *
 * @throws {TypeError} when the URL is none that a load can go to.
 */
export function startClosedLoad(options: ClosedLoadOptions, deps: LoadDeps = machineLoadDeps): RunningLoad {
  const { clock } = deps;
  const target = readTarget(options.url);
  if (target === undefined) throw new TypeError(`"${options.url}" is not the URL of an HTTP server`);
  let report: Promise<LoadReport> | undefined;
  let isClosed = false;
  const sendNext = (): void => {
    if (report === undefined) traffic.send(clock.now());
  };
  const traffic = new Traffic(clock, target, {
    ...options,
    mostConnections: options.connectionCount,
    onEnding(ending) {
      options.onEnding?.(ending);
      if (/^[2345]\d\d$/.test(ending.outcome)) sendNext();
      else clock.after(REST_MS, sendNext);
    },
  });
  const expire = (): void => {
    if (isClosed) return;
    traffic.expire();
    clock.after(EXPIRE_EVERY_MS, expire);
  };
  for (let i = 0; i < options.connectionCount; i++) sendNext();
  expire();
  return {
    get sent() {
      return traffic.sent;
    },
    stop() {
      report ??= traffic.close().finally(() => (isClosed = true));
      return report;
    },
  };
}
