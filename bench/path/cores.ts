import { execFileSync, spawn } from "node:child_process";
import { availableParallelism } from "node:os";

/** Which core does what. One process to a core is what makes windows comparable. */
export type CorePlan = {
  readonly coreCount: number;
  /** The load, and the control plane, which is idle. */
  readonly load: number;
  /** A second load beside the first. */
  readonly bulkLoad: number;
  /** One for each proxy; a bare server is on the first. */
  readonly proxies: readonly [number, number];
  /** Replicas that a proxy calls. */
  readonly replicas: readonly [number, number];
  /** The deployment behind a gateway. */
  readonly inner: number;
  /** What cannot be concluded from figures taken on so few cores; empty when nothing. */
  readonly caution: string;
};

/** Plans for the cores there are. */
export function planCores(coreCount = availableParallelism()): CorePlan {
  if (coreCount >= 6) {
    return { coreCount, load: 0, bulkLoad: 5, proxies: [1, 3], replicas: [2, 4], inner: 3, caution: "" };
  }
  if (coreCount >= 4) {
    const caution = "two proxies share the replicas' one core: their throughput is limited by it";
    return { coreCount, load: 0, bulkLoad: 3, proxies: [1, 3], replicas: [2, 2], inner: 3, caution };
  }
  const caution =
    "ONLY TWO CORES: the load and the replica share core 0, the proxy (or the bare server) has core 1; for streams at a pace the load has core 0 and all else core 1. Throughput and latency of ours are limited by that; CPU µs per request can be compared.";
  return { coreCount, load: 0, bulkLoad: 0, proxies: [1, 1], replicas: [0, 0], inner: 0, caution };
}

/**
 * Where everything is while a load measures when something comes, not how much: with two cores the load gets one for itself,
 * as it has it with a bare server, and replicas share the proxy's.
 */
export function planForTiming(plan: CorePlan): CorePlan {
  if (plan.coreCount >= 4) return plan;
  return { ...plan, replicas: [plan.proxies[0], plan.proxies[0]], inner: plan.proxies[0] };
}

/**
 * Keeps the load's core busy with nothing, at idle priority, where two cores may be two threads of one: each is then slower
 * while the other works, by half as measured, and a bare server, which leaves the other all but idle, would look
 * better for that alone. Gives what ends it.
 */
export function keepBusy(plan: CorePlan): () => void {
  if (plan.coreCount >= 4) return () => undefined;
  // It looks now and then whether whom it was started by is still there.
  const loop = "while kill -0 $PPID; do i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; done";
  const idle = ["chrt", "--idle", "0", "sh", "-c", loop];
  const child = spawn("taskset", ["-c", String(plan.load), ...idle], { stdio: "ignore" });
  child.on("error", (error) => console.error(`the load's core is not kept busy: ${error.message}`));
  return () => void child.kill("SIGKILL");
}

/** Keeps all threads of a process, and those it will start, on a core. */
export function pin(pid: number, core: number): void {
  const args = ["-acp", String(core), String(pid)];
  try {
    execFileSync("taskset", args, { stdio: "ignore" });
  } catch {
    // A thread that ends while it looks through them makes it fail; the next time it is not among them.
    execFileSync("taskset", args, { stdio: "ignore" });
  }
}
