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
