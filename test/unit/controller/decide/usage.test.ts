import assert from "node:assert/strict";
import { it } from "node:test";
import { NO_USAGE, used } from "../../../../controller/decide/usage.ts";

it("usage adds up replicas, their GPUs and their idle time by the seconds they lasted", () => {
  const first = used(NO_USAGE, { ready: 3, gpus: 4, idle: 1, ms: 2_000 });
  assert.deepEqual(first, { replicaSeconds: 6, gpuSeconds: 8, idleSeconds: 2 });
  assert.deepEqual(used(first, { ready: 1, gpus: 0, idle: 1, ms: 500 }), {
    replicaSeconds: 6.5,
    gpuSeconds: 8,
    idleSeconds: 2.5,
  });
});
