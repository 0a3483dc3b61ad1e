import type { AccessSpec, CorsSpec } from "./access.ts";
import type { ApplicationName, DeploymentName, Digest, Version } from "./ids.ts";

/** How a router chooses among ready replicas. */
export type RoutingPolicy = "leastOngoing" | "roundRobin" | "weighted" | "consistentHash";

/** What a replica needs of a node; a declaration that placement counts with. */
export type ResourceSpec = {
  /** Cores, in tenths or finer. */
  readonly cpus: number;
  /** Whole GPUs, or a share of one (0 < share < 1). */
  readonly gpus: number;
  readonly memoryBytes: number;
  /** Anything else a node declares with `--resources name=amount`. */
  readonly custom: Readonly<Record<string, number>>;
};

/** Where replicas may go. */
export type PlacementSpec = {
  /** Labels a node must have, all of them. */
  readonly labels: Readonly<Record<string, string>>;
  /** 0: no limit. */
  readonly maxReplicasPerNode: number;
};

/** Scaling bounds and delays. */
export type AutoscalingSpec = {
  readonly minReplicas: number;
  readonly maxReplicas: number;
  readonly initialReplicas: number;
  readonly targetOngoingRequests: number;
  readonly upscaleDelayMs: number;
  readonly downscaleDelayMs: number;
  readonly scaleToZeroDelayMs: number;
  /** Share of its time that a replica is to be busy, above 0 and at most 1. */
  readonly targetUtilisation: number;
  /** Longest that the last request in the queue is to wait; undefined: not looked at. */
  readonly targetQueueDelayMs: number | undefined;
  /** Share of a rise, or of a fall, that is done in one step. */
  readonly upscalingFactor: number;
  readonly downscalingFactor: number;
  /** A figure of the user's own to scale by. */
  readonly metric: ScalingMetricSpec | undefined;
  /** Whether the user's code has a `policy` that decides instead. */
  readonly hasPolicy: boolean;
};

/** A figure of the user's own that replicas are counted by: its value ÷ `targetPerReplica`. */
export type ScalingMetricSpec = {
  readonly name: string;
  readonly targetPerReplica: number;
  /** Where to read it, as Prometheus text; undefined: it is pushed. */
  readonly url: string | undefined;
};

/** How a new version takes over from the old one. Read by the controller only. */
export type RolloutSpec = {
  /** How requests move to a new version: replica by replica; in steps by share, watched by gates; or all at once, when a full new set is ready. */
  readonly strategy: "rolling" | "canary" | "blueGreen";
  /** Replicas beyond the target while versions change: a count, or below 1 a share of the target. Default 0.25. */
  readonly maxSurge: number;
  /** Replicas below the target that may be missing meanwhile: a count, or below 1 a share. Default 0. */
  readonly maxUnavailable: number;
  /** Percent of the requests that the new version gets, step by step. Default 5, 25, 100; a last one below 100 stays until it is promoted. */
  readonly steps: readonly number[];
  /** How long a step is watched. Default 10,000. */
  readonly gateWindowMs: number;
  readonly gates: readonly GateSpec[];
  /** Requests that go to the new version from its first step on, whatever their share (A/B). Header names are lower case. */
  readonly match: readonly { readonly header: string; readonly value: string }[];
  /** Whether the user's code has a `verify` that is asked before any user's request reaches the new version. */
  readonly hasVerify: boolean;
  /** Default 600,000. */
  readonly verifyTimeoutMs: number;
  /** How long blueGreen keeps the old replicas for an instant return. Default 600,000. */
  readonly keepOldMs: number;
};

/** What a new version must not do worse than, by `most` in itself or `mostTimes` the old version's. */
export type GateSpec = {
  /** `errorRate` (0–1), `p50Ms`, `p99Ms`, or the name of a score that `verify` gave. */
  readonly metric: string;
  readonly most?: number | undefined;
  readonly least?: number | undefined;
  readonly mostTimes?: number | undefined;
};

