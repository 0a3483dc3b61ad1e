import type { StandardJSONSchemaV1 } from "@standard-schema/spec";
import { ERROR_MAP } from "../core/error-map.ts";
import type { ErrorCode } from "../core/error.ts";
import type { ApplicationGraph } from "./load-app.ts";

type JsonSchema = Readonly<Record<string, unknown>>;

/** Errors any request may end with, whatever the application does. */
const COMMON_ERRORS: readonly ErrorCode[] = [
  "invalid_request",
  "method_not_allowed",
  "unsupported_media_type",
  "payload_too_large",
  "handler_failed",
  "replica_lost",
  "deployment_unavailable",
  "deadline_exceeded",
];

const PROBLEM_SCHEMA = {
  type: "object",
  required: ["title", "status", "code", "detail"],
  properties: {
    type: { type: "string" },
    title: { type: "string" },
    status: { type: "integer" },
    code: { type: "string", description: "What to match on; it never changes its meaning." },
    detail: { type: "string" },
    requestId: { type: "string" },
    problems: {
      type: "array",
      items: {
        type: "object",
        required: ["path", "message"],
        properties: { path: { type: "string" }, message: { type: "string" } },
      },
    },
  },
} as const;

/** Errors that an application with keys may end with besides. */
const KEY_ERRORS: readonly ErrorCode[] = ["unauthenticated", "rate_limited"];

/** How a key is sent; either will do. */
const KEY_SCHEMES = {
  bearer: { type: "http", scheme: "bearer" },
  apiKey: { type: "apiKey", in: "header", name: "x-api-key" },
} as const;

/**
 * The OpenAPI 3.1 document of an application; its paths are below the route prefix. A `predict` ingress is described by
 * its `static input` and `static output`, as far as those schemas can give JSON Schema; a `fetch` ingress routes by
 * itself, so its document has no paths.
 */
export function openApiDocument(graph: ApplicationGraph): JsonSchema {
  const ingress = graph.deployments.find(({ name }) => name === graph.ingress);
  const target = ingress?.target as PredictClass | undefined;
  const isPredict = graph.ingressKind === "predict";
  const isOpen = graph.access === undefined;
  return {
    openapi: "3.1.0",
    info: { title: graph.name, version: "1" },
    servers: [{ url: graph.routePrefix }],
    paths: isPredict ? { "/": { post: predictOperation(graph, target) } } : {},
    components: { schemas: { Problem: PROBLEM_SCHEMA }, ...(isOpen ? {} : { securitySchemes: KEY_SCHEMES }) },
    ...(isOpen ? {} : { security: Object.keys(KEY_SCHEMES).map((name) => ({ [name]: [] })) }),
  };
}

type PredictClass = {
  readonly input?: unknown;
  readonly output?: unknown;
  readonly prototype?: { readonly predict?: unknown };
};

/** Only a generator function shows that its method yields; one that returns an iterator is described as if it did not. */
function isGenerator(method: unknown): boolean {
  const name = typeof method === "function" ? method.constructor.name : "";
  return name === "AsyncGeneratorFunction" || name === "GeneratorFunction";
}

function predictOperation(graph: ApplicationGraph, target: PredictClass | undefined): JsonSchema {
  const { input, output, prototype } = target ?? {};
  const item = jsonSchema(output, "output");
  const ok = isGenerator(prototype?.predict)
    ? {
        description: "An event for each item, then `data: [DONE]`",
        content: { "text/event-stream": { itemSchema: item } },
      }
    : { description: "The result", content: { "application/json": { schema: item } } };
  return {
    operationId: "predict",
    summary: `Calls ${graph.ingress}.predict`,
    requestBody: {
      required: true,
      content: {
        "application/json": { schema: jsonSchema(input, "input") },
        "application/octet-stream": { schema: { type: "string", format: "binary" } },
      },
    },
    responses: {
      "200": ok,
      ...problemResponses(graph.access === undefined ? COMMON_ERRORS : [...COMMON_ERRORS, ...KEY_ERRORS]),
    },
  };
}

function problemResponses(codes: readonly ErrorCode[]): JsonSchema {
  const content = { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } };
  return Object.fromEntries(
    codes.map((code) => [String(ERROR_MAP[code].http), { description: ERROR_MAP[code].title, content }]),
  );
}

/** JSON Schema of a Standard Schema; one that allows anything where the schema has none to give. */
function jsonSchema(schema: unknown, side: "input" | "output"): JsonSchema {
  const converter = (schema as Partial<StandardJSONSchemaV1> | null | undefined)?.["~standard"]?.jsonSchema;
  if (converter === undefined) return {};
  try {
    const { $schema: _dialect, ...rest } = converter[side]({ target: "draft-2020-12" });
    return rest;
  } catch {
    // The standard lets a converter throw for what JSON Schema cannot say, for instance a transform. Validation is
    // not affected, and a deploy must not fail for want of a description.
    return {};
  }
}
