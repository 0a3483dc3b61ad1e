import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DeploymentId } from "../../../core/ids.ts";
import type { DeploymentLoad } from "../../../core/load.ts";
import { LoadMeter, type MeteredRouter } from "../../../routing/load-meter.ts";
import { ManualClock } from "../../fake/manual-clock.ts";

const ID = "app/D" as DeploymentId;

function bed() {
  const clock = new ManualClock();
  const told: DeploymentLoad[] = [];
  const level = { queued: 0, ongoing: 0, arrived: 0, answered: 0 };
  const metered: MeteredRouter = {
    levels: () => level,
    takeCounts: () => {
      const { arrived, answered } = level;
      Object.assign(level, { arrived: 0, answered: 0 });
      return { arrived, answered };
    },
    takeVersions: () => [],
  };
  const meter = new LoadMeter({
    clock,
    routers: () => [[ID, { metered }]],
    onLoads: (loads) => void told.push(...loads),
  });
  const arrive = (): void => {
    level.arrived += 1;
    meter.arrived();
  };
  return { clock, told, level, meter, arrive };
}

describe("a load meter", () => {
  it("tells the mean of what it saw, and how many came and were answered", () => {
    const { clock, told, level, arrive } = bed();
    arrive();
    arrive();
    Object.assign(level, { queued: 3, ongoing: 1 });
    clock.advance(300);
    Object.assign(level, { queued: 0, ongoing: 1, answered: 1 });
    clock.advance(200);
    const none = { deployment: ID, versions: [] };
    assert.deepEqual(told, [{ ...none, queued: 0, ongoingMean: (3 * 4 + 2 * 1) / 5, arrived: 2, answered: 1 }]);
  });

  it("tells the end of the load once, and then runs no timer until a request comes", () => {
    const { clock, told, level, arrive } = bed();
    arrive();
    level.ongoing = 1;
    clock.advance(500);
    level.ongoing = 0;
    clock.advance(5_000);
    assert.deepEqual(
      told.map(({ ongoingMean }) => ongoingMean),
      [1, 0],
    );
    assert.equal(clock.pendingCount, 0);
    arrive();
    clock.advance(500);
    assert.equal(told.length, 3);
  });

  it("tells at once that a request waits where there is no replica, and not for each that does", () => {
    const { clock, told, level, meter, arrive } = bed();
    for (let i = 1; i <= 20; i++) {
      arrive();
      level.queued = i;
      meter.starved();
    }
    clock.advance(0);
    assert.deepEqual(
      told.map(({ queued, arrived }) => [queued, arrived]),
      [[20, 20]],
    );
  });

  it("tells of more that wait where there is no replica with every look, and not with every turn of the event loop", () => {
    const { clock, told, level, meter, arrive } = bed();
    for (let i = 1; i <= 200; i++) {
      arrive();
      level.queued = i;
      meter.starved();
      clock.advance(1);
    }
    assert.deepEqual(
      told.map(({ queued }) => queued),
      [1, 100, 200],
    );
  });
});
