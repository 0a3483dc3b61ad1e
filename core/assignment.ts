import type { ApplicationName, DeploymentId, DeploymentName, Digest, NodeId, ReplicaId, Version } from "./ids.ts";
import type { DeploymentLoad } from "./load.ts";
import type { Address } from "./network.ts";
import type { Answer, Question } from "./question.ts";
import type { ReplicaHealth, ReplicaState } from "./replica-state.ts";
import type { DeploymentOptionsSpec, NativePackage } from "./spec.ts";

/** What one node is to run: complete, so that a worker needs no history to follow it. */
export type Assignment = {
  /** Of the controller that sent it; a worker refuses one lower than the highest it has seen. */
  readonly epoch: number;
  /** Grows with every change within an epoch. */
  readonly generation: number;
  readonly replicas: readonly AssignedReplica[];
  /** The node was emptied: its proxies send load balancers elsewhere, and serve whom they still send. */
  readonly isDrained?: boolean;
};

/** One replica a node is to run. One that is missing from the assignment is stopped. */
export type AssignedReplica = {
  readonly id: ReplicaId;
  readonly deployment: DeploymentId;
  readonly version: Version;
  /** `drain`: finish ongoing requests, then stop; the routers no longer know it. */
  readonly desired: "run" | "drain";
  readonly launch: ReplicaLaunch;
};

/** Everything needed to start a replica, and nothing a running one would have to be restarted for. */
export type ReplicaLaunch = {
  readonly application: ApplicationName;
  readonly deployment: DeploymentName;
  readonly bundle: Digest;
  readonly nativePackages: readonly NativePackage[];
  readonly options: DeploymentOptionsSpec;
  /** Names → values of the secrets that `env` refers to. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Ids of the GPUs it may see, in order; empty: none. */
  readonly gpus: readonly string[];
};

/** A batch method of a replica, or a model that stacks its runs, once it was used. */
export type BatchReport = {
  readonly method: string;
  readonly maxBatchSize: number;
  /** Items that wait for a batch. */
  readonly waiting: number;
  /** What batches of so many items take, as learned from those that ran; sizes are powers of two. */
  readonly expectedRuns: readonly { readonly items: number; readonly runMs: number }[];
};

/** What a worker knows of one replica; the controller's only source about it. */
export type ReplicaReport = {
  readonly id: ReplicaId;
  readonly deployment: DeploymentId;
  readonly version: Version;
  readonly state: ReplicaState;
  /** Why: the first cause of a failure with the user's file and line where it has one; what it waits for. */
  readonly reason: string;
  readonly pid: number;
  /** Where routers reach it; undefined until it listens. */
  readonly address: Address | undefined;
  readonly callSecret: string;
  readonly maxOngoingRequests: number;
  readonly ongoing: number;
  /**
   * How much of the last second it was at work, 0–1 in steps of 0.05: the most of its event loop, its batch methods, its
   * models, and its ongoing requests out of `maxOngoingRequests`.
   */
  readonly utilisation: number;
  readonly health: ReplicaHealth;
  /** It asks to be replaced while it goes on serving, or with what it has: `reason` says why. */
  readonly isRetiring: boolean;
  /** Execution provider of its models; empty without. */
  readonly provider: string;
  readonly batches: readonly BatchReport[];
  /** Times its process was started again. */
  readonly restarts: number;
  /** Wait before the start that is to come; 0 where none is. */
  readonly restartDelayMs: number;
  /** Starts in a row that failed; 0 once it was ready. A start that cannot get better by trying again counts as many. */
  readonly failedStarts: number;
  readonly gpus: readonly string[];
};

/** What a node offers. Amounts of `gpus` are whole devices, each with its id. */
export type NodeResources = {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly gpus: readonly string[];
  readonly custom: Readonly<Record<string, number>>;
};

/** What a worker says when it connects to a controller. */
export type NodeRegistration = {
  readonly node: NodeId;
  /** Grows with every start of the worker. */
  readonly incarnation: number;
  readonly resources: NodeResources;
  readonly labels: Readonly<Record<string, string>>;
  /** What it runs already, from before this connection. */
  readonly replicas: readonly ReplicaReport[];
  /** Highest epoch it has obeyed. */
  readonly epoch: number;
};

/** What a worker says of itself and its proxy, with every heartbeat. */
export type NodeReport = {
  /** Where its proxy answers; empty until it does. */
  readonly httpUrl: string;
  /** Why the proxy does not answer, for instance a port in use; empty when it does. */
  readonly reason: string;
  /** Newest routing table that every router on the node uses. */
  readonly tableEpoch: number;
  readonly tableVersion: number;
  /** It is about to end, so that what runs there is to be replaced elsewhere. */
  readonly isLeaving?: boolean;
};

/** Worker → controller, in order, over one stream. */
export type WorkerMessage =
  | { readonly kind: "register"; readonly registration: NodeRegistration }
  /** Sent every HEARTBEAT_MS, and at once when something in it changed. */
  | { readonly kind: "heartbeat"; readonly report: NodeReport }
  /** Reports of replicas that changed since the last message. */
  | { readonly kind: "replicas"; readonly reports: readonly ReplicaReport[] }
  /** A replica that was removed from the assignment is gone, process and all. */
  | { readonly kind: "gone"; readonly replicas: readonly ReplicaId[] }
  /** What the node's routers have to do, since this was told last. */
  | { readonly kind: "loads"; readonly loads: readonly DeploymentLoad[] }
  /** Answer to a `collect`. */
  | { readonly kind: "collected"; readonly id: number; readonly text: string }
  /** Answer to an `ask`. */
  | { readonly kind: "answered"; readonly id: string; readonly answer: Answer };

/** Controller → worker, in order, over one stream. */
export type ControllerMessage =
  | { readonly kind: "assign"; readonly assignment: Assignment }
  /** Asks for the node's metrics (Prometheus text), or the last lines of its logs (JSON lines). */
  | { readonly kind: "collect"; readonly id: number; readonly what: Collect }
  /** Asks a function of the user's in the process of a replica; always answered. */
  | { readonly kind: "ask"; readonly id: string; readonly replica: ReplicaId; readonly question: Question }
  /** The cluster shuts down: drain everything and end, supervisor included. */
  | { readonly kind: "shutdown" };

/** What a controller may ask of a node. */
export type Collect =
  | { readonly kind: "metrics" }
  /** Lines of replicas of `deployment` (all when empty), the last `lines` of each. */
  | { readonly kind: "logs"; readonly deployment: string; readonly lines: number };
