/**
 * Who may ask: checks the key of a request whose route has keys, and counts what each key has. A key comes as
 * `authorization: Bearer KEY` or as `x-api-key: KEY`; where both are there the second one counts, and the first is the
 * application's business.
 *
 * A presented key is hashed once (SHA-256, about 1 µs) and its digest compared with all of the route's, always all and
 * always whole, so that the time taken tells nothing. There is no cache from keys to digests: it would save less than the
 * lookup costs, and keep keys in memory. Nothing that identifies a key is ever logged or answered.
 *
 * What a key has used outlives a change of the table: it is remembered by application and key name.
 */
import { hash } from "node:crypto";
import type { AccessKeySpec } from "../core/access.ts";
import type { Clock } from "../core/clock.ts";
import { RateLimitedError, UnauthenticatedError } from "../core/error.ts";
import type { ApplicationName } from "../core/ids.ts";
import { MOST_METERED_APPLICATIONS } from "../core/limits.ts";
import type { RouteEntry } from "../core/table.ts";
import { isStream, type Body } from "../proto/body.ts";
import { admit, type KeyLimits, type KeyUse, shareOf, unused } from "./decide/admit.ts";
import { ForwardedHeaders } from "./forwarded-headers.ts";
import { headerOf } from "../proto/header-of.ts";

/** What {@link Access} is made of. */
export type AccessDeps = {
  readonly clock: Clock;
  /** Proxies of the node, among which limits are shared. */
  readonly proxyCount: number;
  /** Networks and addresses of the proxies in front that are believed. */
  readonly trustedProxies: readonly string[];
};

/** A request that was let in by a key with limits, until it ends. */
export interface Admission {
  /** The request ends with this body; calling it again does nothing. */
  releaseAfter(answered: Body): void;
}

/** A key, its limits in this proxy, and what it has used of them. */
type Meter = { readonly name: string; readonly limits: KeyLimits; use: KeyUse; readonly hasLimits: boolean };

/** A route's keys, as requests are checked with. */
type RouteKeys = { readonly digests: Int32Array; readonly meters: readonly Meter[] };

const DIGEST_WORDS = 8;
const API_KEY_HEADER = "x-api-key";
const KEY_NAME_HEADER = "x-thornback-key";

/** Checks keys and their limits. */
export class Access {
  readonly #deps: AccessDeps;
  readonly #forwarded: ForwardedHeaders;
  /** Made when a route's first request comes; a changed route is another object. */
  readonly #byRoute = new WeakMap<RouteEntry, RouteKeys>();
  /** By key name; newest application last. */
  readonly #byApplication = new Map<ApplicationName, ReadonlyMap<string, Meter>>();

  constructor(deps: AccessDeps) {
    this.#deps = deps;
    this.#forwarded = new ForwardedHeaders(deps.trustedProxies);
  }

