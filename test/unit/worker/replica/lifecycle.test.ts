import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReplicaLaunch } from "../../../../core/assignment.ts";
import { systemDefer } from "../../../../core/clock.ts";
import { registerBatch, registerModel } from "../../../../core/construction.ts";
import { readDeploymentOptions } from "../../../../core/deployment-options.ts";
import type { ApplicationName, DeploymentId, DeploymentName, Digest } from "../../../../core/ids.ts";
import { createMetrics } from "../../../../core/metric-registry.ts";
import { ProblemList } from "../../../../core/problem-list.ts";
import { batch } from "../../../../sdk/batch.ts";
import { models } from "../../../../sdk/models.ts";
import type { SetupContext } from "../../../../sdk/context.ts";
import { deployment as define, type DeploymentClass } from "../../../../sdk/deployment.ts";
import { createHandle } from "../../../../sdk/handle.ts";
import { findDeployment } from "../../../../sdk/load-app.ts";
import { ModelLoadError } from "../../../../session/session.ts";
import { startActor, StartFailure, type StartedActor } from "../../../../worker/replica/lifecycle.ts";
import { ManualClock, settle } from "../../../fake/manual-clock.ts";
import { RecordingLog } from "../../../fake/recording-log.ts";

const APPLICATION = "app" as ApplicationName;

function bed(target: DeploymentClass, options: Record<string, unknown> = {}, args: readonly unknown[] = []) {
  const clock = new ManualClock();
  const steps: string[] = [];
  const handles: string[] = [];
  const name = target.name as DeploymentName;
  const launch: ReplicaLaunch = {
    application: APPLICATION,
    deployment: name,
    bundle: "" as Digest,
    nativePackages: [],
    options: readDeploymentOptions(new ProblemList(), "", options),
    secrets: {},
    gpus: ["gpu-1"],
  };
  const bound = define(target as new (...args: readonly unknown[]) => object).bind(...args);
  const start = (): Promise<StartedActor> =>
    startActor({
      clock,
      log: new RecordingLog(),
      metrics: createMetrics(),
      defer: systemDefer,
      identity: {
        application: "app",
        deployment: name,
        deploymentId: `app/${name}`,
        replica: "r",
        version: "v",
        node: "n",
      },
      launch,
      applicationDir: "/nowhere",
      packageDirs: [],
      toHandle: (other) => {
        handles.push(other);
        return { handleOf: other };
      },
      load: () => Promise.resolve(findDeployment({ default: bound }, APPLICATION, name).deployment),
      onStep: (step) => steps.push(step),
    });
  return { clock, steps, handles, start };
}

/** A model that only remembers what was done to it. */
function fakeModel(events: string[], name: string, load = (): Promise<void> => Promise.resolve()): void {
  registerModel({
    name,
    owner: {},
    provider: () => "cpu",
    load: () => {
      events.push(`load ${name}`);
      return load();
    },
    selfTest: async () => void events.push(`test ${name}`),
    warmup: () => Promise.resolve(void events.push(`warmup ${name}`)),
    close: () => Promise.resolve(void events.push(`close ${name}`)),
  });
}

