import { HttpRequestError, NotFoundError } from "../../core/error.ts";
import { type AdminGuard, guard } from "./admin-guard.ts";
import { ADMIN_OPENAPI } from "./admin-openapi.ts";
import { type AdminRequest, type AdminResponse, emptyResponse, jsonResponse } from "./admin-request.ts";
import {
  type ApplicationsDeps,
  deleteApplication,
  explain,
  getApplication,
  postMetric,
  postRollback,
  postRollout,
  postScale,
  putApplication,
} from "./applications.ts";
import { type BundlesDeps, headBlob, putBlob } from "./bundles.ts";
import { getNodes, postDrain, postUndrain } from "./nodes.ts";
import { getDemand, getLogs, getMetrics, getStatus, type ObserveDeps } from "./observe.ts";

/** Everything the admin API works with. */
export type AdminApiDeps = ApplicationsDeps &
  BundlesDeps &
  ObserveDeps & {
    readonly guard: AdminGuard;
    /** Somebody asked the cluster to shut down. */
    readonly onShutdown: () => void;
  };

type Handler = (
  deps: AdminApiDeps,
  parts: readonly string[],
  request: AdminRequest,
) => AdminResponse | Promise<AdminResponse>;

/** Paths below `/api/v1/`; a star stands for one part, given to the handler. */
const ROUTES: readonly { readonly path: readonly string[]; readonly methods: Readonly<Record<string, Handler>> }[] = [
  { path: ["status"], methods: { GET: (deps) => getStatus(deps) } },
  { path: ["nodes"], methods: { GET: (deps) => getNodes(deps) } },
  {
    path: ["nodes", "*", "drain"],
    methods: { POST: (deps, [node = ""], request) => postDrain(deps, node, request) },
  },
  { path: ["nodes", "*", "undrain"], methods: { POST: (deps, [node = ""]) => postUndrain(deps, node) } },
  { path: ["demand"], methods: { GET: (deps) => getDemand(deps) } },
  { path: ["metrics"], methods: { GET: (deps) => getMetrics(deps) } },
  { path: ["logs"], methods: { GET: (deps, _, request) => getLogs(deps, request) } },
  { path: ["openapi.json"], methods: { GET: () => jsonResponse(200, ADMIN_OPENAPI) } },
  { path: ["shutdown"], methods: { POST: (deps) => shutdown(deps) } },
  {
    path: ["applications", "*"],
    methods: {
      GET: (deps, [name = ""]) => getApplication(deps, name),
      PUT: (deps, [name = ""], request) => putApplication(deps, name, request),
      DELETE: (deps, [name = ""]) => deleteApplication(deps, name),
    },
  },
  {
    path: ["applications", "*", "rollback"],
    methods: { POST: (deps, [name = ""], request) => postRollback(deps, name, request) },
  },
  {
    path: ["applications", "*", "rollout"],
    methods: { POST: (deps, [name = ""], request) => postRollout(deps, name, request) },
  },
  {
    path: ["applications", "*", "deployments", "*", "metric"],
    methods: {
      POST: (deps, [name = "", deployment = ""], request) => postMetric(deps, { name, deployment }, request),
    },
  },
  {
    path: ["applications", "*", "deployments", "*", "scale"],
    methods: {
      POST: (deps, [name = "", deployment = ""], request) => postScale(deps, { name, deployment }, request),
    },
  },
  {
    path: ["applications", "*", "deployments", "*", "explain"],
    methods: { GET: (deps, [name = "", deployment = ""]) => explain(deps, name, deployment) },
  },
  {
    path: ["bundles", "*"],
    methods: {
      HEAD: (deps, [digest = ""]) => headBlob(deps, digest),
      PUT: (deps, [digest = ""], request) => putBlob(deps, digest, request),
    },
  },
];

/** Answers one request to the admin API. Rejects with a ServeError. */
export async function answerAdmin(deps: AdminApiDeps, request: AdminRequest): Promise<AdminResponse> {
  guard(deps.guard, request.headers);
  const route = ROUTES.find(({ path }) => isMatch(path, request.path));
  if (route === undefined) {
    throw new NotFoundError("route_not_found", "the admin API has no such path; see /api/v1/openapi.json");
  }
  const handler = Object.hasOwn(route.methods, request.method) ? route.methods[request.method] : undefined;
  if (handler === undefined) {
    const allow = Object.keys(route.methods);
    throw new HttpRequestError("method_not_allowed", `only ${allow.join(", ")} here`, { details: { allow } });
  }
  const parts = request.path.filter((_, i) => route.path[i] === "*");
  return handler(deps, parts, request);
}

function isMatch(pattern: readonly string[], path: readonly string[]): boolean {
  return pattern.length === path.length && pattern.every((part, i) => part === "*" || part === path[i]);
}

/** Answers first: the supervisor ends this process soon after. */
function shutdown(deps: AdminApiDeps): AdminResponse {
  deps.controller.shutdown();
  deps.onShutdown();
  return emptyResponse(202);
}
