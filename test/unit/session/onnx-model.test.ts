import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Cancellation } from "../../../core/cancellation.ts";
import { systemClock } from "../../../core/clock.ts";
import { construct } from "../../../core/construction.ts";
import { CancelledError, InvalidRequestError, InvalidSpecError } from "../../../core/error.ts";
import { runInScope } from "../../../core/request-scope.ts";
import { OnnxModel } from "../../../session/onnx-model.ts";
import { abandonedModelRuns, warmSessionThread } from "../../../session/onnx-session.ts";
import { ModelLoadError } from "../../../session/session.ts";
import { affineModel, slowModel, tokensModel, twoInputModel } from "../../fixture/onnx-writer.ts";

let folder = "";
const made: OnnxModel[] = [];

function model(...args: ConstructorParameters<typeof OnnxModel>): OnnxModel {
  const instance = new OnnxModel(...args);
  made.push(instance);
  return instance;
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "thornback-onnx-"));
  await writeFile(join(folder, "affine.onnx"), affineModel(3));
  await writeFile(join(folder, "fixed.onnx"), affineModel(3, 1));
  await writeFile(join(folder, "two.onnx"), twoInputModel());
  await writeFile(join(folder, "notes.onnx"), "this is a text file\n");
  await writeFile(join(folder, "pointer.onnx"), "version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
});

after(async () => {
  await Promise.all(made.map((instance) => instance.close()));
  await rm(folder, { recursive: true });
});

test("predict gives one typed array per row, and leaves the rows usable", async () => {
  const affine = model(join(folder, "affine.onnx"));
  const row = Float32Array.of(1, 2, 3);
  const rows = await affine.predict([row, [4, 5, 6]]);
  assert.deepEqual(rows, [Float32Array.of(3, 5, 7), Float32Array.of(9, 11, 13)]);
  assert.equal(row.length, 3);
  assert.equal(affine.provider, "cpu");
  assert.deepEqual(affine.inputs, [{ name: "x", type: "float32", dims: ["batch", 3] }]);
});

test("run takes and gives named tensors, whole numbers included, without detaching the caller's", async () => {
  const two = model(join(folder, "two.onnx"));
  const a = { data: BigInt64Array.of(1n, 2n), dims: [1, 2] };
  const outputs = await two.run({ a, b: { data: BigInt64Array.of(10n, 20n), dims: [1, 2] } });
  assert.deepEqual(outputs["total"]?.data, BigInt64Array.of(11n, 22n));
  assert.equal(a.data.length, 2);
});

test("tensors that do not fit are refused with every problem and never reach the runtime", async () => {
  const affine = model(join(folder, "affine.onnx"));
  await assert.rejects(
    affine.run({ x: { data: Float64Array.of(1, 2, 3), dims: [1, 3] }, z: { data: [], dims: [] } }),
    (error) => {
      assert.ok(error instanceof InvalidRequestError);
      assert.deepEqual(
        error.details.problems?.map(({ path }) => path),
        ["x", "z"],
      );
      assert.match(error.message, /expected float32\[batch, 3\], got data in Float64Array/);
      return true;
    },
  );
  await assert.rejects(affine.predict([[1, 2]]), /row \[0\]: expected 3 numbers, got 2/);
});

test("concurrent runs are stacked along dimension 0 and each gets its own rows back", async () => {
  const batched = model(join(folder, "affine.onnx"), { batch: { maxBatchSize: 64 } });
  const answers = await Promise.all(Array.from({ length: 100 }, (_, at) => batched.predict([[at, at, at]])));
  for (const [at, rows] of answers.entries()) {
    assert.deepEqual(rows, [new Float32Array(3).fill(2 * at + 1)]);
    assert.equal(rows[0]?.buffer.byteLength, 12, "a caller holds no more than its own rows");
  }
});

