import assert from "node:assert/strict";
import { it } from "node:test";
import fc from "fast-check";
import { InternalError, ReplicaRefusedError } from "../../core/error.ts";
import type { Version } from "../../core/ids.ts";
import type { TableEntry, TrafficSplit } from "../../core/table.ts";
import { settle } from "../fake/manual-clock.ts";
import { RoutingBed, type BedReplica } from "../fake/routing-bed.ts";
import { deploymentEntry } from "../fake/table.ts";

const VERSIONS = ["v1", "v2", "v3"] as Version[];
const LIMIT = 4;

const splits: fc.Arbitrary<TrafficSplit | undefined> = fc.option(
  fc.record({
    shares: fc
      .subarray(VERSIONS)
      .chain((versions) =>
        fc.tuple(...versions.map((version) => fc.record({ version: fc.constant(version), percent: fc.nat(100) }))),
      ),
    rules: fc.constant([{ header: "x-session-id", value: "ann", version: "v3" as Version }]),
  }),
  { nil: undefined },
);

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      key: fc.constantFrom("", "", "ann", "bob"),
      version: fc.constantFrom(undefined, undefined, undefined, ...VERSIONS),
      priority: fc.constantFrom(0, 0, 0, 1),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("end" as const), at: fc.nat(5), isFailure: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("refuse" as const), at: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(5, 50, 1_100) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("table" as const),
      traffic: splits,
      listed: fc.subarray([0, 1, 2, 3, 4, 5]),
    }),
  },
);

/** The oldest request that a replica has. */
function first({ handler }: BedReplica): BedReplica["handler"]["requests"][number] | undefined {
  return handler.requests.shift();
}

it("whatever splits and replicas come and go, every request ends once, and a pinned one only at its version", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const bed = new RoutingBed();
      const replicas: BedReplica[] = [];
      for (let at = 0; at < 6; at++) {
        replicas.push(await bed.replica(`r${at}`, { version: VERSIONS[at % 3] ?? ("v1" as Version) }));
      }
      const table = async (traffic: TrafficSplit | undefined, listed: readonly BedReplica[]): Promise<void> => {
        const entries = listed.map(({ entry }): TableEntry => ({ kind: "replica", ...entry }));
        await bed.table([deploymentEntry({ traffic, maxQueuedRequests: LIMIT }), ...entries]);
      };
      await table(undefined, replicas);
      let sentCount = 0;
      for (const each of steps) {
        if (each.kind === "send") {
          const { key, version, priority } = each;
          sentCount += 1;
          bed.send(`${version ?? "any"} ${sentCount}`, { key, version, priority, isIdempotent: true });
        } else if (each.kind === "end") {
          const replica = replicas[each.at];
          const request = replica && first(replica);
          if (each.isFailure) request?.fail(new InternalError("broken"));
          else request?.answer("ok");
        } else if (each.kind === "refuse") {
          const replica = replicas[each.at];
          if (replica === undefined) continue;
          const isRefusing = replica.handler.refusal !== undefined;
          replica.handler.refusal = isRefusing ? undefined : new ReplicaRefusedError("replica_overloaded", "full");
        } else if (each.kind === "wait") {
          await bed.clock.advanceAsync(each.ms);
        } else {
          await table(
            each.traffic,
            each.listed.flatMap((at) => replicas[at] ?? []),
          );
        }
        await settle();
        for (const { handler, entry } of replicas) {
          for (const { head } of handler.requests) {
            const wanted = head.requestId.split(" ")[0] ?? "";
            assert.ok(wanted === "any" || wanted === entry.version, `${head.requestId} went to ${entry.version}`);
          }
        }
      }
      for (const { handler } of replicas) handler.refusal = undefined;
      await table(undefined, replicas);
      for (let round = 0; round < 40 && bed.ends.length < sentCount; round++) {
        for (const replica of replicas) {
          for (let held = first(replica); held !== undefined; held = first(replica)) held.answer("ok");
        }
        await bed.clock.advanceAsync(100);
      }
      const names = bed.ends.map((end) => end.split(" ").slice(0, 2).join(" "));
      assert.equal(names.length, sentCount);
      assert.equal(new Set(names).size, sentCount);
      assert.equal(bed.metric("thornback_router_queued_requests"), 0);
      bed.routers.close();
    }),
    { numRuns: 150 },
  );
});
