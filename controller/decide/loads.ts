import type { DeploymentId } from "../../core/ids.ts";
import { type DeploymentLoad, mergeVersionLoads } from "../../core/load.ts";
import { type ClusterState, deploymentsOf, effectiveRelease, isReady, type ReplicaRecord } from "./cluster.ts";
import { emptyHistory, type LoadHistory, recorded } from "./load-history.ts";
import { NO_USAGE, type Usage, used } from "./usage.ts";

/** What a deployment's replicas are like at a moment; `taking` and `busy` of those that requests are sent to. */
type Replicas = { ready: number; taking: number; busy: number; idle: number; gpus: number };

/**
 * What changes of the state after a look at what routers tell and replicas do, `ms` after the one before. Histories are kept of
 * deployments that scale by themselves, whether anybody asks for them or not.
 */
export function withLoads(
  state: ClusterState,
  { loads, ms }: { readonly loads: readonly DeploymentLoad[]; readonly ms: number },
  now: number,
): Pick<ClusterState, "loads" | "usage" | "shifts"> {
  const replicas = replicasByDeployment(state);
  const byId = new Map(loads.map((load) => [load.deployment, load]));
  const histories = new Map<DeploymentId, LoadHistory>();
  for (const application of state.applications.values()) {
    const release = effectiveRelease(application);
    if (release === undefined || application.isDeleting) continue;
    for (const { id, spec } of deploymentsOf(release)) {
      const { autoscaling } = spec.options;
      if (autoscaling === undefined) continue;
      const load = byId.get(id);
      const { taking: ready, busy } = replicas.get(id) ?? NO_REPLICAS;
      const { queued = 0, ongoingMean: ongoing = 0, arrived = 0, answered = 0 } = load ?? {};
      const sample = { at: now, ms, ongoing, queued, arrived, answered, busy, ready };
      histories.set(id, recorded(state.loads.get(id) ?? emptyHistory(now), sample, autoscaling.downscaleDelayMs));
    }
  }
  const usage = new Map<DeploymentId, Usage>();
  for (const [id, { ready, idle, gpus }] of replicas) {
    usage.set(id, used(state.usage.get(id) ?? NO_USAGE, { ready, idle, gpus, ms }));
  }
  for (const [id, kept] of state.usage) if (!usage.has(id) && histories.has(id)) usage.set(id, kept);
  return { loads: histories, usage, shifts: withOutcomes(state.shifts, loads) };
}

function withOutcomes(shifts: ClusterState["shifts"], loads: readonly DeploymentLoad[]): ClusterState["shifts"] {
  const told = loads.filter(({ deployment, versions }) => versions.length > 0 && shifts.has(deployment));
  if (told.length === 0) return shifts;
  const changed = new Map(shifts);
  for (const { deployment, versions } of told) {
    const shift = changed.get(deployment);
    if (shift !== undefined) {
      changed.set(deployment, { ...shift, outcomes: mergeVersionLoads(shift.outcomes, versions) });
    }
  }
  return changed;
}

/** Nothing that was heard before counts: of one deployment, or of all, when this process stood still itself. */
export function withForgottenLoads(
  state: ClusterState,
  now: number,
  deployment?: DeploymentId,
): Pick<ClusterState, "loads"> {
  const begin = ([id, history]: [DeploymentId, LoadHistory]): [DeploymentId, LoadHistory] =>
    deployment === undefined || deployment === id ? [id, { ...history, since: now }] : [id, history];
  return { loads: new Map([...state.loads].map(begin)) };
}

const NO_REPLICAS: Readonly<Replicas> = { ready: 0, taking: 0, busy: 0, idle: 0, gpus: 0 };

/**
 * Whether requests are sent to a replica of that version once it is ready: one that stands by after a switch, or is to be
 * verified first, is no capacity.
 */
export function hasShare(
  { shifts }: Pick<ClusterState, "shifts">,
  { deployment, version }: Pick<ReplicaRecord, "deployment" | "version">,
): boolean {
  const shift = shifts.get(deployment);
  if (shift === undefined) return true;
  if (version === shift.from) return shift.percent < 100;
  return version === shift.to && (shift.percent > 0 || shift.match.length > 0);
}

function replicasByDeployment(state: ClusterState): ReadonlyMap<DeploymentId, Replicas> {
  const all = new Map<DeploymentId, Replicas>();
  for (const replica of state.replicas.values()) {
    let one = all.get(replica.deployment);
    if (one === undefined) all.set(replica.deployment, (one = { ...NO_REPLICAS }));
    one.gpus += replica.gpus.length;
    if (!isReady(replica)) continue;
    const { utilisation = 0, ongoing = 0 } = replica.report ?? {};
    one.ready += 1;
    if (utilisation === 0 && ongoing === 0) one.idle += 1;
    if (!hasShare(state, replica)) continue;
    one.taking += 1;
    one.busy += utilisation;
  }
  return all;
}
