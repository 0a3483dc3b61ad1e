import { createHash, timingSafeEqual } from "node:crypto";

/** What a caller with `token` puts into `authorization`, in HTTP and in gRPC metadata alike. */
export function bearer(token: string): string {
  return `Bearer ${token}`;
}

/**
 * Whether `authorization` carries `token`. Compares digests in constant time, so that the time an answer takes tells
 * neither the token's characters nor its length.
 */
export function isAuthorized(token: string, authorization: string | undefined): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(bearer(token)), digest(authorization ?? ""));
}
