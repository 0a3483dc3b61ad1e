import { DEFAULT_NODE_DRAIN_MS } from "../../core/limits.ts";
import { FEWEST_VERSION_CHARACTERS } from "../decide/rollback.ts";

const path = (name: string): unknown => ({ name, in: "path", required: true, schema: { type: "string" } });
const query = (name: string, schema: unknown): unknown => ({ name, in: "query", required: false, schema });
const answers = (description: string, type = "application/json"): unknown => ({
  "2XX": { description, content: { [type]: {} } },
  default: { description: "A problem document (RFC 9457) with a `code`.", content: { "application/problem+json": {} } },
});
const operation = (summary: string, rest: Readonly<Record<string, unknown>> = {}): unknown => ({
  summary,
  responses: answers(summary),
  ...rest,
});

const body = (properties: unknown, required: boolean): unknown => ({
  required,
  content: { "application/json": { schema: { type: "object", properties } } },
});

/** OpenAPI document of the admin API, answered at `/api/v1/openapi.json`. */
export const ADMIN_OPENAPI = {
  openapi: "3.1.0",
  info: { title: "Thornback admin API", version: "1" },
  servers: [{ url: "/api/v1" }],
  components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
  security: [{}, { token: [] }],
  paths: {
    "/status": { get: operation("Applications, deployments, replicas and nodes, with reasons") },
    "/nodes": { get: operation("Nodes and their resources") },
    "/nodes/{node}/drain": {
      parameters: [path("node")],
      post: operation("Empties a node: what runs there is replaced elsewhere first, or ends by the deadline", {
        requestBody: body({ deadlineMs: { type: "number", minimum: 0, default: DEFAULT_NODE_DRAIN_MS } }, false),
      }),
    },
    "/nodes/{node}/undrain": { parameters: [path("node")], post: operation("Uses a node again") },
    "/demand": { get: operation("Replicas that fit on no node, and what they need") },
    "/metrics": { get: { summary: "Metrics of all nodes", responses: answers("Prometheus text", "text/plain") } },
    "/logs": {
      get: operation("The last lines of replicas' logs", {
        parameters: [query("deployment", { type: "string" }), query("lines", { type: "integer", minimum: 1 })],
      }),
    },
    "/shutdown": { post: operation("Drains and ends the whole cluster") },
    "/applications/{name}": {
      parameters: [path("name")],
      get: operation("One application's status"),
      put: operation("Deploys an application; its bundle must be uploaded", {
        parameters: [query("plan", { type: "boolean", description: "Only say what would change" })],
        requestBody: {
          required: true,
          content: {
            "application/json": {
              schema: {
                type: "object",
                required: ["spec"],
                properties: {
                  spec: { type: "object" },
                  secrets: { type: "object", additionalProperties: { type: "string" } },
                },
              },
            },
          },
        },
      }),
      delete: operation("Drains and removes an application"),
    },
    "/applications/{name}/rollback": {
      parameters: [path("name")],
      post: operation("Deploys a kept version again: the one that starts so, else the one that served before", {
        requestBody: body({ version: { type: "string", minLength: FEWEST_VERSION_CHARACTERS } }, false),
      }),
    },
    "/applications/{name}/rollout": {
      parameters: [path("name")],
      post: operation("Pauses, resumes, promotes or aborts what is being rolled out", {
        requestBody: body({ action: { type: "string", enum: ["pause", "resume", "promote", "abort"] } }, true),
      }),
    },
    "/applications/{name}/deployments/{deployment}/metric": {
      parameters: [path("name"), path("deployment")],
      post: operation("Tells the value of the metric that a deployment scales by", {
        requestBody: body({ value: { type: "number", minimum: 0 } }, true),
      }),
    },
    "/applications/{name}/deployments/{deployment}/scale": {
      parameters: [path("name"), path("deployment")],
      post: operation("Sets how many replicas a deployment has; autoscaling goes on from there", {
        requestBody: body({ replicas: { type: "integer", minimum: 0 } }, true),
      }),
    },
    "/applications/{name}/deployments/{deployment}/explain": {
      parameters: [path("name"), path("deployment")],
      get: operation("Why a deployment has the replicas it has, and why some are pending"),
    },
    "/bundles/{sha256}": {
      parameters: [path("sha256")],
      head: operation("Whether a file of a bundle is here"),
      put: operation("Uploads a file of a bundle; its bytes must have that digest", {
        requestBody: { required: true, content: { "application/octet-stream": {} } },
      }),
    },
  },
} as const;
