import type { BatchReport, ReplicaLaunch } from "../../core/assignment.ts";
import type { DeploymentLoad } from "../../core/load.ts";
import type { Sample } from "../../core/metric.ts";
import type { Address } from "../../core/network.ts";
import type { HttpFrontKind } from "../../core/process-config.ts";
import type { Answer, Question } from "../../core/question.ts";
import type { ReplicaState } from "../../core/replica-state.ts";
import type { DeploymentOptionsSpec } from "../../core/spec.ts";
import type { Place, TableUpdate } from "../../core/table.ts";

/**
 * What a worker and its children (replicas, blank replicas, proxies) say to each other over the worker's control
 * socket. The child dials, so that a restarted worker is found again by the children it left behind.
 */

/** What a child process is for. A blank becomes a replica when it is assigned one. */
export type ChildRole = "replica" | "proxy";

/** Contents of `run/<id>.json` (0600): what a child is started with, and how a restarted worker knows it again. */
export type RunFile = {
  readonly id: string;
  readonly role: ChildRole;
  /** Of the process; 0 until the child has written itself in. */
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat: tells the process from a later one with the same pid. 0 where there is no /proc. */
  readonly startTicks: number;
  readonly controlSocket: string;
  readonly controlSecret: string;
  /** Closing it ends the child; empty: the child lives on its own. */
  readonly lifelineSocket: string;
  readonly dataDir: string;
  readonly logLevel: string;
  /** Where it listens for requests: a replica on a free port of this host, a proxy on exactly this address. */
  readonly listen: Address;
  /** Undefined for replicas and blanks. */
  readonly proxy: ProxySettings | undefined;
  /** What the replica was assigned, so that a restarted worker knows what runs in it; undefined for blanks and proxies. */
  readonly assigned: ReplicaOrder | undefined;
};

/** What a proxy is to be, beside where it listens. */
export type ProxySettings = {
  readonly front: HttpFrontKind;
  /** None of the cluster ever listened there: a port in use is a mistake, told at once. Later ones wait until it is free. */
  readonly isFirst: boolean;
  /** Of the node, all at one address: the kernel spreads connections over them, and limits of the node are divided. */
  readonly proxyCount: number;
  /** Whose `x-forwarded-…` headers are believed. */
  readonly trustedProxies: readonly string[];
  /** Where it runs, so that near replicas are preferred; files of an earlier release do not say. */
  readonly place?: Place | undefined;
};

/** Makes a blank a replica. */
export type ReplicaOrder = {
  readonly replicaId: string;
  readonly version: string;
  readonly node: string;
  /** Times its process was started again, this one included; files of an earlier release do not say. */
  readonly restarts?: number;
  /** The node's label `zone`; files of an earlier release do not say. */
  readonly zone?: string | undefined;
  readonly callSecret: string;
  /** Folder the bundle was unpacked to. */
  readonly bundleDir: string;
  /** Folder on this node from which native packages resolve: the project's own where it exists, else the worker's. */
  readonly projectDir: string;
  readonly launch: ReplicaLaunch;
};

/** What a replica process says of itself, on every change. */
export type ReplicaProcessReport = {
  readonly state: ReplicaState;
  /** What it is doing while it starts (`importing app.mjs`, `loading ./digits.onnx`, `setup`), why when it failed. */
  readonly reason: string;
  /** A failed start that trying again cannot mend: a missing export, a file that is not a model, a time-out. */
  readonly isPermanent: boolean;
  /** It asks to be replaced, takes nothing new, and goes on with what it has; `reason` says why. */
  readonly isRetiring?: boolean;
  readonly address: Address | undefined;
  readonly maxOngoingRequests: number;
  readonly ongoing: number;
  /** See `ReplicaReport.utilisation`; what a process of an older release says lacks it. */
  readonly utilisation?: number;
  readonly provider: string;
  readonly batches: readonly BatchReport[];
};

/** The event loop of a ready replica runs. */
export type BeatMessage = {
  readonly kind: "beat";
  readonly ongoing: number;
  /** Until the latest deadline of what is ongoing, negative when past; null: nothing ongoing has one. */
  readonly deadlineInMs: number | null;
};

/** Child → worker. */
export type ChildMessage =
  /** First on every connection. */
  | { readonly kind: "hello"; readonly id: string; readonly secret: string; readonly pid: number }
  | BeatMessage
  | { readonly kind: "replica"; readonly report: ReplicaProcessReport }
  | { readonly kind: "proxy"; readonly address: Address | undefined; readonly reason: string }
  /** This and every earlier table is in use; older replicas get no new request from it. */
  | { readonly kind: "tableApplied"; readonly epoch: number; readonly version: number }
  /** What its routers have to do, since they told last. */
  | { readonly kind: "loads"; readonly loads: readonly DeploymentLoad[] }
  /** Asks for the whole node's metrics as Prometheus text; answered by `nodeMetrics` with the same id. */
  | { readonly kind: "getNodeMetrics"; readonly id: number }
  /** Answers `ask`. */
  | { readonly kind: "answered"; readonly id: string; readonly answer: Answer }
  /** Answers `getSamples`. */
  | { readonly kind: "samples"; readonly id: number; readonly samples: readonly Sample[] };

/** Worker → child. */
export type ParentMessage =
  /** The hello was right; nothing is to be sent before it but the hello. */
  | { readonly kind: "welcome" }
  | { readonly kind: "order"; readonly order: ReplicaOrder }
  | { readonly kind: "table"; readonly update: TableUpdate }
  /** Options that a running replica takes in place: `userConfig`, health and shutdown times, limits. */
  | { readonly kind: "reconfigure"; readonly options: DeploymentOptionsSpec }
  /** Refuse what is new, finish what is ongoing for at most so long, then end. */
  | { readonly kind: "drain"; readonly timeoutMs: number }
  /** To proxies: whether load balancers are to be sent elsewhere, because the node was emptied. */
  | { readonly kind: "rotation"; readonly isOut: boolean }
  /** Asks a function of the user's that runs in the process of a replica. */
  | { readonly kind: "ask"; readonly id: string; readonly question: Question }
  | { readonly kind: "getSamples"; readonly id: number }
  | { readonly kind: "nodeMetrics"; readonly id: number; readonly text: string };
