import { ERROR_MAP } from "../core/error-map.ts";
import { ServeError } from "../core/error.ts";
import type { ErrorCode, Problem } from "../core/error.ts";
import { isRecord } from "../core/problem-list.ts";

/** The error that a problem document stands for; of the code nearest to the status when it is none of ours. */
export function errorFromProblem(status: number, body: string): ServeError {
  const document = parseObject(body);
  const given = document?.["code"];
  const code = typeof given === "string" && Object.hasOwn(ERROR_MAP, given) ? (given as ErrorCode) : codeOf(status);
  const detail = document?.["detail"];
  const problems = Array.isArray(document?.["problems"])
    ? (document["problems"] as unknown[]).filter(isProblem)
    : undefined;
  const message = typeof detail === "string" ? detail : `the server answered ${status} without saying why`;
  return new ServeError(code, message, { details: problems === undefined ? {} : { problems } });
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    // Something between here and the server answered in a form of its own; the status still says something.
    return undefined;
  }
}

function isProblem(value: unknown): value is Problem {
  return isRecord(value) && typeof value["path"] === "string" && typeof value["message"] === "string";
}

function codeOf(status: number): ErrorCode {
  const found = Object.entries(ERROR_MAP).find(([, mapping]) => mapping.http === status);
  if (found !== undefined) return found[0] as ErrorCode;
  return status < 500 ? "invalid_request" : "internal";
}
