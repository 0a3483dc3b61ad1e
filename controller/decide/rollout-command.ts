import {
  deploymentsOf,
  effectiveRelease,
  type ApplicationRecord,
  type ClusterState,
  type StageRecord,
} from "./cluster.ts";
import { stageOf } from "./advance-rollout.ts";

/** What a person may have a rollout do. */
export type RolloutCommand = "pause" | "resume" | "promote" | "abort";

/** What becomes of it. */
export type RolloutCommandDecision =
  | { readonly kind: "store"; readonly record: ApplicationRecord }
  | { readonly kind: "refuse"; readonly reason: "unknown" | "deleting" | "noRollout" | "nothingBefore" };

/**
 * Decides over `serve rollout`. A rollout that is paused goes no further, but is still refused by its gates. `promote`
 * gives the new versions everything without waiting for what is left of their steps; `abort` takes everything from them.
 */
export function rolloutCommand(
  state: ClusterState,
  application: ApplicationRecord | undefined,
  command: RolloutCommand,
): RolloutCommandDecision {
  if (application === undefined) return { kind: "refuse", reason: "unknown" };
  if (application.isDeleting) return { kind: "refuse", reason: "deleting" };
  const { target, stable, failure, rollout } = application;
  if (target === stable || failure !== undefined) return { kind: "refuse", reason: "noRollout" };
  const current = rollout?.generation === target ? rollout : { generation: target, isPaused: false, stages: {} };
  const stored = (changed: Partial<typeof current>): RolloutCommandDecision => ({
    kind: "store",
    record: { ...application, rollout: { ...current, ...changed } },
  });
  switch (command) {
    case "pause":
      return stored({ isPaused: true });
    case "resume":
      return stored({ isPaused: false });
    case "promote":
      return stored({ isPaused: false, stages: { ...current.stages, ...rolling(state, application) } });
    case "abort": {
      const [first] = Object.keys(rolling(state, application));
      if (stable === 0) return { kind: "refuse", reason: "nothingBefore" };
      const release = effectiveRelease(application);
      const deployment =
        release === undefined ? undefined : deploymentsOf(release).find(({ spec }) => spec.name === first);
      const id = deployment?.id ?? (release === undefined ? undefined : deploymentsOf(release)[0]?.id);
      if (id === undefined) return { kind: "refuse", reason: "noRollout" };
      return {
        kind: "store",
        record: {
          ...application,
          rollout: { ...current, isPaused: false },
          failure: { deployment: id, reason: "the rollout was aborted by hand" },
        },
      };
    }
  }
}

/** Stages of all deployments that have any, all of them at the last. */
function rolling(state: ClusterState, application: ApplicationRecord): Readonly<Record<string, StageRecord>> {
  const release = effectiveRelease(application);
  const stages: [name: string, stage: StageRecord][] = [];
  for (const { id, spec } of release === undefined ? [] : deploymentsOf(release)) {
    const record = stageOf(state, { id, spec });
    if (record !== undefined) stages.push([spec.name, { ...record, stage: { kind: "rolling" } }]);
  }
  return Object.fromEntries(stages);
}
