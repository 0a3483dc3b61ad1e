import { HandlerError, ServeError } from "../core/error.ts";
import type { DeploymentId, DeploymentName, ReplicaId, RequestId, Version } from "../core/ids.ts";
import type { RequestContext } from "../core/request-context.ts";
import { batch } from "../sdk/batch.ts";
import type { ControlFunctions, VerifyInput } from "../sdk/control-functions.ts";
import { requestContext } from "../sdk/context.ts";
import { DeploymentReference, type GraphDeployment } from "../sdk/load-app.ts";
import { StartFailure } from "../worker/replica/lifecycle.ts";
import { type Behaviour, behaviourOf } from "./application.ts";
import type { EventSink, Outcome } from "./event.ts";
import { nextRun } from "./run-time.ts";
import { between, chance } from "./seed.ts";
import type { SimProcess } from "./sim-process.ts";
import type { ReplicaOrder } from "../proto/control/message.ts";

/**
 * The user code of the simulated world: a class as users write them, with `setup`, `predict`, a method for handles and a
 * batch method, whose model takes virtual time. It says when each request begins and ends, and so is the witness that
 * the checks on replicas rely on. A request ends for it when it is answered, fails or is cancelled, whichever is first.
 */

/** Whose code it is. */
export type SimModelDeps = {
  readonly process: SimProcess;
  readonly sink: EventSink;
  readonly order: ReplicaOrder;
  readonly deployment: DeploymentId;
  /** How many times slower than usual it is just now. */
  readonly slowdown: () => number;
};

type Callee = { run(input: unknown): Promise<unknown> };

/** Stacks hold the paths of this checkout; without them a run is the same everywhere. */
function bare<E extends Error>(error: E): E {
  error.stack = `${error.name}: ${error.message}`;
  return error;
}

/** The deployment that an import of the bundle would give. */
export function simDeployment(deps: SimModelDeps): GraphDeployment {
  const { launch } = deps.order;
  const behaviour = behaviourOf(launch.options);
  const args = behaviour.calls === "" ? [] : [new DeploymentReference(behaviour.calls as DeploymentName)];
  const target = class {
    readonly #model: SimModel;
    readonly #callee: Callee | undefined;

    constructor(callee?: Callee) {
      this.#model = new SimModel(deps, behaviour);
      this.#callee = callee;
    }

    setup(): Promise<void> {
      return this.#model.load();
    }

    predict(input: unknown, context: RequestContext): Promise<number> {
      return this.#model.answer(context.requestId, context, () => this.#callee?.run(input));
    }

    run(input: unknown): Promise<number> {
      const context = requestContext();
      // A nested call carries the id of the request it is part of.
      return this.#model.answer(`${context.requestId}+1`, context, () => this.#callee?.run(input));
    }
  };
  const functions = controlFunctions(deps, behaviour);
  return { name: launch.deployment, target, args, options: launch.options, rawOptions: {}, functions };
}

/** Calls of a `verify`: enough to see that the version answers. */
const VERIFY_CALLS = 3;

function controlFunctions({ process, sink, order, deployment }: SimModelDeps, behaviour: Behaviour): ControlFunctions {
  if (behaviour.verify === "none") return {};
  const verify = async ({ newVersion, signal }: VerifyInput<never>): Promise<{ readonly answered: number }> => {
    const model = newVersion as unknown as Callee;
    let answered = 0;
    for (let count = 0; count < VERIFY_CALLS && !signal.aborted; count++) {
      // What it calls may be away just now, which is not the version's fault.
      await model.run({ x: count }).then(
        () => (answered += 1),
        () => undefined,
      );
    }
    const isPassed = behaviour.verify === "passes";
    const event = { replica: order.replicaId as ReplicaId, deployment, version: order.version as Version, isPassed };
    if (process.isAlive) sink({ kind: "verifyEnded", ...event });
    if (!isPassed) throw bare(new HandlerError("the simulated version is not good enough"));
    return { answered };
  };
  return { verify };
}

class SimModel {
  readonly #deps: SimModelDeps;
  readonly #behaviour: Behaviour;
  readonly #infer: ((key: RequestId) => Promise<number>) | undefined;

  constructor(deps: SimModelDeps, behaviour: Behaviour) {
    this.#deps = deps;
    this.#behaviour = behaviour;
    const { maxBatchSize } = behaviour;
    if (maxBatchSize > 0) {
      this.#infer = batch({ maxBatchSize }, (keys: RequestId[], contexts) => this.#runBatch(keys, contexts));
    }
  }

  async load(): Promise<void> {
    const { process } = this.#deps;
    const { loadMs, startFailureShare, isPermanent } = this.#behaviour;
    await this.#sleep(between(process.random, loadMs / 2, loadMs));
    if (!chance(process.random, startFailureShare)) return;
    if (isPermanent) throw new StartFailure("the simulated model is no model", true);
    throw bare(new Error("the simulated model does not load"));
  }

  async answer(key: string, context: RequestContext, callOthers: () => Promise<unknown> | undefined): Promise<number> {
    const { sink, order, deployment } = this.#deps;
    const request = key as RequestId;
    const replica = order.replicaId as ReplicaId;
    sink({ kind: "invoked", request, replica, deployment, version: order.version as Version });
    let hasEnded = false;
    const end = (outcome: Outcome): void => {
      if (hasEnded) return;
      hasEnded = true;
      sink({ kind: "returned", request, replica, outcome });
    };
    const onAbort = (): void => end(ServeError.from(context.signal.reason).code);
    context.signal.addEventListener("abort", onAbort);
    try {
      await callOthers();
      if (this.#infer === undefined) await this.#run(1);
      else await this.#infer(request);
      end("ok");
      return 1;
    } catch (error) {
      end(ServeError.from(error).code);
      throw error;
    } finally {
      context.signal.removeEventListener("abort", onAbort);
    }
  }

  async #runBatch(keys: readonly RequestId[], contexts: readonly RequestContext[]): Promise<readonly number[]> {
    const { sink, order, process } = this.#deps;
    const { maxBatchSize } = this.#behaviour;
    const now = process.clock.now();
    const items = keys.map((request, at) => ({ request, leftMs: (contexts[at]?.deadlineAt ?? 0) - now }));
    sink({ kind: "batchRun", replica: order.replicaId as ReplicaId, maxBatchSize, items });
    await this.#run(keys.length);
    return keys.map(() => 1);
  }

  async #run(items: number): Promise<void> {
    const { process, slowdown } = this.#deps;
    const { ms, isFailed } = nextRun(this.#behaviour.run, items, slowdown(), process.random);
    await this.#sleep(ms);
    if (isFailed) throw bare(new HandlerError("the simulated model failed"));
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#deps.process.clock.after(ms, resolve);
    });
  }
}
