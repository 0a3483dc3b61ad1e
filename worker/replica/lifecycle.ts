import type { BatchReport, ReplicaLaunch } from "../../core/assignment.ts";
import type { Clock, Defer } from "../../core/clock.ts";
import { construct, type BatchWork, type Registered, type RegisteredBatch } from "../../core/construction.ts";
import { InvalidSpecError } from "../../core/error.ts";
import type { DeploymentName } from "../../core/ids.ts";
import { DEFAULT_MAX_ONGOING_REQUESTS, ONGOING_BATCHES, ONGOING_BATCHES_CHOOSING } from "../../core/limits.ts";
import type { Logger } from "../../core/log.ts";
import type { Metrics } from "../../core/metric.ts";
import type { ControlFunctions } from "../../sdk/control-functions.ts";
import type { SetupContext } from "../../sdk/context.ts";
import { isClass } from "../../sdk/deployment.ts";
import { isHandle } from "../../sdk/handle.ts";
import { instantiateArgs, type GraphDeployment } from "../../sdk/load-app.ts";
import { ModelLoadError } from "../../session/session.ts";
import type { Actor, ReplicaIdentity } from "./actor.ts";
import { Invoker } from "./invoke.ts";
import { schemaOf } from "./schema.ts";
import { HeldModels } from "./held-models.ts";
import { describeError } from "./user-error.ts";

/**
 * Makes an actor of a deployment's code:
 *
 *   importing ──▶ constructing ──▶ loading each model ──▶ setup ──▶ reconfigure ──▶ warming up ──▶ started
 *
 * Each step is announced before it begins, so that a start that hangs is seen to hang in it, and all of them together
 * take at most `startTimeoutMs`. The first failure ends the start, with the step, the cause and the user's line.
 */

/** What a start needs. */
export type LifecycleDeps = {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly defer: Defer;
  readonly identity: ReplicaIdentity;
  readonly launch: ReplicaLaunch;
  /** Folder of app.mjs: models are found in it, and source lines named relative to it. */
  readonly applicationDir: string;
  readonly packageDirs: readonly string[];
  /** A handle of another deployment of the application. */
  readonly toHandle: (deployment: DeploymentName) => unknown;
  /** Gets the code: from a bundle, or from memory in tests. */
  readonly load: () => Promise<GraphDeployment>;
  readonly onStep: (step: string) => void;
};

/** An actor that is ready for requests. */
export type StartedActor = {
  readonly actor: Actor;
  readonly maxOngoingRequests: number;
  /** Execution providers of its models, comma-separated; empty without models. */
  readonly provider: string;
  /** Models of `models()`; undefined where the actor has no such thing. */
  readonly heldModels: HeldModels | undefined;
  /** The user's functions that the control plane asks. */
  readonly functions: ControlFunctions;
  /** How its batch methods fare. */
  readonly batchReports: () => readonly BatchReport[];
  /** How much each of them has done, by name. */
  readonly batchWork: () => readonly (readonly [method: string, work: BatchWork])[];
  /** The user's; undefined without. */
  readonly healthCheck: (() => unknown) | undefined;
  /** Whether its models still run; undefined without any. Rejects in time, though a slow model may take longer. */
  readonly selfTest: ((timeoutMs: number) => Promise<void>) | undefined;
  /** Hands a changed `userConfig` to the user's `reconfigure`. */
  readonly reconfigure: (userConfig: unknown) => Promise<void>;
  /** The user's `teardown`, then the models. May reject with what the user threw; models are closed in any case. */
  readonly close: () => Promise<void>;
};

/** A start that failed. The message is the reason people see. */
export class StartFailure extends Error {
  /** Trying again cannot help. */
  readonly isPermanent: boolean;

  constructor(reason: string, isPermanent: boolean, cause?: unknown) {
    super(reason, { cause });
    this.isPermanent = isPermanent;
  }
}

const NOTHING_DONE: BatchWork = { busyMs: 0, abandonedRun: undefined };

