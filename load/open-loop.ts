/**
 * An open-loop load: requests leave on a fixed schedule, whether or not earlier ones were answered, so that a slow
 * server cannot slow down the load that measures it. Latency counts from the moment a request was due, not from when
 * it was sent (coordinated omission). Every request ends in exactly one outcome; one without an answer counts as failed.
 */
import { Agent, request as httpRequest } from "node:http";

/** What to send, how often, and when to give up on an answer. */
export type LoadOptions = {
  readonly url: string;
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly ratePerSecond: number;
  /** A request without a whole answer by then has failed. */
  readonly timeoutMs: number;
};

/** What became of a load. */
export type LoadReport = {
  readonly sent: number;
  readonly succeeded: number;
  /** Outcome → count, of everything that is not a 2xx: `503`, `ECONNRESET`, `timeout`. */
  readonly failures: Readonly<Record<string, number>>;
  /** Of the answered ones, from the due time, in milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
};

/** A load that runs until it is stopped. */
export type RunningLoad = {
  /** Requests sent so far. */
  readonly sent: number;
  /** Sends nothing more, waits for what is under way, and reports. Idempotent. */
  stop(): Promise<LoadReport>;
};

/** Starts a load at once. */
export function startLoad(options: LoadOptions): RunningLoad {
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  const startedAt = performance.now();
  const latencies: number[] = [];
  const failures = new Map<string, number>();
  const ongoing = new Set<Promise<void>>();
  let sent = 0;

  const sendOne = (dueAt: number): void => {
    const done = exchange(options, agent).then((outcome) => {
      ongoing.delete(done);
      if (/^2\d\d$/.test(outcome)) {
        latencies.push(performance.now() - dueAt);
        return;
      }
      failures.set(outcome, (failures.get(outcome) ?? 0) + 1);
    });
    ongoing.add(done);
  };

  // A timer every 2 ms sends whatever has come due since the last one, so the rate holds above what timers resolve.
  const timer = setInterval(() => {
    // The first is due at once, so there is always one more than whole periods have passed.
    const due = Math.floor(((performance.now() - startedAt) * options.ratePerSecond) / 1000) + 1;
    while (sent < due) {
      sendOne(startedAt + (sent * 1000) / options.ratePerSecond);
      sent += 1;
    }
  }, 2);

  return {
    get sent() {
      return sent;
    },
    async stop() {
      clearInterval(timer);
      await Promise.all(ongoing);
      agent.destroy();
      latencies.sort((a, b) => a - b);
      return {
        sent,
        succeeded: latencies.length,
        failures: Object.fromEntries(failures),
        p50Ms: quantile(latencies, 0.5),
        p99Ms: quantile(latencies, 0.99),
      };
    },
  };
}

/** The value below which a share of the sorted values lies; NaN of nothing. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** One request to its single outcome: a status, an error's code, or `timeout`. Never rejects. */
function exchange(options: LoadOptions, agent: Agent): Promise<string> {
  return new Promise((resolve) => {
    const request = httpRequest(
      options.url,
      { method: options.method, agent, headers: options.headers },
      (response) => {
        response.resume();
        response.on("end", () => {
          clearTimeout(timer);
          resolve(String(response.statusCode));
        });
        response.on("error", onError);
      },
    );
    const onError = (error: NodeJS.ErrnoException): void => {
      clearTimeout(timer);
      resolve(error.code ?? error.message);
    };
    const timer = setTimeout(() => {
      resolve("timeout");
      request.destroy();
    }, options.timeoutMs);
    request.on("error", onError);
    request.end(options.body);
  });
}
