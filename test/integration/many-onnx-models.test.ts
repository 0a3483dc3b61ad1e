import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { models } from "../../sdk/models.ts";
import { OnnxModel } from "../../session/onnx-model.ts";
import { ModelLoadError } from "../../session/session.ts";
import { affineModel } from "../fixture/onnx-writer.ts";

let folder = "";
const bytes = affineModel(3).byteLength;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "thornback-models-"));
  for (const id of ["a", "b", "c"]) await writeFile(join(folder, `${id}.onnx`), affineModel(3));
});

after(async () => {
  await rm(folder, { recursive: true });
});

test("ONNX models are loaded by id, counted by their files, and closed to make room", async () => {
  const made: OnnxModel[] = [];
  const load = (id: string): OnnxModel => {
    const model = new OnnxModel(join(folder, `${id}.onnx`));
    made.push(model);
    return model;
  };
  const held = models({ load, maxModels: 3, maxBytes: 2 * bytes });
  for (const id of ["a", "b", "a", "c"]) {
    const rows = await held.use(id, (model) => {
      assert.equal(model.provider, "cpu", "it is loaded when it is given out");
      return model.predict([[1, 2, 3]]);
    });
    assert.deepEqual(rows, [Float32Array.of(3, 5, 7)]);
  }
  assert.deepEqual([made.length, held.ids], [3, ["a", "c"]]);
  assert.deepEqual(
    made.map(({ fileBytes, provider }) => [fileBytes, provider]),
    [
      [bytes, "cpu"],
      [bytes, ""],
      [bytes, "cpu"],
    ],
  );
  await assert.rejects(
    held.use("absent", () => 1),
    ModelLoadError,
  );
  await held.close();
  assert.deepEqual(
    made.map(({ provider }) => provider),
    ["", "", "", ""],
  );
});
