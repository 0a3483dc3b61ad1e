import type { Signals } from "./autoscale.ts";
import {
  type ApplicationName,
  type DeploymentId,
  type NodeId,
  type ReplicaId,
  type Version,
  splitDeploymentId,
} from "../../core/ids.ts";
import type { NodeState } from "../../core/status.ts";
import type { Pending, TargetReason, Shift, StageRecord } from "./cluster.ts";

/** Why a replica is made. */
export type CreateReason =
  /** Fewer than the target. */
  | "belowTarget"
  /** The first of a new version, beside the old. */
  | "surge";

/** Why a replica is no longer wanted. */
export type RemoveReason =
  /** A newer version took its place. */
  | "replaced"
  /** Its node has no room for old and new at once, so the old makes room. */
  | "makesRoom"
  /** More than the target. */
  | "aboveTarget"
  /** An outdated version that does not start. */
  | "outdatedAndFailing"
  /** It failed to start so often here that another place is tried. */
  | "tryElsewhere"
  /** The deployment or its application is gone from the desired state. */
  | "removed"
  /** Its node is being emptied. */
  | "nodeDrains"
  /** It asks to be recycled, for instance because it uses too much memory. */
  | "retires"
  /** Its version was given up, or another was deployed, before it had passed its steps. */
  | "unproven"
  /** No kept release says how to run it. */
  | "unknown";

/** One decided change, with its reason. Performing it twice does no more than performing it once. */
export type Action =
  | { readonly kind: "recover"; readonly reason: "nodesReported" | "waitedLongEnough" }
  | {
      readonly kind: "markNode";
      readonly node: NodeId;
      readonly state: NodeState;
      readonly reason: "heard" | "silent" | "disconnected" | "drainAsked";
    }
  | { readonly kind: "forgetNode"; readonly node: NodeId; readonly reason: "lostForLong" }
  | {
      readonly kind: "setTarget";
      readonly deployment: DeploymentId;
      readonly target: number;
      /** What each signal asked for, where the deployment scales by itself. */
      readonly signals?: Signals | undefined;
      readonly reason: TargetReason | "gone";
    }
  | {
      readonly kind: "create";
      readonly replica: ReplicaId;
      readonly deployment: DeploymentId;
      readonly version: Version;
      readonly reason: CreateReason;
    }
  | {
      readonly kind: "bind";
      readonly replica: ReplicaId;
      readonly node: NodeId;
      readonly gpus: readonly string[];
      readonly reason: "spread";
    }
  | { readonly kind: "pend"; readonly replica: ReplicaId; readonly pending: Pending; readonly reason: "nothingFits" }
  | { readonly kind: "leave"; readonly replica: ReplicaId; readonly reason: RemoveReason }
  | { readonly kind: "drain"; readonly replica: ReplicaId; readonly reason: "unlisted" }
  | { readonly kind: "stop"; readonly replica: ReplicaId; readonly reason: RemoveReason }
  | {
      readonly kind: "forget";
      readonly replica: ReplicaId;
      readonly reason: RemoveReason | "nodeLost" | "ended";
    }
  /** Divides a deployment's requests; undefined: they are not divided any more. */
  | {
      readonly kind: "shift";
      readonly deployment: DeploymentId;
      readonly shift: Pick<Shift, "from" | "to" | "percent" | "match"> | undefined;
      readonly reason: "stage" | "over";
    }
  /** Has a replica run the `verify` of its version. */
  | {
      readonly kind: "askVerify";
      readonly deployment: DeploymentId;
      readonly askedOf: ReplicaId;
      readonly from: Version;
      readonly to: Version;
      readonly timeoutMs: number;
      readonly reason: "serving";
    }
  /** A new version goes on. */
  | {
      readonly kind: "advance";
      readonly application: ApplicationName;
      readonly generation: number;
      readonly deployment: DeploymentId;
      readonly to: StageRecord;
      readonly reason: "serving" | "verified" | "gatesHold" | "servedBefore" | "keptLongEnough";
    }
  | {
      readonly kind: "promote";
      readonly application: ApplicationName;
      readonly generation: number;
      readonly reason: "serving";
    }
  | {
      readonly kind: "giveUp";
      readonly application: ApplicationName;
      readonly generation: number;
      readonly deployment: DeploymentId;
      /** Generation of the release that is to run instead; 0: there is none. */
      readonly fallback: number;
      readonly reason: "startsFailed" | "verifyRefused" | "gateFailed" | "aborted";
      /** First cause, as the worker told it. */
      readonly cause: string;
    }
  | { readonly kind: "dropApplication"; readonly application: ApplicationName; readonly reason: "nothingLeft" };

/** Kinds that change what is stored: they count only once the store has them. */
export type StoredAction = Extract<Action, { kind: "advance" | "promote" | "giveUp" | "dropApplication" }>;

/** Whether an action must be in the store before it counts. */
export function isStored(action: Action): action is StoredAction {
  return "application" in action;
}

/** The application that an action is about; undefined: none. `deploymentOf` knows replicas. */
export function applicationOf(
  action: Action,
  deploymentOf: (replica: ReplicaId) => DeploymentId | undefined,
): ApplicationName | undefined {
  if ("application" in action) return action.application;
  if ("deployment" in action) return splitDeploymentId(action.deployment).application;
  const deployment = "replica" in action ? deploymentOf(action.replica) : undefined;
  return deployment === undefined ? undefined : splitDeploymentId(deployment).application;
}

/** What an action is about, in one string for logs and transcripts. */
export function subjectOf(action: Action): string {
  switch (action.kind) {
    case "recover":
      return "controller";
    case "markNode":
    case "forgetNode":
      return action.node;
    case "setTarget":
    case "shift":
    case "askVerify":
    case "advance":
      return action.deployment;
    case "promote":
    case "giveUp":
    case "dropApplication":
      return action.application;
    default:
      return action.replica;
  }
}
