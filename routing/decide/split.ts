/**
 * Which version of a deployment a request is for while several serve. Requests stand on a line from 0 to 2^32, and each
 * version has a stretch of it as long as its share, oldest version first:
 *
 *     0 ├────────── v1, 75 % ──────────┼── v2, 25 % ──┤ 2^32
 *
 * A request with a session key stands where the key's hash is, in every router and at every time: it stays with its
 * version while the bounds stay, and a bound that moves to the left moves keys to the newer version only. One without a
 * key stands at the next point of a sequence of multiples of the golden ratio, which fills every stretch evenly: after n
 * requests the counts are off by a few, not by √n as with random points. Each router begins somewhere else.
 */
import type { Version } from "../../core/ids.ts";
import { SESSION_KEY_HEADER } from "../../core/session-key.ts";
import type { TrafficSplit } from "../../core/table.ts";
import { hash, mix } from "./ring.ts";

/** A {@link TrafficSplit}, made ready for choosing. */
export type Split = {
  /** Versions that have a share, oldest first; each reaches to its bound. */
  readonly stretches: readonly { readonly version: Version; readonly until: number }[];
  readonly rules: TrafficSplit["rules"];
  /** Versions that may take what is for another which cannot serve: the largest share first. */
  readonly standIns: readonly Version[];
};

/** What of a request says which version it is for. */
export type SplitWish = {
  /** Session key; empty: none. */
  readonly key: string;
  /** Names in lower case and values by turns; empty for a call through a handle. */
  readonly headers: readonly string[];
};

/** Which version a request is for. */
export type SplitDecision = { readonly version: Version; readonly reason: "rule" | "key" | "share" };

/** What there is of a version: a replica that is connected and not left out, one in the table at least, or nothing. */
export type VersionStanding = "ready" | "listed" | "none";

const LINE_LENGTH = 2 ** 32;
/** 2^32 ÷ the golden ratio. */
const GOLDEN = 0x9e3779b9;

/** Whether a deployment's requests are divided among versions. */
export function isDividing(traffic: TrafficSplit | undefined): boolean {
  return traffic !== undefined && traffic.shares.some(({ percent }) => percent > 0);
}

/** Makes a split ready; undefined when nothing has a share: then requests are not divided. */
export function buildSplit(traffic: TrafficSplit | undefined): Split | undefined {
  if (traffic === undefined || !isDividing(traffic)) return undefined;
  const shares = traffic.shares.filter(({ percent }) => percent > 0);
  const total = shares.reduce((sum, { percent }) => sum + percent, 0);
  let sum = 0;
  const stretches = shares.map(({ version, percent }, at) => {
    sum += percent;
    return { version, until: at === shares.length - 1 ? LINE_LENGTH : (sum / total) * LINE_LENGTH };
  });
  const standIns = traffic.shares.toSorted((one, other) => other.percent - one.percent).map(({ version }) => version);
  return { stretches, rules: traffic.rules, standIns };
}

/** The point after one; for requests without a key. */
export function nextPoint(point: number): number {
  return (point + GOLDEN) >>> 0;
}

/** Chooses a request's version. `point`: where it stands if it has no key. */
export function split(input: Split, wish: SplitWish, point: number): SplitDecision {
  for (const { header, value, version } of input.rules) {
    if (hasValue(wish, header, value)) return { version, reason: "rule" };
  }
  // Mixed once more, because a ring of replicas hashes the same keys: a version would get keys of a part of its ring only.
  if (wish.key !== "") return { version: versionAt(input, mix(hash(wish.key) ^ GOLDEN)), reason: "key" };
  return { version: versionAt(input, point), reason: "share" };
}

/** Which version serves what is for another: the other itself, while it has a replica to serve with. */
export function standIn(
  { standIns }: Split,
  version: Version,
  standingOf: (version: Version) => VersionStanding,
): Version {
  const own = standingOf(version);
  if (own === "ready") return version;
  let listed = own === "listed" ? version : undefined;
  for (const other of standIns) {
    const standing = standingOf(other);
    if (standing === "ready") return other;
    if (standing === "listed") listed ??= other;
  }
  return listed ?? version;
}

/** Whether requests may be for this version without naming it themselves. */
export function isNamed({ rules, standIns }: Split, version: Version): boolean {
  return standIns.includes(version) || rules.some((rule) => rule.version === version);
}

function versionAt({ stretches }: Split, point: number): Version {
  for (const { version, until } of stretches) if (point < until) return version;
  return stretches.at(-1)?.version ?? ("" as Version);
}

function hasValue({ key, headers }: SplitWish, name: string, value: string): boolean {
  if (name === SESSION_KEY_HEADER) return key === value;
  for (let at = 0; at + 1 < headers.length; at += 2) {
    if (headers[at] === name && headers[at + 1] === value) return true;
  }
  return false;
}