/** Runs all steps. Rejects with StartFailure. */
export async function startActor(deps: LifecycleDeps): Promise<StartedActor> {
  const { launch, identity, onStep } = deps;
  const { options } = launch;
  const limit = new StartLimit(deps.clock, options.startTimeoutMs);
  const step = async <T>(name: string, isPermanent: boolean, code: () => Promise<T> | T): Promise<T> => {
    onStep(name);
    try {
      return await limit.race(name, Promise.resolve().then(code));
    } catch (error) {
      throw asFailure(error, name, isPermanent, deps.applicationDir);
    }
  };
  let models: Registered["models"] = [];
  let heldModels: HeldModels | undefined;
  try {
    const deployment = await step("importing app.mjs", true, deps.load);
    const name = identity.deployment;
    const { instance, registered } = await step(`constructing ${name}`, false, () => makeInstance(deps, deployment));
    models = registered.models;
    const { batches } = registered;
    admission(options.maxOngoingRequests, batches, instance);
    attachBatches(deps, registered.batches, instance);
    heldModels = attachModelCaches(deps, registered.modelCaches);
    for (const model of models) await step(`loading ${model.name}`, true, () => model.load());
    for (const [field, loadable] of loadableFields(instance, registered)) {
      await step(`loading ${field}`, false, () => loadable.load());
    }
    const hooks = hooksOf(instance);
    await step("setup", false, () => hooks.setup?.(setupContext(deps, limit.signal)));
    if (options.userConfig !== undefined)
      await step("reconfigure", false, () => hooks.reconfigure?.(options.userConfig));
    for (const model of models) await step(`warming up ${model.name}`, false, () => model.warmup());
    // A version whose replicas are ill from their first moment on must not get a request, and its rollout must end.
    if (hooks.healthCheck !== undefined) await step("health check", false, () => firstCheck(hooks.healthCheck));
    const target = deployment.target;
    const batchReports = (): BatchReport[] =>
      batches.flatMap((batch, at) => batch.report(methodName(batch, instance, at)) ?? []);
    const batchWork = (): [string, BatchWork][] =>
      batches.map((batch, at) => [methodName(batch, instance, at), batch.work() ?? NOTHING_DONE]);
    const [input, output] = [schemaOf(target, "input"), schemaOf(target, "output")];
    return {
      actor: new Invoker({ clock: deps.clock, log: deps.log, identity, instance, input, output }),
      // Once more: `reconfigure` may have changed sizes.
      maxOngoingRequests: admission(options.maxOngoingRequests, batches, instance),
      functions: deployment.functions ?? {},
      batchReports,
      batchWork,
      provider: [...new Set(models.map((model) => model.provider()))].filter((provider) => provider !== "").join(","),
      heldModels,
      healthCheck: hooks.healthCheck,
      selfTest: selfTestOf(models),
      reconfigure: async (userConfig) => void (await hooks.reconfigure?.(userConfig)),
      close: () => closeActor(hooks, () => closeModels(models, heldModels)),
    };
  } catch (error) {
    void closeModels(models, heldModels);
    throw error;
  } finally {
    limit.close();
  }
}

function selfTestOf(models: Registered["models"]): StartedActor["selfTest"] {
  if (models.length === 0) return undefined;
  return async (timeoutMs) => {
    for (const model of models) await model.selfTest(timeoutMs);
  };
}

async function firstCheck(healthCheck: (() => unknown) | undefined): Promise<void> {
  if ((await healthCheck?.()) === false) throw new Error("it answered false");
}

/** The one time limit over all steps of a start. */
class StartLimit {
  readonly #controller = new AbortController();
  readonly #timer: { cancel(): void };
  readonly #timeoutMs: number;
  #onPassed: (() => void) | undefined;

  constructor(clock: Clock, timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#timer = clock.after(timeoutMs, () => {
      this.#onPassed?.();
      this.#controller.abort(new Error("the start took longer than startTimeoutMs"));
    });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  race<T>(step: string, work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (): void =>
        reject(
          new StartFailure(`${step} did not finish: the start may take ${this.#timeoutMs} ms (startTimeoutMs)`, true),
        );
      this.#onPassed = fail;
      if (this.signal.aborted) fail();
      work.then(resolve, reject);
    });
  }

  close(): void {
    this.#timer.cancel();
  }
}

function asFailure(error: unknown, step: string, isPermanent: boolean, applicationDir: string): StartFailure {
  if (error instanceof StartFailure) return error;
  const permanent =
    error instanceof ModelLoadError ? error.isPermanent : error instanceof InvalidSpecError || isPermanent;
  return new StartFailure(`${step}: ${describeError(error, applicationDir)}`, permanent, error);
}

function makeInstance(deps: LifecycleDeps, deployment: GraphDeployment): { instance: object; registered: Registered } {
  const { target } = deployment;
  const args = instantiateArgs(deployment.args, deps.toHandle);
  const { clock, applicationDir, packageDirs, log } = deps;
  const setting = { clock, applicationDir, packageDirs, cpus: deps.launch.options.resources.cpus, log };
  if (!isClass(target)) return construct(() => ({ fetch: target }), setting);
  const Made = target as unknown as new (...args: readonly unknown[]) => object;
  return construct(() => new Made(...args), setting);
}

