import type { ApplicationName, DeploymentId } from "../../core/ids.ts";
import { splitDeploymentId } from "../../core/ids.ts";
import type { DeploymentSpec, RolloutSpec } from "../../core/spec.ts";
import type { Action } from "./action.ts";
import {
  type ApplicationRecord,
  type ClusterState,
  deploymentsOf,
  effectiveRelease,
  isReady,
  isServing,
  releaseOf,
  type ReplicaRecord,
  replicasOf,
  type Shift,
  type StageRecord,
} from "./cluster.ts";
import { NO_OUTCOMES, type Outcomes } from "./gate.ts";
import type { Plan } from "./plan.ts";
import { givenUpReason } from "./rollout.ts";
import { advance, countFor, firstStage, isWatched, percentFor, type Watch } from "./rollout-stage.ts";
import { rolloutViews, servingCount } from "./rollout-view.ts";

/**
 * Takes the new versions of an application one step further, or gives them up: its release as a whole, because it was
 * deployed as one. Which requests go where follows from the stages, and is kept as shifts.
 */
export function advanceRollout(plan: Plan, name: ApplicationName): void {
  giveUpFailing(plan, name);
  const release = releaseInProgress(plan.state, name);
  for (const one of release === undefined ? [] : deploymentsOf(release)) {
    const stage = stageOf(plan.state, one);
    if (stage !== undefined && stage.stage.kind !== "rolling") advanceDeployment(plan, one, stage);
  }
  // Judged by where each stands now: old replicas may leave in this very turn, and the new ones must be reached by then.
  const divided = dividedDeployments(plan.state, name);
  for (const id of plan.state.shifts.keys()) {
    if (splitDeploymentId(id).application === name && !divided.has(id)) {
      plan.add({ kind: "shift", deployment: id, shift: undefined, reason: "over" });
    }
  }
}

/** Deployments of the release in progress whose requests are divided between two versions. */
function dividedDeployments(state: ClusterState, name: ApplicationName): ReadonlySet<DeploymentId> {
  const release = releaseInProgress(state, name);
  const divided = new Set<DeploymentId>();
  for (const one of release === undefined ? [] : deploymentsOf(release)) {
    const stage = stageOf(state, one);
    if (stage !== undefined && stage.stage.kind !== "rolling") divided.add(one.id);
  }
  return divided;
}

/** Where a deployment's newest version stands; undefined: it is not taking over from another. */
export function stageOf(
  state: ClusterState,
  { id, spec }: { readonly id: DeploymentId; readonly spec: DeploymentSpec },
): StageRecord | undefined {
  const application = state.applications.get(splitDeploymentId(id).application);
  if (application === undefined || application.failure !== undefined || application.isDeleting) return undefined;
  const { rollout, target, stable } = application;
  const known = rollout?.generation === target ? rollout.stages[spec.name] : undefined;
  if (known !== undefined) return known;
  if (stable === target) return undefined;
  const from = releaseOf(application, stable)?.spec.deployments.find((one) => one.name === spec.name)?.version;
  if (from === undefined || from === spec.version) return undefined;
  return { stage: firstStage(spec.options.rollout, isKnown(application, spec)), from, scores: {} };
}

/** Whether a deployment's new version has all requests for as long as it is to be watched, old replicas or not. */
export function hasSwitched(
  state: ClusterState,
  { id, spec }: { id: DeploymentId; spec: DeploymentSpec },
  now: number,
): boolean {
  const shift = state.shifts.get(id);
  return shift?.percent === 100 && isWatched({ spec: spec.options.rollout, watch: watchOf(shift) }, now);
}

/** The release that is being rolled out, or whose old replicas still stand by. */
function releaseInProgress(state: ClusterState, name: ApplicationName): ReturnType<typeof effectiveRelease> {
  const application = state.applications.get(name);
  if (application === undefined || application.failure !== undefined || application.isDeleting) return undefined;
  return effectiveRelease(application);
}

function advanceDeployment(
  plan: Plan,
  { id, spec }: { readonly id: DeploymentId; readonly spec: DeploymentSpec },
  record: StageRecord,
): void {
  const { state, now } = plan;
  const application = state.applications.get(splitDeploymentId(id).application);
  if (application === undefined || application.failure !== undefined) return;
  const { rollout } = spec.options;
  const { name, target: generation, stable } = application;
  const target = state.targets.get(id)?.target ?? 0;
  const serving = servingCount(state, { deployment: id, version: spec.version }, now);
  const shift = shiftTo(plan, { id, spec }, record);
  if (stable === generation) {
    // It was promoted: only the old replicas still stand by.
    if (shift !== undefined && now >= shift.since + rollout.keepOldMs) {
      const to: StageRecord = { ...record, stage: { kind: "rolling" } };
      plan.add({ kind: "advance", application: name, generation, deployment: id, to, reason: "keptLongEnough" });
    }
    return;
  }
  const verification = state.verifications.get(id);
  const decision = advance(
    {
      spec: rollout,
      stage: record.stage,
      scores: record.scores,
      target,
      serving,
      isPaused: application.rollout?.generation === generation && application.rollout.isPaused,
      isKnown: isKnown(application, spec),
      verification: verification?.version === spec.version ? verification : undefined,
      watch: shift === undefined ? undefined : watchOf(shift),
    },
    now,
  );
  switch (decision.kind) {
    case "wait":
      return;
    case "ask":
      askVerify(plan, { id, spec }, record);
      return;
    case "advance": {
      const to: StageRecord = { ...record, stage: decision.stage, scores: decision.scores ?? record.scores };
      plan.add({ kind: "advance", application: name, generation, deployment: id, to, reason: decision.reason });
      return;
    }
    case "refuse":
      giveUp(plan, application, { deployment: id, reason: decision.reason, cause: decision.cause });
  }
}

