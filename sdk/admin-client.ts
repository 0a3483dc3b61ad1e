import { errorFromProblem } from "./problem-error.ts";
import type { ApplicationSpec } from "../core/spec.ts";
import type {
  ApplicationStatusView,
  ClusterStatus,
  DemandView,
  DeploymentStatusView,
  NodeStatusView,
} from "../core/status.ts";

/** Options of {@link createAdminClient}. */
export type AdminClientOptions = {
  /** Sent as `authorization: Bearer`; needed where the cluster was started with `--token-file`. */
  readonly token?: string | undefined;
  /** Default: the runtime's own `fetch`. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Cancels every call. */
  readonly signal?: AbortSignal | undefined;
};

/** What is put: a specification, and the values of the secrets it names. */
export type PutBody = { readonly spec: ApplicationSpec; readonly secrets: Readonly<Record<string, string>> };

/** What a put changes, or with `plan` would change; names of deployments. */
export type PutAnswer = {
  readonly application: string;
  /** Of the application as it was put; its status has the same once it serves. */
  readonly version: string;
  /** Their replicas are replaced. */
  readonly changed: readonly string[];
  /** Changed in place. */
  readonly reconfigured: readonly string[];
  readonly unchanged: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** The prefix it answers under once it serves, where that is another than before. */
  readonly routePrefix?: string;
  /** The values of secrets differ; replicas that run keep those they were started with. */
  readonly hasOtherSecrets: boolean;
  /** Keys, their limits or CORS differ; a controller of an earlier version does not say. */
  readonly hasOtherAccess?: boolean;
};

/** Why a deployment is as it is. */
export type Explanation = {
  readonly deployment: string;
  readonly status: DeploymentStatusView["status"];
  readonly targetReplicas: number;
  /** What decided the target. */
  readonly targetReason: string;
  /** Why the scaling policy's last answer is not used; empty when it is, or there is none. */
  readonly policyProblem: string;
  readonly reason: string;
  readonly pending: readonly {
    readonly replica: string;
    readonly reason: string;
    readonly nodes: readonly { readonly node: string; readonly reason: string }[];
  }[];
  /** Oldest first. */
  readonly decisions: readonly {
    readonly at: string;
    readonly action: string;
    readonly subject: string;
    readonly reason: string;
    /** What a count came from: replicas that each signal asked for. */
    readonly inputs?: Readonly<Record<string, number>> | undefined;
  }[];
};

/** A node that was asked to empty. */
export type DrainAnswer = {
  readonly node: string;
  /** ISO 8601; what runs there by then ends whether it was replaced or not. */
  readonly deadlineAt: string;
};

/** A count that was set by hand. */
export type ScaleAnswer = {
  /** `application/deployment` */
  readonly deployment: string;
  readonly replicas: number;
  /** Autoscaling goes on from there; otherwise it stays until a deploy names another `numReplicas`. */
  readonly isAutoscaled: boolean;
};

/** What may be done with a rollout. */
export type RolloutAction = "pause" | "resume" | "promote" | "abort";

/** The admin REST of a cluster. Every method rejects with a ServeError, or with the connection's own error. */
export type AdminClient = {
  status(): Promise<ClusterStatus>;
  nodes(): Promise<{ readonly nodes: readonly NodeStatusView[] }>;
  /**
   * Empties a node: what runs there is replaced elsewhere first, or ends by the deadline (default 120,000 ms). Resolves
   * once it is asked for; {@link AdminClient.nodes} says when nothing is left on it.
   *
   * @throws {ServeError} `node_not_found`
   */
  drainNode(node: string, options?: { readonly deadlineMs?: number }): Promise<DrainAnswer>;
  /** Uses a drained node again. */
  undrainNode(node: string): Promise<void>;
  /** Replicas that fit on no node, so that something else can add machines. */
  demand(): Promise<DemandView>;
  /** @throws {ServeError} `deployment_not_found` when there is no such application */
  application(name: string): Promise<ApplicationStatusView>;
  putApplication(name: string, body: PutBody, options?: { readonly plan?: boolean }): Promise<PutAnswer>;
  deleteApplication(name: string): Promise<void>;
  /**
   * Deploys a kept version again: the one that starts with `version` (6 characters or more), else the one that served
   * before.
   *
   * @throws {ServeError} `version_not_found`; its message lists the versions that are kept
   */
  rollback(name: string, options?: { readonly version?: string }): Promise<PutAnswer>;
  /**
   * Sets how many replicas a deployment has.
   *
   * @throws {ServeError} `replicas_out_of_bounds` when autoscaling would never go there
   */
  scale(application: string, deployment: string, replicas: number): Promise<ScaleAnswer>;
  /**
   * Takes a hand in what is being rolled out. A paused rollout goes no further, but its gates still hold; `promote` gives
   * the new versions everything at once, `abort` takes everything from them.
   *
   * @throws {ServeError} `no_rollout` when nothing is being rolled out
   */
  rollout(name: string, action: RolloutAction): Promise<void>;
  /**
   * Tells the newest value of the metric that a deployment scales by (`autoscaling.metric`), where the cluster does not
   * read it from a URL itself. Tell it every few seconds: an old value is not believed.
   *
   * @throws {ServeError} `invalid_request` when the deployment scales by no metric
   */
  tellMetric(application: string, deployment: string, value: number): Promise<void>;
  /** Whether the cluster has a bundle's file already. */
  hasBlob(digest: string): Promise<boolean>;
  putBlob(digest: string, content: Blob | Uint8Array<ArrayBuffer>): Promise<void>;
  /** Last lines of the logs, of every deployment or of one (`application/deployment`). */
  logs(options: {
    readonly deployment?: string | undefined;
    readonly lines: number;
  }): Promise<{ readonly lines: readonly unknown[] }>;
  /** Why a deployment is as it is. */
  explain(application: string, deployment: string): Promise<Explanation>;
  /** The cluster drains and ends. */
  shutdown(): Promise<void>;
};

