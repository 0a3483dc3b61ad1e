import type { BatchReport } from "./assignment.ts";
import type { ReplicaHealth, ReplicaState } from "./replica-state.ts";

/** What `serve status` says of an application. */
export type ApplicationStatus = "deploying" | "running" | "unhealthy" | "deploy_failed" | "deleting";
/** What `serve status` says of a deployment. */
export type DeploymentStatus = "updating" | "upscaling" | "downscaling" | "healthy" | "unhealthy" | "deploy_failed";
/** What `serve status` says of a node: heard, overdue, asked to empty, given up. */
export type NodeState = "live" | "suspect" | "draining" | "lost";

/** Answer of `GET /api/v1/status`; stable for scripts, fields are only ever added. */
export type ClusterStatus = {
  readonly applications: readonly ApplicationStatusView[];
  readonly nodes: readonly NodeStatusView[];
  readonly controller: { readonly self: string; readonly epoch: number; readonly leader: string };
  /** What is wrong with where desired state is kept, a sentence each: a damaged record, a disk that is full. */
  readonly store: { readonly problems: readonly string[] };
};

/** Answer of `GET /api/v1/demand`: replicas that fit on no node. */
export type DemandView = {
  /** What all of them together need, by resource: `cpus`, `gpus`, `memoryBytes`, custom ones. */
  readonly resources: Readonly<Record<string, number>>;
  /** The longest waiting first. */
  readonly pending: readonly {
    readonly deployment: string;
    readonly count: number;
    /** Of one replica. */
    readonly resources: Readonly<Record<string, number>>;
    /** ISO 8601. */
    readonly since: string;
    readonly reason: string;
  }[];
};

/** One application in {@link ClusterStatus}. */
export type ApplicationStatusView = {
  readonly name: string;
  readonly routePrefix: string;
  readonly status: ApplicationStatus;
  /** Digest over the versions of its deployments. */
  readonly version: string;
  /** Why it is not running; empty when it is. */
  readonly reason: string;
  readonly deployments: readonly DeploymentStatusView[];
};

/** One deployment in {@link ClusterStatus}. */
export type DeploymentStatusView = {
  readonly name: string;
  readonly status: DeploymentStatus;
  readonly targetReplicas: number;
  /** Why it is as it is, with the first cause when something failed; empty when healthy. */
  readonly reason: string;
  readonly replicas: readonly ReplicaStatusView[];
  /** A new version that is taking over, or whose old one still stands by; undefined: there is none. */
  readonly rollout?: RolloutStatusView | undefined;
  /** What it has used since the controller started: replicas and their GPUs times seconds, and how much of it was idle. */
  readonly usage: { readonly replicaSeconds: number; readonly gpuSeconds: number; readonly idleSeconds: number };
};

/** A rollout in {@link ClusterStatus}. */
export type RolloutStatusView = {
  /** `starting`, `verifying`, `step`, `switched` or `rolling`. */
  readonly stage: string;
  readonly from: string;
  readonly to: string;
  /** Share of the requests that the new version gets; undefined: replica by replica. */
  readonly percent: number | undefined;
  readonly isPaused: boolean;
  /** What `verify` gave. */
  readonly scores: Readonly<Record<string, number>>;
  /** Requests that ended since the share was last changed, by version. */
  readonly outcomes: readonly { readonly version: string; readonly answered: number; readonly failed: number }[];
};

/** One replica in {@link ClusterStatus}. */
export type ReplicaStatusView = {
  readonly id: string;
  /** Empty while it is pending. */
  readonly nodeId: string;
  /** 0 while it has no process. */
  readonly pid: number;
  readonly state: ReplicaState;
  readonly version: string;
  readonly ongoing: number;
  /** Execution provider its models run on, such as `cpu` or `cuda`; empty without a model. */
  readonly provider: string;
  /** Its batch methods that were used, with what their runs take; empty without. */
  readonly batches: readonly BatchReport[];
  /** How much of the last second it was at work, 0–1. */
  readonly utilisation: number;
  /** `busy`: its event loop does not run, for a request that may still be in time. `blocked`: it is ended soon. */
  readonly health: ReplicaHealth;
  /** Times its process was started again, over restarts of its worker too. */
  readonly restarts: number;
  readonly reason: string;
  /** GPU ids (uuid or index) it was given; empty without. */
  readonly gpus: readonly string[];
};

/** One node in {@link ClusterStatus}. */
export type NodeStatusView = {
  readonly id: string;
  readonly state: NodeState;
  readonly resources: {
    readonly total: Readonly<Record<string, number>>;
    readonly allocated: Readonly<Record<string, number>>;
  };
  readonly labels: Readonly<Record<string, string>>;
  /** Where its proxy answers, for instance `http://127.0.0.1:8000`; empty until it does. */
  readonly httpUrl: string;
  /** Replicas that are placed on it, those that leave it included. */
  readonly replicas: number;
  /** How far a node that is drained is emptied, and why its proxy does not answer, for instance a port in use. */
  readonly reason: string;
};
