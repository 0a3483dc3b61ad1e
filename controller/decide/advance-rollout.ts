import type { ApplicationName, DeploymentId } from "../../core/ids.ts";
import { splitDeploymentId } from "../../core/ids.ts";
import type { DeploymentSpec } from "../../core/spec.ts";
import type { Action } from "./action.ts";
import {
  type ApplicationRecord,
  type ClusterState,
  deploymentsOf,
  effectiveRelease,
  isReady,
  isServing,
  type Release,
  releaseOf,
  type ReplicaRecord,
  replicasOf,
  type Shift,
  type StageRecord,
  storedStage,
} from "./cluster.ts";
import { NO_OUTCOMES, type Outcomes } from "./gate.ts";
import type { Plan } from "./plan.ts";
import { isKnown, unprovenVersions } from "./unproven-versions.ts";
import { type Beside, givenUpReason } from "./rollout.ts";
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
  shiftRequests(plan, name);
}

/**
 * Divides the requests as the stages have it, once all of them are decided: old replicas may leave in this very turn, and
 * the new ones must be reached by then.
 */
function shiftRequests(plan: Plan, name: ApplicationName): void {
  const release = releaseInProgress(plan.state, name);
  const wanted = new Map<DeploymentId, NonNullable<ReturnType<typeof shiftFor>>>();
  for (const one of release === undefined ? [] : deploymentsOf(release)) {
    const record = stageOf(plan.state, one);
    const shift = record === undefined ? undefined : shiftFor(plan.state, one, record, plan.now);
    if (shift !== undefined) wanted.set(one.id, shift);
  }
  for (const [deployment, shift] of wanted) {
    if (!isSameShift(plan.state.shifts.get(deployment), shift)) {
      plan.add({ kind: "shift", deployment, shift, reason: "stage" });
    }
  }
  for (const deployment of [...plan.state.shifts.keys()]) {
    if (splitDeploymentId(deployment).application !== name || wanted.has(deployment)) continue;
    plan.add({ kind: "shift", deployment, shift: undefined, reason: "over" });
  }
}

/**
 * Whether the version that a new one is to be compared with must come back first: another release was rolling over it when
 * this one was deployed, and took its replicas' places. Until it is whole again those serve on, and nothing is divided.
 */
export function isReturning(
  state: ClusterState,
  { id, spec }: { readonly id: DeploymentId; readonly spec: DeploymentSpec },
  { stage, from }: StageRecord,
  now: number,
): boolean {
  if (stage.kind !== "starting" || state.shifts.has(id)) return false;
  if (servingCount(state, { deployment: id, version: from }, now) >= (state.targets.get(id)?.target ?? 0)) return false;
  const unproven = unprovenVersions(state, id);
  return replicasOf(state, id).some((replica) => {
    const isOther = replica.version !== from && replica.version !== spec.version;
    return isOther && !unproven.has(replica.version) && replica.desired === "run" && isReady(replica);
  });
}

/** Where a deployment's newest version stands; undefined: it is not taking over from another. */
export function stageOf(
  state: ClusterState,
  { id, spec }: { readonly id: DeploymentId; readonly spec: DeploymentSpec },
): StageRecord | undefined {
  const application = state.applications.get(splitDeploymentId(id).application);
  if (application === undefined || application.failure !== undefined || application.isDeleting) return undefined;
  const { target, stable } = application;
  const known = storedStage(application, spec.name);
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
  if (isReturning(state, { id, spec }, record, now)) return;
  const { rollout } = spec.options;
  const { name, target: generation, stable } = application;
  const target = state.targets.get(id)?.target ?? 0;
  const serving = servingCount(state, { deployment: id, version: spec.version }, now);
  const shift = currentShift(state, { id, spec }, record, now);
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
      isPaused: isPaused(application),
      isKnown: isKnown(application, spec),
      requestTimeoutMs: spec.options.requestTimeoutMs,
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

type ShiftWish = Pick<Shift, "from" | "to" | "percent" | "match">;

/** How a stage divides the requests; undefined: not at all, or not yet. */
function shiftFor(
  state: ClusterState,
  { id, spec }: { readonly id: DeploymentId; readonly spec: DeploymentSpec },
  record: StageRecord,
  now: number,
): ShiftWish | undefined {
  if (isReturning(state, { id, spec }, record, now)) return undefined;
  const { stage, from } = record;
  // A table that gives a share names the replicas too, so those that are ready count, known to routers or not: after a
  // restart of the controller none is known at first, and users would be moved to and fro.
  const isReadyOne = (one: ReplicaRecord): boolean =>
    one.version === spec.version && one.desired === "run" && isReady(one);
  const serving = replicasOf(state, id).filter(isReadyOne).length;
  const target = state.targets.get(id)?.target ?? 0;
  const percent = percentFor(stage, spec.options.rollout, { target, serving });
  if (percent === undefined) return undefined;
  const before = state.shifts.get(id);
  const isOngoing = before?.to === spec.version && before.from === from;
  // A share is not taken back because more replicas are wanted by now, or one is just being started again: where none
  // serves, routers give its requests to the others themselves.
  const held = isOngoing && stage.kind === "step" ? Math.max(before.percent, percent) : percent;
  const match = stage.kind === "step" || stage.kind === "switched" ? spec.options.rollout.match : [];
  return { from, to: spec.version, percent: held, match };
}

function isSameShift(shift: Shift | undefined, { from, to, percent, match }: ShiftWish): boolean {
  if (shift?.from !== from || shift.to !== to || shift.percent !== percent) return false;
  return shift.match.length === match.length;
}

/** The shift there is, where it is the one that the stage asks for. */
function currentShift(
  state: ClusterState,
  one: { readonly id: DeploymentId; readonly spec: DeploymentSpec },
  record: StageRecord,
  now: number,
): Shift | undefined {
  const shift = state.shifts.get(one.id);
  const wish = shiftFor(state, one, record, now);
  return wish !== undefined && isSameShift(shift, wish) ? shift : undefined;
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
  const canAnswer = (one: ReplicaRecord): boolean =>
    one.version === spec.version &&
    isServing(state, one, now) &&
    one.node !== undefined &&
    state.nodes.get(one.node)?.isConnected === true;
  const asked = replicasOf(state, id).find(canAnswer);
  if (asked === undefined) return;
  const { verifyTimeoutMs: timeoutMs } = spec.options.rollout;
  const question = { deployment: id, askedOf: asked.id, from, to: spec.version, timeoutMs };
  plan.add({ kind: "askVerify", ...question, reason: "serving" });
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
    // Asked at every turn, and mostly nothing has failed at all.
    if (!replicasOf(state, deployment).some(hasEnded)) continue;
    const cause = givenUpReason(rolloutViews(state, { deployment, wanted: version }, now), version);
    if (cause === undefined) continue;
    giveUp(plan, application, { deployment, reason: "startsFailed", cause });
    return;
  }
}