test("runs of different length are padded to the longest, and each gets its own length back", async () => {
  await writeFile(join(folder, "tokens.onnx"), tokensModel());
  const padded = model(join(folder, "tokens.onnx"), {
    batch: { maxBatchSize: 16, pad: { input_ids: 9, attention_mask: 0 } },
  });
  await padded.load();
  const lengths = [3, 1, 8, 8, 2];
  const outputs = await Promise.all(
    lengths.map((length) => {
      const dims = [1, length];
      const attention_mask = { data: new BigInt64Array(length).fill(1n), dims };
      return padded.run({ input_ids: { data: new BigInt64Array(length).fill(BigInt(length)), dims }, attention_mask });
    }),
  );
  for (const [at, length] of lengths.entries()) {
    assert.deepEqual(outputs[at]?.["pooled"]?.data, Float32Array.of(length * length));
    assert.deepEqual(outputs[at]?.["hidden"]?.dims, [1, length, 2]);
    const pairs = Array.from({ length }, () => [length, length * length]);
    assert.deepEqual(outputs[at]?.["hidden"]?.data, Float32Array.from(pairs.flat()));
  }
});

test("a model whose output cannot be cut back is refused when it is loaded", async () => {
  await writeFile(join(folder, "nameless.onnx"), tokensModel(["batch", "hidden_dim_1", 2]));
  const nameless = model(join(folder, "nameless.onnx"), {
    batch: { maxBatchSize: 8, pad: { input_ids: 0, attention_mask: 0 } },
  });
  await assert.rejects(nameless.load(), /cannot be padded: output "hidden" is float32\[batch, hidden_dim_1, 2\]/);
});

test("a model with a fixed batch dimension cannot be batched, and says so when it is loaded", async () => {
  const fixed = model(join(folder, "fixed.onnx"), { batch: { maxBatchSize: 8 } });
  await assert.rejects(
    fixed.load(),
    (error) => error instanceof ModelLoadError && error.isPermanent && /dimension 0/.test(error.message),
  );
});

test("a file that is not a model fails with its name, the line that made it, and the cause", async () => {
  await assert.rejects(model(join(folder, "notes.onnx")).load(), (error) => {
    assert.ok(error instanceof ModelLoadError);
    assert.ok(error.isPermanent);
    assert.match(
      error.message,
      /notes\.onnx" \(.*onnx-model\.test\.ts:\d+:\d+\) could not be loaded: it is not an ONNX model/,
    );
    return true;
  });
  await assert.rejects(model(join(folder, "pointer.onnx")).load(), /Git LFS pointer/);
});

test("a missing file fails with the places that were looked at", async () => {
  const { instance } = construct(() => model("./absent.onnx"), {
    clock: systemClock,
    applicationDir: folder,
    packageDirs: [],
    cpus: 1,
    log: undefined,
  });
  await assert.rejects(instance.load(), (error) => {
    assert.ok(error instanceof ModelLoadError);
    assert.ok(error.isPermanent);
    assert.ok(error.message.includes(join(folder, "absent.onnx")));
    return true;
  });
});

test("a provider that cannot be used is skipped with a warning, and fails when strict", async () => {
  const warnings: unknown[] = [];
  const log = { debug() {}, info() {}, error() {}, warn: (fields: unknown) => warnings.push(fields) };
  const make = (): OnnxModel => model("affine.onnx", { providers: ["nosuch", "cpu"] });
  const { instance, registered } = construct(make, {
    clock: systemClock,
    applicationDir: folder,
    packageDirs: [],
    cpus: 1,
    log,
  });
  assert.equal(registered.models.length, 1);
  await registered.models[0]?.load();
  await registered.models[0]?.warmup();
  assert.equal(instance.provider, "cpu");
  assert.equal((warnings[0] as { provider: string }).provider, "nosuch");
  await assert.rejects(
    model(join(folder, "affine.onnx"), { providers: ["nosuch", "cpu"], strict: true }).load(),
    ModelLoadError,
  );
});

test("a run whose caller has gone before it began is not run", async () => {
  const affine = model(join(folder, "affine.onnx"));
  await affine.load();
  const cancellation = new Cancellation();
  cancellation.cancel(new CancelledError("the client went away"));
  const context = { requestId: "r", deadlineAt: Number.POSITIVE_INFINITY } as never;
  const request = { context, cancellation, priority: 0, depth: 0, traceparent: "" };
  await assert.rejects(
    runInScope({ kind: "request", request }, () => affine.predict([[1, 2, 3]])),
    CancelledError,
  );
});

