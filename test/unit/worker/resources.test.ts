import assert from "node:assert/strict";
import { test } from "node:test";
import { declareGpus, findResources, parseGpus } from "../../../worker/resources.ts";
import { RecordingLog } from "../../fake/recording-log.ts";

test("GPUs are read from what nvidia-smi prints, and only them", () => {
  const one = "GPU-5e0d9f4a-0000-1111-2222-333344445555";
  const csv = `${one}, NVIDIA H200, 143771\n${one}, again, 1\nMIG-1a2b3c4d-0000-1111-2222-333344445555, [N/A], [N/A]\n[N/A], x, y\nFailed to initialize NVML\n\n`;
  assert.deepEqual(parseGpus(csv), [one, "MIG-1a2b3c4d-0000-1111-2222-333344445555"]);
  assert.deepEqual(parseGpus(""), []);
});

test("declared GPUs take the found ones first and have made-up names beyond", () => {
  assert.deepEqual(declareGpus(undefined, ["GPU-a"]), ["GPU-a"]);
  assert.deepEqual(declareGpus(2, ["GPU-a"]), ["GPU-a", "gpu-1"]);
  assert.deepEqual(declareGpus(1, ["GPU-a", "GPU-b"]), ["GPU-a"]);
  assert.deepEqual(declareGpus(0, ["GPU-a"]), []);
});

test("what is declared counts, what is not is measured", async () => {
  const declared = { cpus: 1.5, memoryBytes: undefined, gpus: 0, custom: { license: 2 } };
  const found = await findResources(declared, new RecordingLog());
  assert.deepEqual([found.cpus, found.gpus, found.custom], [1.5, [], { license: 2 }]);
  assert.ok(Number.isSafeInteger(found.memoryBytes) && found.memoryBytes > 0);
});
