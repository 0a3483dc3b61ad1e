import { HttpRequestError, InvalidRequestError, type ServeError } from "../core/error.ts";

/** A request's target as it is served: path and query. */
export type RequestTarget = {
  readonly target: string;
  /** Why it is not to be served. */
  readonly refusal: ServeError | undefined;
};

/**
 * Reads a target that may be an absolute URL. `http://authority/path` is served by its path where the authority is the
 * address it came in by; another one is refused and never dialled.
 */
export function readTarget(url: string, local: { readonly address: string; readonly port: number }): RequestTarget {
  if (url.charCodeAt(0) === SLASH) return { target: url, refusal: undefined };
  const found = /^https?:\/\/([^/?#]*)(.*)$/is.exec(url);
  if (found === null) return { target: url, refusal: new InvalidRequestError("the request's target is not a path") };
  const [, authority = "", rest = ""] = found;
  const target = rest.startsWith("/") ? rest : `/${rest}`;
  if (isOurs(authority.toLowerCase(), local)) return { target, refusal: undefined };
  const error = new HttpRequestError(
    "misdirected_request",
    "this server does not answer for the host in the request's target",
  );
  return { target, refusal: error };
}

const SLASH = 47;

function isOurs(authority: string, local: { readonly address: string; readonly port: number }): boolean {
  const found = /^(\[[\da-f:.]+\]|[^:@[\]]+)(?::(\d+))?$/.exec(authority);
  if (found === null) return false;
  const [, host = "", port = "80"] = found;
  if (Number(port) !== local.port) return false;
  // What a socket that speaks both versions says of an IPv4 client.
  const address = local.address.replace(/^::ffff:/, "");
  const isLoopback = address === "::1" || address.startsWith("127.");
  return host === address || host === `[${address}]` || (isLoopback && host === "localhost");
}