test("a run that waits behind others can be cancelled, and is answered at once", async () => {
  const path = join(folder, "slow.onnx");
  await writeFile(path, slowModel(256, 400));
  const slow = model(path);
  await slow.load();
  const rows = Array.from({ length: 64 }, () => new Float32Array(256));
  const cancellation = new Cancellation();
  const context = { requestId: "r", deadlineAt: Number.POSITIVE_INFINITY } as never;
  const request = { context, cancellation, priority: 0, depth: 0, traceparent: "" };
  let ended = 0;
  const running = [slow.predict(rows), slow.predict(rows)].map((run) => run.then(() => ended++));
  const waiting = runInScope({ kind: "request", request }, () => slow.predict(rows));
  await Promise.resolve();
  cancellation.cancel(new CancelledError("the client went away"));
  await assert.rejects(waiting, CancelledError);
  assert.equal(ended, 0);
  await Promise.all(running);
});

test("a run that goes on without its caller is told with the caller's deadline, and can be given up with all behind it", async () => {
  const path = join(folder, "abandoned.onnx");
  await writeFile(path, slowModel(256, 400));
  const slow = model(path);
  await slow.load();
  const rows = Array.from({ length: 64 }, () => new Float32Array(256));
  const cancellation = new Cancellation();
  const context = { requestId: "r", deadlineAt: systemClock.now() + 60_000 } as never;
  const request = { context, cancellation, priority: 0, depth: 0, traceparent: "" };
  const left = runInScope({ kind: "request", request }, () => slow.predict(rows)).catch((error: unknown) => error);
  await Promise.resolve();
  const others = [slow.predict(rows), slow.predict(rows)].map((run) => assert.rejects(run, /it is being replaced/));
  await Promise.resolve();
  assert.deepEqual(abandonedModelRuns(), []);
  cancellation.cancel(new CancelledError("the client went away"));
  const [stuck] = abandonedModelRuns();
  assert.match(stuck?.name ?? "", /abandoned\.onnx/);
  assert.ok((stuck?.deadlineAt ?? 0) > systemClock.now() + 30_000);
  stuck?.giveUp(new Error("it is being replaced"));
  await Promise.all([...others, left]);
  await assert.rejects(slow.predict(rows), /it is being replaced/);
});

test("its self-test leaves a model alone that user code runs, or has closed", async () => {
  const path = join(folder, "tested.onnx");
  await writeFile(path, slowModel(256, 400));
  const warmup = { x: { data: new Float32Array(256), dims: [1, 256] } };
  const setting = { clock: systemClock, applicationDir: folder, packageDirs: [process.cwd()], cpus: 1, log: undefined };
  const { instance: slow, registered } = construct(() => model(path, { warmup }), setting as never);
  const [tested] = registered.models;
  await tested?.load();
  await tested?.warmup();
  await tested?.selfTest(1);
  let isOver = false;
  const rows = Array.from({ length: 64 }, () => new Float32Array(256));
  const running = slow.predict(rows).then(() => (isOver = true));
  await new Promise(setImmediate);
  await tested?.selfTest(1);
  assert.ok(!isOver, "it did not wait for the run");
  await running;
  await tested?.selfTest(1);
  await slow.close();
  await tested?.selfTest(1);
  assert.equal(slow.provider, "", "it is not loaded again");
});

test("closing waits for runs that have begun, and a closed model is loaded again when used", async () => {
  const affine = model(join(folder, "affine.onnx"));
  await affine.load();
  const running = affine.predict([[1, 1, 1]]);
  await affine.close();
  assert.equal(affine.provider, "");
  assert.deepEqual(await running, [Float32Array.of(3, 3, 3)]);
  assert.deepEqual(await affine.predict([[0, 0, 0]]), [Float32Array.of(1, 1, 1)]);
});

test("a warm thread is taken by the next session", async () => {
  await warmSessionThread();
  const affine = model(join(folder, "affine.onnx"));
  await affine.load();
  assert.deepEqual(await affine.predict([[0, 0, 0]]), [Float32Array.of(1, 1, 1)]);
});

test("wrong options are refused at once", () => {
  assert.throws(
    () => new OnnxModel("", { batch: { maxBatchSize: 0, pad: { x: Number.NaN } }, providers: [], threads: 0 }),
    (error) => {
      assert.ok(error instanceof InvalidSpecError);
      assert.equal(error.details.problems?.length, 5);
      return true;
    },
  );
});
