import { DEFAULT_PREFLIGHT_AGE_SECONDS, MOST_ACCESS_KEYS, MOST_CORS_NAMES, MOST_ONGOING_OF_KEY } from "./limits.ts";
import { isRecord, joinPath, type ProblemList, type UnknownRecord } from "./problem-list.ts";

/** One caller of an application and how much it may ask for, with every default filled in. */
export type AccessKeySpec = {
  /** Whom it was given to; deployments read it in `x-thornback-key`. */
  readonly name: string;
  /** SHA-256 of the key in hexadecimal. The key itself stands nowhere. */
  readonly sha256: string;
  /** On average, per node; 0: no limit. */
  readonly requestsPerSecond: number;
  /** Requests that may come at once after a pause; at least 1. Only with `requestsPerSecond`. */
  readonly burst: number;
  /** Not yet answered, per node; 0: no limit. */
  readonly maxOngoingRequests: number;
};

/** Who may ask an application: whoever has one of these keys. */
export type AccessSpec = {
  /** At least one. */
  readonly keys: readonly AccessKeySpec[];
};

/** Which web pages of other origins may call an application, with every default filled in. */
export type CorsSpec = {
  /** Origins as browsers send them (`https://app.example.com`); `*`: every one. */
  readonly origins: "*" | readonly string[];
  readonly methods: readonly string[];
  /** Request headers a page may send; empty: whatever it asks for. */
  readonly headers: readonly string[];
  /** Headers of the answer that a page may read, beside those that every page may. */
  readonly exposedHeaders: readonly string[];
  /** Whether browsers send cookies; never with every origin. */
  readonly credentials: boolean;
  /** How long a browser need not ask again. */
  readonly maxAgeSeconds: number;
};