/** A value of `env`: as it is, or the name of a secret that the deploy carries apart from the specification. */
export type EnvValue = string | { readonly secret: string };

/** A deployment's options with every default filled in. */
export type DeploymentOptionsSpec = {
  /** Fixed count; ignored when `autoscaling` is there. */
  readonly numReplicas: number;
  readonly autoscaling: AutoscalingSpec | undefined;
  /** How a new version takes over; read by the controller only, a change is made in place. */
  readonly rollout: RolloutSpec;
  readonly resources: ResourceSpec;
  readonly placement: PlacementSpec;
  readonly env: Readonly<Record<string, EnvValue>>;
  /** undefined: twice the largest `maxBatchSize`, eight times with `bucketBy`, else 16; the replica says when it is ready. */
  readonly maxOngoingRequests: number | undefined;
  readonly maxQueuedRequests: number;
  readonly requestTimeoutMs: number;
  readonly maxRequestBodyBytes: number;
  readonly idempotent: boolean;
  /** Any JSON value; given to `reconfigure`. */
  readonly userConfig: unknown;
  readonly startTimeoutMs: number;
  readonly healthCheckPeriodMs: number;
  readonly healthCheckTimeoutMs: number;
  readonly gracefulShutdownTimeoutMs: number;
  /** Of a replica's process in the machine's memory; 0 or, in a record of an older release, undefined: no limit. */
  readonly memoryLimitBytes?: number | undefined;
  readonly routing: RoutingPolicy;
  /** Deployment of the same application that answers while this one cannot; read by routers only. */
  readonly fallback?: DeploymentName | undefined;
};

/**
 * How HTTP reaches an ingress. `fetch`: a method gets every request under the prefix. `predict`: `POST <prefix>` with a
 * JSON body.
 */
export type IngressKind = "fetch" | "predict";

/** One deployment of an application, as it is deployed. */
export type DeploymentSpec = {
  readonly name: DeploymentName;
  readonly version: Version;
  readonly options: DeploymentOptionsSpec;
  /** Its class asks `authorize(request)` who may call; undefined: it does not, or a release older than this said nothing. */
  readonly hasAuthorize?: boolean | undefined;
};

/** A native npm package that user code needs on the node. */
export type NativePackage = { readonly name: string; readonly version: string };

/** What is deployed: a graph of deployments that travels, is versioned and is rolled back as one. */
export type ApplicationSpec = {
  readonly name: ApplicationName;
  /** Starts with a slash, no slash at the end unless it is `/` alone. */
  readonly routePrefix: string;
  readonly ingress: DeploymentName;
  readonly ingressKind: IngressKind;
  readonly deployments: readonly DeploymentSpec[];
  /** Digest of the bundle manifest that holds its code and assets. */
  readonly bundle: Digest;
  readonly nativePackages: readonly NativePackage[];
  /** OpenAPI 3.1 document of the ingress, made at deploy; paths are below the prefix. */
  readonly openapi: unknown;
  /** Who may ask; undefined: everybody. Proxies take a change at once, no replica is replaced for it. */
  readonly access?: AccessSpec | undefined;
  /** Which web pages of other origins may ask; undefined: the application sees to that itself. As `access`. */
  readonly cors?: CorsSpec | undefined;
};

/** A bundle's table of contents; its own bytes are content-addressed too, and their digest names the bundle. */
export type BundleManifest = {
  readonly schema: 1;
  /** File that exports the applications, always `app.mjs`. */
  readonly entry: string;
  /** Folder of app.ts on the machine that deployed it: native packages are looked for there first. */
  readonly projectDir: string;
  readonly files: readonly BundleFile[];
};

/** One file of a bundle. */
export type BundleFile = {
  /** Relative, with forward slashes, no `.` or `..` parts. */
  readonly path: string;
  readonly digest: Digest;
  readonly bytes: number;
};
