import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Version } from "../../../../core/ids.ts";
import { seededRandom } from "../../../../core/random.ts";
import type { TrafficSplit } from "../../../../core/table.ts";
import {
  buildSplit,
  isNamed,
  nextPoint,
  split,
  standIn,
  type Split,
  type VersionStanding,
} from "../../../../routing/decide/split.ts";

const [OLD, NEW, BETA] = ["v1", "v2", "v3"] as Version[] as [Version, Version, Version];

function built(shares: readonly (readonly [Version, number])[], rules: TrafficSplit["rules"] = []): Split {
  const made = buildSplit({ shares: shares.map(([version, percent]) => ({ version, percent })), rules });
  assert.ok(made !== undefined);
  return made;
}

const keyed = (given: Split, key: string): Version => split(given, { key, headers: [] }, 0).version;

/** Percent of each version's requests, of so many routers with so many requests each. */
function observed(given: Split, routerCount: number, requestCount: number): Map<Version, number> {
  const random = seededRandom(3);
  const counts = new Map<Version, number>();
  for (let router = 0; router < routerCount; router++) {
    let point = Math.floor(random.next() * 2 ** 32);
    for (let request = 0; request < requestCount; request++) {
      point = nextPoint(point);
      const { version } = split(given, { key: "", headers: [] }, point);
      counts.set(version, (counts.get(version) ?? 0) + 100 / (routerCount * requestCount));
    }
  }
  return counts;
}

test("observed shares are those that were asked for, however many routers have a part in it", () => {
  const shares = fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 1, maxLength: 4 });
  const property = fc.property(shares, fc.constantFrom(1, 3, 20, 200), (percents, routers) => {
    const total = percents.reduce((sum, percent) => sum + percent, 0);
    fc.pre(total > 0);
    const versions = percents.map((percent, at): [Version, number] => [`v${at}` as Version, (100 * percent) / total]);
    const counts = observed(built(versions), routers, 10_000 / routers);
    for (const [version, percent] of versions) {
      assert.ok(Math.abs((counts.get(version) ?? 0) - percent) < 1.5, `${version}: ${counts.get(version)}, ${percent}`);
    }
  });
  fc.assert(property, { numRuns: 50 });
});

test("sessions are divided by the shares too", () => {
  const given = built([
    [OLD, 75],
    [NEW, 25],
  ]);
  let newCount = 0;
  for (let user = 0; user < 10_000; user++) if (keyed(given, `user-${user}`) === NEW) newCount += 1;
  assert.ok(Math.abs(newCount - 2_500) < 150, String(newCount));
});

test("a session stays with its version, and a growing share only takes sessions", () => {
  const percents = fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 2, maxLength: 6 });
  const property = fc.property(fc.string({ minLength: 1 }), percents, (key, steps) => {
    let hasMoved = false;
    for (const percent of steps.toSorted((one, other) => one - other)) {
      const given = built([
        [OLD, 100 - percent],
        [NEW, percent],
      ]);
      const version = keyed(given, key);
      assert.equal(keyed(given, key), version);
      assert.ok(!hasMoved || version === NEW, "it went back");
      hasMoved = version === NEW;
    }
  });
  fc.assert(property);
});

test("the newest of three versions takes sessions from others and gives none back", () => {
  for (let user = 0; user < 500; user++) {
    const before = keyed(
      built([
        [OLD, 60],
        [NEW, 30],
        [BETA, 10],
      ]),
      `user-${user}`,
    );
    const after = keyed(
      built([
        [OLD, 45],
        [NEW, 30],
        [BETA, 25],
      ]),
      `user-${user}`,
    );
    if (before === BETA) assert.equal(after, BETA);
  }
});

test("the first rule that fits decides, before key and share; a session may have a rule as well", () => {
  const given = built(
    [[OLD, 100]],
    [
      { header: "x-beta", value: "yes", version: BETA },
      { header: "x-session-id", value: "ann", version: NEW },
      { header: "x-beta", value: "yes", version: OLD },
    ],
  );
  const headers = ["accept", "*/*", "x-beta", "yes"];
  assert.deepEqual(split(given, { key: "ann", headers }, 0), { version: BETA, reason: "rule" });
  assert.deepEqual(split(given, { key: "ann", headers: [] }, 0), { version: NEW, reason: "rule" });
  assert.deepEqual(split(given, { key: "bob", headers: ["x-beta", "no"] }, 0), { version: OLD, reason: "key" });
  assert.deepEqual(split(given, { key: "", headers: [] }, 0), { version: OLD, reason: "share" });
});

test("without a share there is nothing to divide", () => {
  assert.equal(buildSplit(undefined), undefined);
  assert.equal(buildSplit({ shares: [], rules: [] }), undefined);
  assert.equal(buildSplit({ shares: [{ version: OLD, percent: 0 }], rules: [] }), undefined);
});

test("a version that cannot serve is stood in for by the largest share that can", () => {
  const given = built([
    [OLD, 20],
    [NEW, 80],
    [BETA, 0],
  ]);
  const among = (standings: Partial<Record<string, VersionStanding>>, version: Version): Version =>
    standIn(given, version, (each) => standings[each] ?? "none");
  assert.equal(among({ v1: "ready", v2: "ready" }, OLD), OLD);
  assert.equal(among({ v1: "listed", v2: "ready", v3: "ready" }, OLD), NEW);
  assert.equal(among({ v1: "listed", v2: "listed", v3: "ready" }, OLD), BETA);
  assert.equal(among({ v1: "listed", v2: "listed" }, OLD), OLD);
  assert.equal(among({ v2: "listed" }, OLD), NEW);
  assert.equal(among({}, OLD), OLD);
});

test("a version that only a rule names never stands in", () => {
  const given = built([[OLD, 100]], [{ header: "x-beta", value: "yes", version: BETA }]);
  assert.equal(
    standIn(given, OLD, (version) => (version === BETA ? "ready" : "none")),
    OLD,
  );
  assert.ok(isNamed(given, BETA) && isNamed(given, OLD) && !isNamed(given, NEW));
});
