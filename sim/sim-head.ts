import { Controller } from "../controller/controller.ts";
import type { ApplicationName } from "../core/ids.ts";
import { NotFoundError, ServeError } from "../core/error.ts";
import { SUPERVISE_BACKOFF } from "../core/limits.ts";
import { createMetrics } from "../core/metric-registry.ts";
import type { Random } from "../core/random.ts";
import type { SimApplication } from "./application.ts";
import { specOf } from "./application.ts";
import type { ApplicationSpec } from "../core/spec.ts";
import type { HandCommand, OperatorPort } from "./operator.ts";
import { between } from "./seed.ts";
import type { SimControl } from "./sim-control.ts";
import { createSimLog } from "./sim-log.ts";
import { KILLED, type SimProcess } from "./sim-process.ts";
import { type SimDisk, SimStore } from "./sim-store.ts";
import type { World } from "./world.ts";

/**
 * The head: the production controller over a simulated store, under a supervisor that starts it again. The operator
 * reaches it as a client of the admin port does: a call may be refused, or its answer lost with the process.
 */

/** What a head is made from. */
export type SimHeadDeps = {
  readonly world: World;
  readonly control: SimControl;
  readonly disk: SimDisk;
  readonly host: string;
  /** Changes what is deployed on its way; tests break scaling with it. */
  readonly filterSpec?: ((spec: ApplicationSpec) => ApplicationSpec) | undefined;
};

/** The head of the cluster. */
export class SimHead implements OperatorPort {
  readonly host: string;
  readonly #deps: SimHeadDeps;
  readonly #random: Random;
  #process: SimProcess | undefined;
  #controller: Controller | undefined;
  #store: SimStore | undefined;

  constructor(deps: SimHeadDeps) {
    this.#deps = deps;
    this.host = deps.host;
    this.#random = deps.world.random("head");
  }

  /** The controller's process; undefined while it is being started again. */
  get process(): SimProcess | undefined {
    return this.#process?.isAlive === true ? this.#process : undefined;
  }

  /** Starts the controller. */
  start(): void {
    const { world, control, disk, host } = this.#deps;
    const process = world.createProcess(host, "controller");
    this.#process = process;
    process.onDeath(() => {
      if (this.#process !== process) return;
      this.#controller = undefined;
      this.#startLater();
    });
    const { clock, random } = process;
    const emit: World["emit"] = (event) => {
      if (process.isAlive) world.emit(event);
    };
    const log = createSimLog(process.name, emit, world.onLine);
    const nothing = (): Promise<never> =>
      Promise.reject(new NotFoundError("deployment_not_found", "there are no files in the simulated world"));
    const blobs = {
      has: () => Promise.resolve(true),
      read: nothing,
      write: nothing,
      list: () => Promise.resolve([]),
      delete: () => Promise.resolve(),
    };
    const store = new SimStore(disk, process);
    this.#store = store;
    Controller.start({ clock, random, log, metrics: createMetrics(), store, blobs }).then(
      (controller) => {
        if (!process.isAlive) return;
        if (this.#process === process) this.#controller = controller;
        control.serve(process, controller.service);
      },
      (error: unknown) => {
        log.error({ err: error }, "the controller does not start");
        process.die(KILLED);
      },
    );
  }

  /**
   * Another controller takes its place, with the disk, and the one that is replaced does not notice: workers reach either.
   * Returns its process; undefined: there is none just now.
   */
  replace(): SimProcess | undefined {
    const old = this.process;
    if (old === undefined || this.#controller === undefined || old.isPaused) return undefined;
    this.#store?.fence();
    this.#controller = undefined;
    this.start();
    return old;
  }

  async deploy(application: SimApplication): Promise<void> {
    const asked = specOf(application);
    const spec = this.#deps.filterSpec?.(asked) ?? asked;
    await this.#call((controller) => controller.deploy({ spec, secrets: {} }, { isPlan: false }));
  }

  async remove(name: string): Promise<void> {
    await this.#call(async (controller) => {
      await controller.delete(name as ApplicationName).catch((error: unknown) => {
        // An earlier attempt, whose answer was lost, has done it.
        if (!(error instanceof NotFoundError)) throw error;
      });
    });
  }

  byHand(command: HandCommand): Promise<ApplicationSpec | undefined> {
    return this.#call((controller) =>
      performByHand(controller, command).catch((error: unknown) => {
        // There is nothing to do it to just now, which is an answer.
        if (ServeError.from(error).code === "internal") throw error;
        return undefined;
      }),
    );
  }

  /** Fails at once without a controller, and when its process dies before it answers. */
  #call<T>(call: (controller: Controller) => Promise<T>): Promise<T> {
    const process = this.process;
    const controller = this.#controller;
    if (process === undefined || controller === undefined) return Promise.reject(new Error("connection refused"));
    return new Promise((resolve, reject) => {
      process.onDeath(() => reject(new Error("connection reset")));
      process.run(() => void call(controller).then(resolve, reject));
    });
  }

  #startLater(): void {
    const delayMs = between(this.#random, SUPERVISE_BACKOFF.firstMs, SUPERVISE_BACKOFF.firstMs * 40);
    this.#deps.world.clock.after(delayMs, () => this.start());
  }
}

async function performByHand(controller: Controller, command: HandCommand): Promise<ApplicationSpec | undefined> {
  const { operations } = controller;
  switch (command.kind) {
    case "scale":
      await operations.scale(command.application, command.deployment, command.count);
      return undefined;
    case "drain":
      await operations.drainNode(command.node, command.deadlineMs);
      return undefined;
    case "undrain":
      await operations.undrainNode(command.node);
      return undefined;
    case "rollback": {
      const input = operations.earlierRelease(command.application, undefined);
      await controller.deploy(input, { isPlan: false });
      return input.spec;
    }
    default:
      await operations.rollout(command.application, command.kind);
      return undefined;
  }
}
