import { HttpRequestError, PermissionDeniedError, UnauthenticatedError } from "../../core/error.ts";
import { isAuthorized } from "../../proto/token.ts";

/** What decides who may use the admin API. */
export type AdminGuard = {
  /** Host it listens on. */
  readonly host: string;
  /** undefined: none is needed. */
  readonly token: string | undefined;
};

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/**
 * Refuses what must not pass, for every method alike. Deploying is running code, so a web page in a browser on this
 * machine must never get here: not across sites (no `Origin`, no cross-site fetch), and not by a name that was made to
 * point here (DNS rebinding), for which `host` must be one of ours. Where a token is asked for, names are free, because
 * a page does not have the token.
 *
 * @throws {HttpRequestError} misdirected_request, when `host` is not ours
 * @throws {PermissionDeniedError} when a web page asks
 * @throws {UnauthenticatedError} when the token is missing or wrong
 */
export function guard(admin: AdminGuard, headers: Readonly<Record<string, string | undefined>>): void {
  const site = headers["sec-fetch-site"];
  if (headers["origin"] !== undefined || (site !== undefined && site !== "none")) {
    throw new PermissionDeniedError(
      "the admin API is not for web pages; use the command line or a program of your own",
    );
  }
  if (admin.token !== undefined) {
    if (isAuthorized(admin.token, headers["authorization"])) return;
    throw new UnauthenticatedError(
      "the token is missing or wrong; send `authorization: Bearer <token>` (--token-file)",
    );
  }
  const host = (headers["host"] ?? "").replace(/:\d+$/, "").toLowerCase();
  const own = admin.host.includes(":") ? `[${admin.host}]` : admin.host;
  if (![...LOOPBACK, own.toLowerCase()].includes(host)) {
    throw new HttpRequestError(
      "misdirected_request",
      "this is not the host of the admin API; use http://127.0.0.1 or its own name",
    );
  }
}
