import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../../core/random.ts";
import { SimClock, settle } from "../../../sim/sim-clock.ts";
import { KILLED, SimProcess } from "../../../sim/sim-process.ts";
import { SimDisk, SimStore } from "../../../sim/sim-store.ts";
import { storeCases } from "../../case/store.ts";

function setUp(seed = 1) {
  const clock = new SimClock();
  const disk = new SimDisk(seededRandom(seed));
  let pid = 0;
  const open = () => {
    const process = new SimProcess({ clock, seed: 1, name: `controller-${++pid}`, host: "head", pid });
    return { process, store: new SimStore(disk, process) };
  };
  return { clock, open };
}

storeCases("the simulated store", () => {
  const { clock, open } = setUp();
  // The cases wait for promises alone, so time goes on by itself.
  const advance = async (): Promise<void> => {
    for (let idle = 0; idle < 1_000; idle++) {
      if (clock.step()) idle = 0;
      await settle();
    }
  };
  void advance();
  return Promise.resolve(open().store);
});

test("what was acknowledged survives a crash; what was not is there or not, as the seed says", async () => {
  const outcomes = new Set<string>();
  for (let seed = 1; seed <= 20; seed++) {
    const { clock, open } = setUp(seed);
    const first = open();
    let isAcknowledged = false;
    void first.store.put("a", "1").then(() => (isAcknowledged = true));
    await settle();
    while (clock.step()) await settle();
    assert.equal(isAcknowledged, true);
    void first.store.put("a", "2").then(() => assert.fail("the dead hear nothing"));
    await settle();
    first.process.die(KILLED);
    while (clock.step()) await settle();
    outcomes.add((await open().store.get("a"))?.value ?? "nothing");
  }
  assert.deepEqual([...outcomes].sort(), ["1", "2"]);
});
