import type { ServeError } from "./error.ts";
import { ERROR_MAP } from "./error-map.ts";

/** A problem document (RFC 9457) and the status and headers that go with it. */
export type ProblemResponse = {
  readonly status: number;
  /** Names and values by turns. */
  readonly headers: readonly string[];
  readonly body: string;
};

/** How an error looks over HTTP, on the proxy port and the admin port alike. */
export function problemResponse(error: ServeError, requestId: string): ProblemResponse {
  const mapping = ERROR_MAP[error.code];
  const { problems, retryAfterSeconds, allow, status: asked, remote } = error.details;
  const status = error.code === "handler_failed" && asked !== undefined ? asked : mapping.http;
  const headers = ["content-type", "application/problem+json"];
  if (retryAfterSeconds !== undefined) headers.push("retry-after", String(retryAfterSeconds));
  if (error.code === "unauthenticated") headers.push("www-authenticate", "Bearer");
  if (allow !== undefined) headers.push("allow", allow.join(", "));
  const body = JSON.stringify({
    type: "about:blank",
    title: mapping.title,
    status,
    code: error.code,
    detail: error.message,
    ...(requestId === "" ? {} : { requestId }),
    ...(problems === undefined ? {} : { problems }),
    ...(remote === undefined ? {} : { error: { name: remote.name, code: remote.code } }),
  });
  return { status, headers, body };
}