/** Divides the requests as the stage has it; the shift there is now. */
function shiftTo(
  plan: Plan,
  { id, spec }: { readonly id: DeploymentId; readonly spec: DeploymentSpec },
  record: StageRecord,
): Shift | undefined {
  // A table that gives a share names the replicas too, so those that are ready count, known to routers or not: after a
  // restart of the controller none is known at first, and users would be moved to and fro.
  const isReadyOne = (one: ReplicaRecord): boolean =>
    one.version === spec.version && one.desired === "run" && isReady(one);
  const serving = replicasOf(plan.state, id).filter(isReadyOne).length;
  const target = plan.state.targets.get(id)?.target ?? 0;
  const percent = percentFor(record.stage, spec.options.rollout, { target, serving });
  const before = plan.state.shifts.get(id);
  const { match } = spec.options.rollout;
  if (percent === undefined) return undefined;
  const isSame = before?.to === spec.version && before.from === record.from && before.percent === percent;
  if (!isSame) {
    const shift = { from: record.from, to: spec.version, percent, match };
    plan.add({ kind: "shift", deployment: id, shift, reason: "stage" });
  }
  return plan.state.shifts.get(id);
}

function watchOf({ since, from, to, outcomes }: Shift): Watch {
  const of = (version: string): Outcomes => outcomes.find((one) => one.version === version) ?? NO_OUTCOMES;
  return { since, newVersion: of(to), oldVersion: of(from) };
}

function askVerify(
  plan: Plan,
  { id, spec }: { readonly id: DeploymentId; readonly spec: DeploymentSpec },
  { from }: StageRecord,
): void {
  const { state, now } = plan;
  const asked = replicasOf(state, id).find((one) => one.version === spec.version && isServing(state, one, now));
  if (asked === undefined) return;
  const { verifyTimeoutMs: timeoutMs } = spec.options.rollout;
  const question = { deployment: id, askedOf: asked.id, from, to: spec.version, timeoutMs };
  plan.add({ kind: "askVerify", ...question, reason: "serving" });
}

/** A release that served whole has the version: what it does is known. */
function isKnown({ releases }: ApplicationRecord, { name, version }: DeploymentSpec): boolean {
  return releases.some(
    ({ hasServed, spec }) =>
      hasServed === true && spec.deployments.some((one) => one.name === name && one.version === version),
  );
}

/** Gives the target release up when one of its deployments cannot start, and was not running before in that version. */
function giveUpFailing(plan: Plan, name: ApplicationName): void {
  const { state, now } = plan;
  const application = state.applications.get(name);
  if (application === undefined || application.isDeleting || application.failure !== undefined) return;
  if (application.stable === application.target) return;
  const release = effectiveRelease(application);
  const stable = releaseOf(application, application.stable);
  const servedBefore = new Map(
    stable === undefined ? [] : deploymentsOf(stable).map(({ id, spec }) => [id, spec.version]),
  );
  for (const { id: deployment, spec } of release === undefined ? [] : deploymentsOf(release)) {
    const { version } = spec;
    if (servedBefore.get(deployment) === version) continue;
    const cause = givenUpReason(rolloutViews(state, { deployment, wanted: version }, now), version);
    if (cause === undefined) continue;
    giveUp(plan, application, { deployment, reason: "startsFailed", cause });
    return;
  }
}

type GiveUp = Extract<Action, { kind: "giveUp" }>;

function giveUp(
  plan: Plan,
  application: ApplicationRecord,
  why: Pick<GiveUp, "deployment" | "reason" | "cause">,
): void {
  const { name, target: generation } = application;
  plan.add({ kind: "giveUp", application: name, generation, fallback: fallbackOf(plan, application), ...why });
}

/**
 * The release to go back to: the newest since the stable one of which every deployment serves. It may not have been
 * promoted yet, for instance a first release that a broken second one followed at once; what serves is never taken away.
 */
function fallbackOf({ state, now }: Plan, application: ApplicationRecord): number {
  const { stable, target: given } = application;
  const later = application.releases.filter(({ generation }) => generation > stable && generation < given);
  const serving = later
    .filter((release) =>
      deploymentsOf(release).every(
        ({ id, spec }) => servingCount(state, { deployment: id, version: spec.version }, now) > 0,
      ),
    )
    .map(({ generation }) => generation);
  return Math.max(stable, ...serving);
}

/** Replicas of both versions, while they serve side by side; undefined: the new one takes over replica by replica. */
export function besideOf(
  record: StageRecord | undefined,
  rollout: RolloutSpec,
  target: number,
): { readonly from: StageRecord["from"]; readonly newCount: number } | undefined {
  const newCount = record === undefined ? undefined : countFor(record.stage, rollout, target);
  return record === undefined || newCount === undefined ? undefined : { from: record.from, newCount };
}
