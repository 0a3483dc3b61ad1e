import type { Address } from "./network.ts";

/**
 * What the supervisor hands to the processes it keeps: a JSON file (0600) whose path is their only argument. Secrets
 * never stand in an argument list or an environment, where other users of the machine could read them.
 */
export type ControllerConfig = {
  readonly dataDir: string;
  readonly lifelineSocket: string;
  /** REST for CLI and SDK. Port 0: a free one. */
  readonly admin: Address;
  /** Control for workers. Port 0: a free one. */
  readonly grpc: Address;
  /** Token that CLI and workers must present; undefined: none, loopback only. */
  readonly token: string | undefined;
  readonly logLevel: string;
};

/** What may read HTTP in a proxy: `llhttp` on bare sockets, or `node:http`. */
export type HttpFrontKind = (typeof HTTP_FRONTS)[number];

/** Every kind of front, as `--http-front` names them. */
export const HTTP_FRONTS = ["node", "llhttp"] as const;

/** The front of whoever names none: the faster one, held to the same cases as the other (`bench/path`, `bench/fuzz`). */
export const DEFAULT_HTTP_FRONT: HttpFrontKind = "llhttp";

/** The worker's part. */
export type WorkerConfig = {
  readonly dataDir: string;
  readonly lifelineSocket: string;
  /** The controller's gRPC address; undefined: the supervisor says it over the lifeline once it is known. */
  readonly controller: Address | undefined;
  readonly token: string | undefined;
  /** Host that replicas of this node bind and other nodes reach them by. */
  readonly nodeHost: string;
  /** Where the node's proxies listen. */
  readonly http: Address;
  /** A proxy of this cluster listened there before: if the port is taken now, it is waited for. */
  readonly hasListened: boolean;
  /** Proxies of the node, all at one address. */
  readonly proxyCount: number;
  readonly httpFront: HttpFrontKind;
  /** Networks and addresses of proxies in front, whose `x-forwarded-…` headers are believed. */
  readonly trustedProxies: readonly string[];
  /** Declared with `--resources`; what is not declared is measured. */
  readonly resources: {
    readonly cpus: number | undefined;
    readonly memoryBytes: number | undefined;
    readonly gpus: number | undefined;
    readonly custom: Readonly<Record<string, number>>;
  };
  readonly labels: Readonly<Record<string, string>>;
  readonly logLevel: string;
  /** Blank replica processes kept ready. */
  readonly warmPoolSize: number;
  /** A replica's inspector, for `serve run --inspect`; undefined: none. */
  readonly inspect: Address | undefined;
};

/**
 * One line of JSON each way over the lifeline socket. While a process holds it open it may run; when the supervisor is
 * gone, it closes, and everything ends within LIFELINE_EXIT_MS.
 */
export type LifelineUp =
  /** First line. Children of the worker say no more than this. */
  | { readonly kind: "hello"; readonly role: "controller" | "worker" | "replica" | "proxy"; readonly pid: number }
  | { readonly kind: "controllerReady"; readonly admin: Address; readonly grpc: Address }
  /** The worker's proxy answers there. */
  | { readonly kind: "proxyReady"; readonly address: Address }
  /** It cannot start and trying again will not help, for instance a port in use. */
  | { readonly kind: "failed"; readonly reason: string }
  /** Somebody asked the cluster to shut down. */
  | { readonly kind: "shutdown" };

/** Supervisor → process. */
export type LifelineDown = { readonly kind: "controllerAddress"; readonly address: Address };

/** Folders and files of a data directory, relative to it. */
export const DATA_DIR = {
  store: "store",
  blobs: "blobs",
  bundles: "bundles",
  run: "run",
  logs: "logs",
  /** Compiled code of our own processes, so that they start faster. */
  cache: "cache",
  /** Newest routing table, so that a proxy starts without a controller. */
  table: "table.json",
  /** Newest assignment, so that a worker restarts replicas without a controller. */
  assignment: "assignment.json",
  node: "node.json",
  lifelineSocket: "run/lifeline.sock",
  workerSocket: "run/worker.sock",
  supervisor: "run/supervisor.json",
} as const;
