import type { ApplicationName, DeploymentId, NodeId, ReplicaId, RequestId, Version } from "../core/ids.ts";
import type { ErrorCode } from "../core/error.ts";
import type { ReplicaState } from "../core/replica-state.ts";

/** How a request ended, as its client saw it. */
export type Outcome = "ok" | ErrorCode;

/** One fact of a run. Transcript and checkers are fed the same ones, in the order in which they happened. */
export type SimEvent =
  /** A client sent a request. */
  | {
      readonly kind: "requestStarted";
      readonly request: RequestId;
      readonly router: string;
      readonly deployment: DeploymentId;
      readonly isIdempotent: boolean;
      readonly timeoutMs: number;
    }
  | {
      readonly kind: "requestEnded";
      readonly request: RequestId;
      readonly router: string;
      readonly deployment: DeploymentId;
      readonly outcome: Outcome;
    }
  /** Its client went away. */
  | { readonly kind: "requestCancelled"; readonly request: RequestId }
  /** The router's process died under it; nobody is left to be told an outcome. */
  | { readonly kind: "requestOrphaned"; readonly request: RequestId }
  /** A replica accepted a request: its handler begins. */
  | {
      readonly kind: "invoked";
      readonly request: RequestId;
      readonly replica: ReplicaId;
      readonly deployment: DeploymentId;
      readonly version: Version;
    }
  | { readonly kind: "returned"; readonly request: RequestId; readonly replica: ReplicaId; readonly outcome: Outcome }
  | {
      readonly kind: "batchRun";
      readonly replica: ReplicaId;
      readonly maxBatchSize: number;
      /** Whose items it runs, and what is left of their time, in milliseconds. */
      readonly items: readonly { readonly request: RequestId; readonly leftMs: number }[];
    }
  /** A process holds what a replica was ordered with; `ended` gives it back. */
  | {
      readonly kind: "replicaOrdered";
      readonly replica: ReplicaId;
      readonly process: string;
      readonly node: NodeId;
      readonly deployment: DeploymentId;
      readonly version: Version;
      readonly cpus: number;
      readonly gpus: number;
      readonly gpuIds: readonly string[];
      readonly memoryBytes: number;
      readonly maxOngoingRequests: number;
    }
  | {
      readonly kind: "replicaState";
      readonly replica: ReplicaId;
      readonly process: string;
      readonly deployment: DeploymentId;
      readonly version: Version;
      readonly state: ReplicaState;
      readonly reason: string;
    }
  | { readonly kind: "processStarted"; readonly process: string; readonly node: string; readonly role: string }
  | { readonly kind: "processEnded"; readonly process: string; readonly node: string; readonly reason: string }
  /** The queue of one router for one deployment changed. */
  | {
      readonly kind: "queued";
      readonly router: string;
      readonly deployment: DeploymentId;
      readonly count: number;
    }
  /** A router uses this table from now on. */
  | {
      readonly kind: "tableApplied";
      readonly router: string;
      readonly node: string;
      readonly epoch: number;
      readonly version: number;
      readonly replicas: ReadonlySet<ReplicaId>;
      /** Those among them in versions that users' requests have no share in: not verified yet, standing by, about to go. */
      readonly unnamed: ReadonlySet<ReplicaId>;
      /** By deployment: `maxQueuedRequests`, and the slots of all replicas in the table. */
      readonly queues: ReadonlyMap<DeploymentId, { readonly most: number; readonly slots: number }>;
    }
  /** An action of the controller or of a worker, with its reason. */
  | {
      readonly kind: "decision";
      readonly by: string;
      readonly action: string;
      readonly about: string;
      readonly reason: string;
      /** Replicas that a deployment is to have; undefined: the decision is about something else. */
      readonly target?: number;
    }
  /** A worker took over an assignment. */
  | { readonly kind: "assigned"; readonly node: string; readonly epoch: number; readonly generation: number }
  /** A replica ran the `verify` of its version. */
  | {
      readonly kind: "verifyEnded";
      readonly replica: ReplicaId;
      readonly deployment: DeploymentId;
      readonly version: Version;
      readonly isPassed: boolean;
    }
  /** What a process still has at the end of a run: timers that wait, and requests that its routers count. */
  | {
      readonly kind: "left";
      readonly process: string;
      readonly role: string;
      readonly timers: number;
      readonly requests: number;
    }
  /** The operator asks for a deploy; from now on it may happen, `deployed` says that it was acknowledged. */
  | {
      readonly kind: "deployAsked";
      readonly application: ApplicationName;
      readonly deployments: readonly DesiredDeployment[];
    }
  /** The operator asks for something by hand; from now on it may happen. */
  | {
      readonly kind: "handAsked";
      readonly about: string;
      readonly command: "scale" | "drain" | "undrain" | "pause" | "resume" | "promote" | "abort" | "rollback";
      /** Of `scale` a count, of `drain` its milliseconds. */
      readonly amount: number;
    }
  | {
      readonly kind: "deployed";
      readonly application: ApplicationName;
      readonly deployments: readonly DesiredDeployment[];
    }
  /** The operator asks for a deletion; from now on it may happen, `deleted` says that it was acknowledged. */
  | { readonly kind: "deleteAsked"; readonly application: ApplicationName }
  | { readonly kind: "deleted"; readonly application: ApplicationName }
  | { readonly kind: "fault"; readonly fault: string; readonly target: string; readonly action: "begin" | "end" }
  /** Code logged an error or a warning. */
  | { readonly kind: "logged"; readonly process: string; readonly level: "warn" | "error"; readonly message: string }
  /** Something was thrown that nobody caught. */
  | { readonly kind: "uncaught"; readonly message: string };

/** What the operator asked for. */
export type DesiredDeployment = {
  readonly id: DeploymentId;
  readonly version: Version;
  /** Replicas once load has stopped, and the most there may be under load. */
  readonly least: number;
  readonly most: number;
  readonly isAutoscaled: boolean;
  readonly downscaleDelayMs: number;
  readonly maxUnavailable: number;
  readonly hasVerify: boolean;
  /** A version that can never start. */
  readonly isBroken: boolean;
};

/** Takes facts as they happen. */
export type EventSink = (event: SimEvent) => void;