const KEY_FIELDS = ["name", "sha256", "requestsPerSecond", "burst", "maxOngoingRequests"];
const CORS_FIELDS = ["origins", "methods", "headers", "exposedHeaders", "credentials", "maxAgeSeconds"];
const KEY_NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$/;
const DIGEST = /^[0-9a-f]{64}$/;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;
const DEFAULT_METHODS: readonly string[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
const DEFAULT_EXPOSED_HEADERS: readonly string[] = [
  "x-request-id",
  "x-thornback-version",
  "x-thornback-degraded",
  "retry-after",
];

/**
 * The keys of an application; undefined: none are asked for. An empty list is refused, and so is null, as which YAML reads
 * a field without a value: a mistake in making it would open the application to everybody.
 */
export function readAccess(problems: ProblemList, path: string, value: unknown): AccessSpec | undefined {
  if (value === undefined) return undefined;
  const given = problems.readRecord(path, value);
  if (isRecord(value)) problems.refuseUnknown(path, given, ["keys"]);
  const at = joinPath(path, "keys");
  const list = problems.readList(at, given["keys"]);
  if (list.length === 0 && Array.isArray(given["keys"])) {
    problems.add(at, "must hold at least one key; leave access out for an application that is open to everybody");
  }
  if (list.length > MOST_ACCESS_KEYS) problems.add(at, `holds ${list.length} keys, more than ${MOST_ACCESS_KEYS}`);
  const keys = list.slice(0, MOST_ACCESS_KEYS).map((entry, index) => readKey(problems, joinPath(at, index), entry));
  for (const field of ["name", "sha256"] as const) refuseTwice(problems, at, keys, field);
  return { keys };
}

/** Which other origins may call an application; undefined: the proxy adds nothing to answers. */
export function readCors(problems: ProblemList, path: string, value: unknown): CorsSpec | undefined {
  if (value === undefined || value === null) return undefined;
  const given = problems.readRecord(path, value);
  problems.refuseUnknown(path, given, CORS_FIELDS);
  const origins = readOrigins(problems, joinPath(path, "origins"), given["origins"]);
  const credentials = problems.readBoolean(joinPath(path, "credentials"), given["credentials"], false);
  if (credentials && origins === "*") {
    problems.add(joinPath(path, "credentials"), "needs a list of origins: with * every page could act for its visitor");
  }
  const age = { least: 0, most: 86_400, isInteger: true };
  const names = (field: string, byDefault: readonly string[]): readonly string[] =>
    readNames(problems, joinPath(path, field), given[field], byDefault);
  return {
    origins,
    methods: names("methods", DEFAULT_METHODS).map((method) => method.toUpperCase()),
    headers: names("headers", []).map((header) => header.toLowerCase()),
    exposedHeaders: names("exposedHeaders", DEFAULT_EXPOSED_HEADERS).map((header) => header.toLowerCase()),
    credentials,
    maxAgeSeconds: problems.readNumber(
      joinPath(path, "maxAgeSeconds"),
      given["maxAgeSeconds"],
      age,
      DEFAULT_PREFLIGHT_AGE_SECONDS,
    ),
  };
}

function readKey(problems: ProblemList, at: string, value: unknown): AccessKeySpec {
  const given = problems.readRecord(at, value);
  problems.refuseUnknown(at, given, KEY_FIELDS);
  const perSecond = { least: 0, most: 1_000_000, isInteger: false };
  const burstBounds = { least: 1, most: 1_000_000, isInteger: true };
  const ongoing = { least: 0, most: MOST_ONGOING_OF_KEY, isInteger: true };
  const rate = problems.readNumber(`${at}.requestsPerSecond`, given["requestsPerSecond"], perSecond, 0);
  const byDefault = Math.max(1, Math.ceil(rate));
  const what = "1 to 63 letters, digits, . _ @ and -, beginning with a letter or digit";
  return {
    name: problems.readText(`${at}.name`, given["name"], KEY_NAME, what),
    sha256: readDigest(problems, at, given),
    requestsPerSecond: rate,
    burst: problems.readNumber(`${at}.burst`, given["burst"], burstBounds, byDefault),
    maxOngoingRequests: problems.readNumber(`${at}.maxOngoingRequests`, given["maxOngoingRequests"], ongoing, 0),
  };
}

/** What is wrong is not repeated: somebody may have written the key itself. */
function readDigest(problems: ProblemList, at: string, { sha256 }: UnknownRecord): string {
  const lower = typeof sha256 === "string" ? sha256.toLowerCase() : "";
  if (DIGEST.test(lower)) return lower;
  problems.add(`${at}.sha256`, "must be the SHA-256 of the key, 64 hexadecimal characters; `serve keys new` prints it");
  return "";
}

function refuseTwice(
  problems: ProblemList,
  at: string,
  keys: readonly AccessKeySpec[],
  field: "name" | "sha256",
): void {
  const seen = new Set<string>();
  for (const [index, key] of keys.entries()) {
    if (key[field] !== "" && seen.has(key[field])) problems.add(`${at}[${index}].${field}`, "is there twice");
    seen.add(key[field]);
  }
}

function readOrigins(problems: ProblemList, at: string, value: unknown): "*" | readonly string[] {
  if (value === "*") return "*";
  const list = problems.readList(at, value);
  if (list.length > MOST_CORS_NAMES) problems.add(at, `holds ${list.length} origins, more than ${MOST_CORS_NAMES}`);
  if (list.length === 0 && Array.isArray(value)) problems.add(at, 'must hold at least one origin, or be "*"');
  return list.slice(0, MOST_CORS_NAMES).map((entry, index) => {
    const origin = typeof entry === "string" && URL.canParse(entry) ? new URL(entry).origin : "null";
    // A slash at the end is what people write and browsers never send.
    if (origin !== "null" && (entry === origin || entry === `${origin}/`)) return origin;
    problems.add(joinPath(at, index), "must be an origin such as https://app.example.com, without a path");
    return "";
  });
}

function readNames(problems: ProblemList, at: string, value: unknown, byDefault: readonly string[]): readonly string[] {
  if (value === undefined || value === null) return byDefault;
  const list = problems.readList(at, value);
  if (list.length > MOST_CORS_NAMES) problems.add(at, `holds ${list.length} names, more than ${MOST_CORS_NAMES}`);
  return list
    .slice(0, MOST_CORS_NAMES)
    .map((name, index) => problems.readText(joinPath(at, index), name, TOKEN, "a name without spaces"));
}
