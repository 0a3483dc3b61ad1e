import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../../../core/random.ts";
import type { ControlLink } from "../../../proto/control/link.ts";
import { SimClock, settle } from "../../../sim/sim-clock.ts";
import { SimLinks } from "../../../sim/sim-link.ts";
import { KILLED, SimProcess } from "../../../sim/sim-process.ts";
import { CALM, Topology } from "../../../sim/topology.ts";

function setUp() {
  const clock = new SimClock();
  const topology = new Topology(seededRandom(1), CALM);
  const links = new SimLinks({ clock, topology });
  const process = (name: string, pid: number) => new SimProcess({ clock, seed: 1, name, host: "node-1", pid });
  const seen = { up: [] as string[], down: [] as string[], closes: 0, orphaned: 0 };
  const workerLinks: ControlLink[] = [];
  const listen = (worker: SimProcess, isKnown = true) =>
    links.listen(worker, "socket", (_hello, link) => {
      if (!isKnown) return undefined;
      workerLinks.push(link);
      link.send({ kind: "welcome" });
      return { onMessage: (message) => seen.up.push(message.kind), onClose: () => seen.closes++ };
    });
  const connect = (child: SimProcess) =>
    links.connect(
      child,
      { socketPath: "socket", id: "c", secret: "s" },
      {
        onMessage: (message) => seen.down.push(message.kind),
        onOrphaned: () => seen.orphaned++,
      },
    );
  const run = async (untilMs: number) => {
    while (clock.step(untilMs)) await settle();
    clock.skipTo(untilMs);
  };
  return { process, seen, workerLinks, listen, connect, run };
}

test("a child dials until somebody listens and says its state after every welcome", async () => {
  const { process, seen, listen, connect, run } = setUp();
  const link = connect(process("child", 1));
  assert.equal(link.send({ kind: "proxy", address: undefined, reason: "starting" }), true);
  assert.equal(link.send({ kind: "getNodeMetrics", id: 1 }), false);
  await run(1_000);
  const first = process("worker", 2);
  listen(first);
  await run(2_000);
  assert.deepEqual(seen.up, ["proxy"]);
  first.die(KILLED);
  await run(3_000);
  listen(process("worker again", 3));
  await run(4_000);
  assert.deepEqual(seen.up, ["proxy", "proxy"]);
});

test("a worker hears once that its child is gone", async () => {
  const { process, seen, listen, connect, run } = setUp();
  const child = process("child", 1);
  listen(process("worker", 2));
  connect(child);
  await run(100);
  child.die(KILLED);
  await run(1_000);
  assert.equal(seen.closes, 1);
});

test("a child that redials is welcomed anew", async () => {
  const { process, seen, workerLinks, listen, connect, run } = setUp();
  listen(process("worker", 2));
  const link = connect(process("child", 1));
  await run(100);
  link.redial();
  await run(1_000);
  assert.deepEqual([workerLinks.length, seen.closes], [2, 1]);
});

test("a child takes an order once, and is an orphan when no worker knows it", async () => {
  const { process, seen, workerLinks, listen, connect, run } = setUp();
  const worker = process("worker", 2);
  listen(worker);
  connect(process("child", 1));
  await run(100);
  for (let i = 0; i < 2; i++) workerLinks[0]?.send({ kind: "order", order: {} as never });
  await run(200);
  assert.deepEqual(seen.down, ["order"]);
  worker.die(KILLED);
  listen(process("a stranger", 3), false);
  await run(60_000);
  assert.equal(seen.orphaned, 1);
});