async function failure(start: Promise<unknown>): Promise<StartFailure> {
  const error: unknown = await start.then(
    () => assert.fail("it started"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof StartFailure, String(error));
  return error;
}

test("the steps are announced and taken in order, and closing undoes them", async () => {
  const events: string[] = [];
  class Main {
    extra = { load: () => events.push("load extra") };
    constructor() {
      fakeModel(events, "./a.onnx");
    }
    setup({ gpus, userConfig }: SetupContext): void {
      events.push(`setup ${gpus.join()} ${JSON.stringify(userConfig)}`);
    }
    reconfigure(userConfig: unknown): void {
      events.push(`reconfigure ${JSON.stringify(userConfig)}`);
    }
    teardown(): void {
      events.push("teardown");
    }
    predict(): void {}
  }
  const { start, steps } = bed(Main, { userConfig: { top: 3 } });
  const started = await start();
  assert.deepEqual(steps, [
    "importing app.mjs",
    "constructing Main",
    "loading ./a.onnx",
    "loading extra",
    "setup",
    "reconfigure",
    "warming up ./a.onnx",
  ]);
  assert.deepEqual([started.provider, started.maxOngoingRequests], ["cpu", 16]);
  await started.selfTest?.(1_000);
  await started.close();
  assert.deepEqual(events, [
    "load ./a.onnx",
    "load extra",
    'setup gpu-1 {"top":3}',
    'reconfigure {"top":3}',
    "warmup ./a.onnx",
    "test ./a.onnx",
    "teardown",
    "close ./a.onnx",
  ]);
});

test("bound deployments among the arguments arrive as handles", async () => {
  class Inner {
    predict(): void {}
  }
  let given: unknown;
  class Main {
    constructor(inner: unknown, rest: unknown) {
      given = [inner, rest];
    }
    predict(): void {}
  }
  const inner = define(Inner).bind();
  const { start, handles } = bed(Main, {}, [inner, { list: [inner, 7] }]);
  await start();
  assert.deepEqual(handles, ["Inner", "Inner"]);
  assert.deepEqual(given, [{ handleOf: "Inner" }, { list: [{ handleOf: "Inner" }, 7] }]);
});

test("slots are twice the largest batch, private ones and models included, unless the option says more", async () => {
  class Main {
    small = batch({ maxBatchSize: 4 }, (items: number[]) => items);
    constructor() {
      registerBatch({
        call: undefined,
        maxBatchSize: 32,
        isChoosing: false,
        report: () => undefined,
        work: () => undefined,
        attach() {},
      });
    }
    predict(): void {}
  }
  assert.equal((await bed(Main).start()).maxOngoingRequests, 64);
  assert.equal((await bed(Main, { maxOngoingRequests: 40 }).start()).maxOngoingRequests, 40);
  const tooFew = await failure(bed(Main, { maxOngoingRequests: 31 }).start());
  assert.ok(tooFew.isPermanent);
  assert.match(tooFew.message, /maxOngoingRequests is 31, but a model makes batches of up to 32/);
});

test("a batch method that chooses items by length is given eight batches' worth, and a size that reconfigure set counts", async () => {
  class Main {
    embed = batch({ maxBatchSize: 4, bucketBy: (text: string) => text.length }, (texts: string[]) => texts);
    reconfigure({ size }: { size: number }): void {
      this.embed.configure({ maxBatchSize: size });
    }
    predict(): void {}
  }
  assert.equal((await bed(Main).start()).maxOngoingRequests, 32);
  assert.equal((await bed(Main, { userConfig: { size: 16 } }).start()).maxOngoingRequests, 128);
});

test("a constructor or setup that throws may go better next time; the step, the cause and the line are named", async () => {
  class Thrower {
    constructor() {
      throw new TypeError("no key", { cause: new Error("file is missing") });
    }
    predict(): void {}
  }
  const thrown = await failure(bed(Thrower).start());
  assert.match(
    thrown.message,
    /^constructing Thrower: TypeError: no key, caused by file is missing \(.*lifecycle\.test\.ts:\d+:\d+\)$/,
  );
  assert.equal(thrown.isPermanent, false);
  class Refuser {
    setup(): Promise<void> {
      return Promise.reject(new Error("no database"));
    }
    predict(): void {}
  }
  const refused = await failure(bed(Refuser).start());
  assert.match(refused.message, /^setup: Error: no database/);
  assert.equal(refused.isPermanent, false);
});

test("a handle in a public field is not taken for a model, although it seems to have a load method", async () => {
  class Main {
    other: unknown;
    constructor(other: unknown) {
      this.other = other;
    }
    predict(): void {}
  }
  const call = (): Promise<never> => Promise.reject(new Error("called"));
  const { start, steps } = bed(Main, {}, [createHandle("app/Other" as DeploymentId, { call })]);
  await start();
  assert.deepEqual(steps, ["importing app.mjs", "constructing Main", "setup"]);
});

test("a model that cannot be loaded says itself whether trying again helps, and those loaded are closed", async () => {
  const events: string[] = [];
  class Main {
    constructor() {
      fakeModel(events, "good");
      fakeModel(events, "bad", () => Promise.reject(new ModelLoadError("not a model", true)));
    }
    predict(): void {}
  }
  const error = await failure(bed(Main).start());
  assert.deepEqual([error.message, error.isPermanent], ["loading bad: not a model", true]);
  await settle();
  assert.ok(events.includes("close good"));
});

test("a start that takes too long fails in the step it hangs in, and setup's signal aborts", async () => {
  let signal: AbortSignal | undefined;
  class Main {
    setup(context: SetupContext): Promise<void> {
      signal = context.signal;
      return new Promise(() => {});
    }
    predict(): void {}
  }
  const { start, clock } = bed(Main, { startTimeoutMs: 5_000 });
  const failed = failure(start());
  await settle();
  clock.advance(5_000);
  const error = await failed;
  assert.equal(error.message, "setup did not finish: the start may take 5000 ms (startTimeoutMs)");
  assert.ok(error.isPermanent);
  assert.equal(signal?.aborted, true);
});

test("a start leaves no timer behind", async () => {
  class Main {
    predict(): void {}
  }
  const { start, clock } = bed(Main);
  await start();
  assert.equal(clock.pendingCount, 0);
});

test("several models in one field may be used in setup, are told of, and end with the actor", async () => {
  const events: string[] = [];
  class Main {
    readonly #models = models({ load: (id) => ({ close: () => events.push(`close ${id}`) }), maxModels: 2 });
    async setup(): Promise<void> {
      await this.#models.use("a", () => events.push("setup"));
    }
    predict(): void {}
  }
  const started = await bed(Main).start();
  assert.deepEqual(started.heldModels?.modelIds, ["a"]);
  await started.close();
  assert.deepEqual([events, started.heldModels?.modelIds], [["setup", "close a"], []]);
});
