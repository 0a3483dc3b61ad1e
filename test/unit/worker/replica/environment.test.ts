import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReplicaLaunch } from "../../../../core/assignment.ts";
import { InvalidSpecError } from "../../../../core/error.ts";
import { replicaEnvironment } from "../../../../worker/replica/environment.ts";

function launch(
  env: Record<string, unknown>,
  secrets: Record<string, string> = {},
  gpus: string[] = [],
): ReplicaLaunch {
  return { deployment: "Main", options: { env }, secrets, gpus } as unknown as ReplicaLaunch;
}

test("values stand as they are and secrets are filled in", () => {
  const values = replicaEnvironment(launch({ A: "1", KEY: { secret: "OPENAI" } }, { OPENAI: "sk" }));
  assert.deepEqual([values["A"], values["KEY"]], ["1", "sk"]);
});

test("a replica sees its own GPUs only, and none without any", () => {
  assert.equal(replicaEnvironment(launch({}, {}, ["GPU-a", "GPU-b"]))["CUDA_VISIBLE_DEVICES"], "GPU-a,GPU-b");
  assert.equal(replicaEnvironment(launch({}))["CUDA_VISIBLE_DEVICES"], "");
});

test("user settings cannot widen what a replica sees", () => {
  assert.equal(replicaEnvironment(launch({ CUDA_VISIBLE_DEVICES: "0,1" }))["CUDA_VISIBLE_DEVICES"], "");
});

test("a secret that did not come fails with its name, never from the prototype", () => {
  assert.throws(
    () => replicaEnvironment(launch({ A: { secret: "GONE" } })),
    (error) => error instanceof InvalidSpecError && /GONE/.test(error.message),
  );
  assert.throws(() => replicaEnvironment(launch({ A: { secret: "toString" } })), InvalidSpecError);
});