/** So much that the next batch gathers while one runs, with a choice where that helps. */
function admission(option: number | undefined, batches: readonly RegisteredBatch[], instance: object): number {
  let largest: RegisteredBatch | undefined;
  for (const batch of batches) if (batch.maxBatchSize > (largest?.maxBatchSize ?? 0)) largest = batch;
  if (largest === undefined) return option ?? DEFAULT_MAX_ONGOING_REQUESTS;
  const { maxBatchSize } = largest;
  if (option === undefined) {
    const most = ({ isChoosing }: RegisteredBatch): number => (isChoosing ? ONGOING_BATCHES_CHOOSING : ONGOING_BATCHES);
    return batches.reduce((ongoing, batch) => Math.max(ongoing, most(batch) * batch.maxBatchSize), 0);
  }
  if (option >= maxBatchSize) return option;
  const name = largest.call === undefined ? "a model" : methodName(largest, instance, batches.indexOf(largest));
  throw new StartFailure(
    `maxOngoingRequests is ${option}, but ${name} makes batches of up to ${maxBatchSize}, which could never fill: ` +
      `raise it to at least ${maxBatchSize}, or lower maxBatchSize`,
    true,
  );
}

function attachBatches(deps: LifecycleDeps, batches: readonly RegisteredBatch[], instance: object): void {
  const { clock, defer, metrics, identity } = deps;
  for (const [at, batch] of batches.entries()) {
    batch.attach({ clock, defer, metrics, deployment: identity.deploymentId, method: methodName(batch, instance, at) });
  }
}

/** Nothing where there are none: then nobody is told of them. */
function attachModelCaches(deps: LifecycleDeps, caches: Registered["modelCaches"]): HeldModels | undefined {
  if (caches.length === 0) return undefined;
  const { clock, log, metrics, identity } = deps;
  const deployment = identity.deploymentId;
  const held = new HeldModels(caches, metrics.gauge("thornback_models_loaded", { deployment }));
  for (const cache of caches) cache.attach({ clock, log, metrics, deployment, onChange: () => held.changed() });
  return held;
}

/** The field a batch method is in; a private one cannot be seen from outside and gets a number. */
function methodName(batch: RegisteredBatch, instance: object, at: number): string {
  const field = Object.entries(instance).find(([, value]) => value === batch.call);
  return field?.[0] ?? `batch ${at + 1}`;
}

type Loadable = { load(): unknown };

/** Public fields with a `load` of their own, for models of other kinds. */
function loadableFields(instance: object, registered: Registered): [string, Loadable][] {
  const names = new Set(registered.models.map(({ owner }) => owner));
  return Object.entries(instance).filter(
    (entry): entry is [string, Loadable] => isLoadable(entry[1]) && !names.has(entry[1]),
  );
}

function isLoadable(value: unknown): value is Loadable {
  if (typeof value !== "object" || value === null || isHandle(value)) return false;
  return typeof (value as Partial<Loadable>).load === "function";
}

type Hooks = {
  readonly setup: ((context: SetupContext) => unknown) | undefined;
  readonly reconfigure: ((userConfig: unknown) => unknown) | undefined;
  readonly healthCheck: (() => unknown) | undefined;
  readonly teardown: (() => unknown) | undefined;
};

function hooksOf(instance: object): Hooks {
  const hook = (name: keyof Hooks): ((...args: unknown[]) => unknown) | undefined => {
    const method: unknown = (instance as Record<string, unknown>)[name];
    return typeof method === "function" ? (method.bind(instance) as (...args: unknown[]) => unknown) : undefined;
  };
  return {
    setup: hook("setup"),
    reconfigure: hook("reconfigure"),
    healthCheck: hook("healthCheck"),
    teardown: hook("teardown"),
  };
}

function setupContext({ identity, launch }: LifecycleDeps, signal: AbortSignal): SetupContext {
  const { application, deployment, replica, version, node } = identity;
  return {
    application,
    deployment,
    replica,
    version,
    node,
    gpus: launch.gpus,
    userConfig: launch.options.userConfig,
    signal,
  };
}

async function closeActor(hooks: Hooks, close: () => Promise<void>): Promise<void> {
  try {
    await hooks.teardown?.();
  } finally {
    await close();
  }
}

async function closeModels(models: Registered["models"], heldModels: HeldModels | undefined): Promise<void> {
  await Promise.all([...models.map((model) => model.close()), heldModels?.close()]);
}