  /**
   * Lets a request in, or throws. `headers` (lower-case names and values by turns) are those that go on to the replica:
   * they get what `ForwardedHeaders` says, and where the route has keys `x-thornback-key` in place of the key.
   *
   * @throws {UnauthenticatedError} without a key of the route
   * @throws {RateLimitedError} when the key has used up its share
   */
  admit(route: RouteEntry, remoteAddress: string, headers: string[]): Admission | undefined {
    this.#forwarded.apply(headers, remoteAddress);
    if (route.access === undefined) return undefined;
    let keys = this.#byRoute.get(route);
    if (keys === undefined) {
      keys = this.#compile(route.application, route.access.keys);
      this.#byRoute.set(route, keys);
    }
    const meter = keys.meters[findKey(keys.digests, takeKey(headers))];
    if (meter === undefined) throw new UnauthenticatedError("the key is none of this application's");
    headers.push(KEY_NAME_HEADER, meter.name);
    if (!meter.hasLimits) return undefined;
    const decision = admit(meter.limits, meter.use, this.#deps.clock.now());
    if (decision.kind === "refuse") {
      const retryAfterSeconds = Math.max(1, Math.ceil(decision.retryAfterMs / 1_000));
      throw new RateLimitedError(REFUSED[decision.reason], { details: { retryAfterSeconds } });
    }
    meter.use = decision.use;
    return new MeteredAdmission(meter);
  }

  #compile(application: ApplicationName, keys: readonly AccessKeySpec[]): RouteKeys {
    const before = this.#byApplication.get(application);
    const meters = keys.map((key) => this.#meterOf(key, before?.get(key.name)));
    this.#byApplication.delete(application);
    this.#byApplication.set(application, new Map(meters.map((meter) => [meter.name, meter])));
    if (this.#byApplication.size > MOST_METERED_APPLICATIONS) {
      const oldest = this.#byApplication.keys().next();
      if (oldest.done !== true) this.#byApplication.delete(oldest.value);
    }
    const digests = new Int32Array(keys.length * DIGEST_WORDS);
    for (const [index, { sha256 }] of keys.entries())
      digests.set(wordsOf(Buffer.from(sha256, "hex")), index * DIGEST_WORDS);
    return { digests, meters };
  }

  #meterOf(key: AccessKeySpec, before: Meter | undefined): Meter {
    const limits = shareOf(key, this.#deps.proxyCount);
    const hasLimits = key.requestsPerSecond > 0 || key.maxOngoingRequests > 0;
    const isSame = before !== undefined && JSON.stringify(before.limits) === JSON.stringify(limits);
    return isSame ? before : { name: key.name, limits, use: unused(limits, this.#deps.clock.now()), hasLimits };
  }
}

const REFUSED = {
  rate: "this key's requests per second are used up: try again later, or ask for a higher limit",
  ongoing: "this key has as many requests on their way as it may: wait for their answers, or ask for a higher limit",
} as const;

class MeteredAdmission implements Admission {
  #meter: Meter | undefined;

  constructor(meter: Meter) {
    this.#meter = meter;
  }

  releaseAfter(answered: Body): void {
    if (isStream(answered)) answered.onSettled(() => this.#release());
    else this.#release();
  }

  #release(): void {
    const meter = this.#meter;
    if (meter === undefined) return;
    this.#meter = undefined;
    meter.use = { ...meter.use, ongoingCount: meter.use.ongoingCount - 1 };
  }
}

/** The key that a request brings; its header is taken out. */
function takeKey(headers: string[]): string {
  const name = headerOf(headers, API_KEY_HEADER) !== undefined ? API_KEY_HEADER : "authorization";
  const at = headers.findIndex((text, index) => index % 2 === 0 && text === name);
  const value = headers[at + 1] ?? "";
  const key = at < 0 ? undefined : name === API_KEY_HEADER ? value : /^Bearer +(\S+)$/i.exec(value)?.[1];
  if (key === undefined) {
    const text = "this application asks for a key: send it as authorization: Bearer KEY, or as x-api-key: KEY";
    throw new UnauthenticatedError(text);
  }
  headers.splice(at, 2);
  // Of two keys nobody can say which is meant.
  if (headerOf(headers, name) !== undefined)
    throw new UnauthenticatedError(`the request has more than one ${name} header: send one`);
  return key;
}

/** Place of a key among digests, -1 when it is none of them; takes the same time wherever it is, and whether it is. */
function findKey(digests: Int32Array, key: string): number {
  // As its bytes came: headers are read as latin1.
  const words = wordsOf(hash("sha256", Buffer.from(key, "latin1"), "buffer"));
  let found = -1;
  for (let at = 0; at < digests.length; at += DIGEST_WORDS) {
    let difference = 0;
    for (let word = 0; word < DIGEST_WORDS; word++) difference |= (digests[at + word] ?? 0) ^ (words[word] ?? 0);
    // All ones where anything differs, else zero: what is chosen between without a branch.
    const isOther = (difference | -difference) >> 31;
    found = (found & isOther) | ((at / DIGEST_WORDS) & ~isOther);
  }
  return found;
}

function wordsOf(digest: Buffer): Int32Array {
  const words = new Int32Array(DIGEST_WORDS);
  for (let word = 0; word < DIGEST_WORDS; word++) words[word] = digest.readInt32LE(word * 4);
  return words;
}
