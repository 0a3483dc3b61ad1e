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
};

/** A value of `env`: as it is, or the name of a secret that the deploy carries apart from the specification. */
export type EnvValue = string | { readonly secret: string };

/** A deployment's options with every default filled in. */
export type DeploymentOptionsSpec = {
  /** Fixed count; ignored when `autoscaling` is there. */
  readonly numReplicas: number;
  readonly autoscaling: AutoscalingSpec | undefined;
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
  readonly routing: RoutingPolicy;
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

/** Replicas that a deployment should have until something scales it. */
export function initialTarget(options: DeploymentOptionsSpec): number {
  return options.autoscaling === undefined ? options.numReplicas : options.autoscaling.initialReplicas;
}