function hasEnded({ report }: ReplicaRecord): boolean {
  return report !== undefined && report.failedStarts + report.restarts > 0;
}

type GiveUp = Extract<Action, { kind: "giveUp" }>;

function giveUp(
  plan: Plan,
  application: ApplicationRecord,
  why: Pick<GiveUp, "deployment" | "reason" | "cause">,
): void {
  const { name, target: generation, stable } = application;
  // What was refused may run in a release between too: then only the one that served whole is surely without it.
  const fallback = why.reason === "startsFailed" ? fallbackOf(plan, application) : stable;
  plan.add({ kind: "giveUp", application: name, generation, fallback, ...why });
}

/**
 * The release to go back to: the newest since the stable one of which every deployment serves. It may not have been
 * promoted yet, for instance a first release that a broken second one followed at once; what serves is never taken away.
 */
function fallbackOf({ state, now }: Plan, application: ApplicationRecord): number {
  const { stable, target: given } = application;
  const later = application.releases.filter(({ generation }) => generation > stable && generation < given);
  const serving = later
    .filter((release) => hasNoSteps(application, release))
    .filter((release) =>
      deploymentsOf(release).every(
        ({ id, spec }) => servingCount(state, { deployment: id, version: spec.version }, now) > 0,
      ),
    )
    .map(({ generation }) => generation);
  return Math.max(stable, ...serving);
}

/** Whether its versions were to take over replica by replica, without being watched or verified first. */
function hasNoSteps(application: ApplicationRecord, release: Release): boolean {
  const served = releaseOf(application, application.stable)?.spec.deployments ?? [];
  return release.spec.deployments.every((spec) => {
    const before = served.find(({ name }) => name === spec.name);
    if (before === undefined || before.version === spec.version) return true;
    return firstStage(spec.options.rollout, isKnown(application, spec)).kind === "rolling";
  });
}

/**
 * Replicas of both versions, while they serve side by side; undefined: the new one takes over replica by replica. One that
 * is paused on that way stays where it is.
 */
export function besideOf(
  state: ClusterState,
  { id, spec }: { readonly id: DeploymentId; readonly spec: DeploymentSpec },
  record: StageRecord | undefined,
  now: number,
): Beside | undefined {
  if (record === undefined) return undefined;
  const { stage, from } = record;
  const target = state.targets.get(id)?.target ?? 0;
  const newCount = countFor(stage, spec.options.rollout, target);
  if (newCount !== undefined) return { from, oldCount: target, newCount };
  const application = state.applications.get(splitDeploymentId(id).application);
  if (application === undefined || !isPaused(application)) return undefined;
  const running = replicasOf(state, id).filter(({ desired }) => desired === "run");
  const newRunning = Math.min(target, running.filter(({ version }) => version === spec.version).length);
  const oldRunning = running.filter(({ version }) => version === from).length;
  const serving = servingCount(state, { deployment: id, version: spec.version }, now);
  // New ones that do not serve yet take nobody's place.
  const oldCount = Math.max(target - newRunning, Math.min(oldRunning, target - serving));
  return { from, oldCount, newCount: newRunning };
}

/** Whether somebody stopped what is being rolled out. */
export function isPaused({ rollout, target, stable }: ApplicationRecord): boolean {
  return stable !== target && rollout?.generation === target && rollout.isPaused;
}