/**
 * A client of a cluster's admin REST: what the CLI uses, for programs.
 *
 * @param address - admin URL, such as `http://127.0.0.1:8265`
 *
 * @example
 * ```ts
 * import { createAdminClient } from "thornback/client";
 *
 * export async function printStatus(): Promise<void> {
 *   const admin = createAdminClient("http://127.0.0.1:8265");
 *   for (const { name, status } of (await admin.status()).applications) console.log(name, status);
 * }
 * ```
 */
export function createAdminClient(address: string, options: AdminClientOptions = {}): AdminClient {
  const connection: Connection = { base: `${address.replace(/\/+$/, "")}/api/v1/`, options };
  const json = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const content = body === undefined ? {} : { body: JSON.stringify(body), type: "application/json" };
    return (await (await send(connection, { method, path, ...content })).json()) as T;
  };
  const part = encodeURIComponent;
  return {
    status: () => json("GET", "status"),
    nodes: () => json("GET", "nodes"),
    drainNode: (node, drainOptions = {}) => json("POST", `nodes/${part(node)}/drain`, drainOptions),
    undrainNode: async (node) => drain(await send(connection, { method: "POST", path: `nodes/${part(node)}/undrain` })),
    demand: () => json("GET", "demand"),
    rollback: (name, rollbackOptions = {}) => json("POST", `applications/${part(name)}/rollback`, rollbackOptions),
    scale: (application, deployment, replicas) =>
      json("POST", `applications/${part(application)}/deployments/${part(deployment)}/scale`, { replicas }),
    rollout: async (name, action) => void (await json("POST", `applications/${part(name)}/rollout`, { action })),
    tellMetric: async (application, deployment, value) => {
      const path = `applications/${part(application)}/deployments/${part(deployment)}/metric`;
      const type = "application/json";
      await drain(await send(connection, { method: "POST", path, body: JSON.stringify({ value }), type }));
    },
    application: (name) => json("GET", `applications/${part(name)}`),
    putApplication: (name, body, put = {}) =>
      json("PUT", `applications/${part(name)}${put.plan === true ? "?plan=true" : ""}`, body),
    deleteApplication: async (name) =>
      drain(await send(connection, { method: "DELETE", path: `applications/${part(name)}` })),
    hasBlob: async (digest) => {
      const response = await send(connection, { method: "HEAD", path: `bundles/${digest}`, accept: [404] });
      return response.status !== 404;
    },
    putBlob: async (digest, content) => {
      const type = "application/octet-stream";
      await drain(await send(connection, { method: "PUT", path: `bundles/${digest}`, body: content, type }));
    },
    logs: ({ deployment, lines }) => {
      const query = new URLSearchParams({ lines: String(lines), ...(deployment === undefined ? {} : { deployment }) });
      return json("GET", `logs?${query}`);
    },
    explain: (application, deployment) =>
      json("GET", `applications/${part(application)}/deployments/${part(deployment)}/explain`),
    shutdown: async () => drain(await send(connection, { method: "POST", path: "shutdown" })),
  };
}

type Connection = { readonly base: string; readonly options: AdminClientOptions };

type AdminRequest = {
  readonly method: string;
  readonly path: string;
  readonly body?: string | Blob | Uint8Array<ArrayBuffer>;
  readonly type?: string;
  /** Statuses that are an answer although they are not 2xx. */
  readonly accept?: readonly number[];
};

async function send({ base, options }: Connection, request: AdminRequest): Promise<Response> {
  const { method, path, body, type, accept } = request;
  const response = await (options.fetch ?? globalThis.fetch)(base + path, {
    method,
    body: body ?? null,
    headers: {
      ...(type === undefined ? {} : { "content-type": type }),
      ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
    },
    signal: options.signal ?? null,
  });
  if (response.ok || accept?.includes(response.status) === true) return response;
  throw errorFromProblem(response.status, await response.text());
}

/** Reads what is left of an answer, so that its connection can be used again. */
async function drain(response: Response): Promise<void> {
  await response.arrayBuffer();
}
