import assert from "node:assert/strict";
import { test } from "node:test";
import { BodyGiver, BodyTaker } from "../../fake/body-bed.ts";
import { settle } from "../../fake/manual-clock.ts";
import { RoutingBed } from "../../fake/routing-bed.ts";

test("a request whose deadline passes while its body is on its way ends with deadline_exceeded", async () => {
  const bed = new RoutingBed();
  const [replica] = await bed.serve([{ id: "r1" }]);
  const giver = new BodyGiver();
  bed.send("a", { body: giver.body, deadlineAt: 1_500 });
  await settle();
  new BodyTaker(replica?.handler.requests[0]?.body ?? []).consume();
  giver.body.write(new Uint8Array(1_000));
  await settle();
  await bed.clock.advanceAsync(600);
  assert.deepEqual(bed.ends, ["a deadline_exceeded"]);
  assert.equal(giver.cancelled?.code, "cancelled");
});
