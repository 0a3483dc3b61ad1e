import type { DeploymentId, Version } from "./ids.ts";

/** What the routers of one process, of one node, or of all, saw of a deployment since they told last. */
export type DeploymentLoad = {
  readonly deployment: DeploymentId;
  /** Requests that wait for a replica now. */
  readonly queued: number;
  /** Requests that waited or were ongoing, averaged over the time since the last report. */
  readonly ongoingMean: number;
  readonly arrived: number;
  /** Requests that a replica did its work for, whatever came of it. */
  readonly answered: number;
  /** Versions that answered while a rollout divided the requests; empty otherwise. */
  readonly versions: readonly VersionLoad[];
};

/** How one version's requests ended since the last report. */
export type VersionLoad = {
  readonly version: Version;
  /** Requests that went to a replica of it. */
  readonly sent: number;
  /** All that ended with an answer of the version or an error of it, and those that should have long ago. */
  readonly answered: number;
  /** Those among them that ended with an error that is not the caller's. */
  readonly failed: number;
  /** Why the first of them failed; empty: none did. */
  readonly firstError: string;
  /** How many took how long, per bucket of `core/latency-histogram.ts`. */
  readonly latencies: readonly number[];
};

/** Outcomes of the same versions, seen in two places or at two times, as one. */
export function mergeVersionLoads(left: readonly VersionLoad[], right: readonly VersionLoad[]): readonly VersionLoad[] {
  if (left.length === 0) return right;
  if (right.length === 0) return left;
  const merged = new Map(left.map((load) => [load.version, load]));
  for (const load of right) {
    const before = merged.get(load.version);
    merged.set(load.version, before === undefined ? load : sumOf(before, load));
  }
  return [...merged.values()];
}

function sumOf(left: VersionLoad, right: VersionLoad): VersionLoad {
  const buckets = Math.max(left.latencies.length, right.latencies.length);
  return {
    version: left.version,
    sent: left.sent + right.sent,
    answered: left.answered + right.answered,
    failed: left.failed + right.failed,
    firstError: left.firstError === "" ? right.firstError : left.firstError,
    latencies: Array.from({ length: buckets }, (_, at) => (left.latencies[at] ?? 0) + (right.latencies[at] ?? 0)),
  };
}
