/** Each test breaks one part of the cluster and expects the check that is there for it to say so. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ControllerMessage, WorkerMessage } from "../../core/assignment.ts";
import type { DeploymentId } from "../../core/ids.ts";
import type { TableUpdate } from "../../core/table.ts";
import type { RoutedAnswer, RouterRequest } from "../../routing/routed-request.ts";
import { Routers } from "../../routing/routers.ts";
import { simulate, type SimulationDoubles } from "../../sim/cluster.ts";

/** Not every seed's world has what a part is there for: the first of these that shows it is enough. */
type Worlds = { readonly seeds: readonly number[]; readonly faultKinds?: readonly string[] };

const PLAIN: Worlds = { seeds: [3, 4, 5] };

async function assertFound(check: string, message: RegExp, doubles: SimulationDoubles, worlds = PLAIN): Promise<void> {
  const { seeds, faultKinds } = worlds;
  const found: string[] = [];
  for (const seed of seeds) {
    const hasFaults = faultKinds !== undefined;
    const { violations } = await simulate({ seed, faultMs: 20_000, hasFaults, faultKinds, doubles });
    found.push(...violations.map((violation) => `${seed}: ${violation.check}: ${violation.message}`));
    if (violations.some((violation) => violation.check === check && message.test(violation.message))) return;
  }
  assert.fail(`${check} found nothing with seeds ${seeds.join(", ")}; ${found.join("; ")}`);
}

type RoutersDeps = ConstructorParameters<typeof Routers>[0];

test("a replica that takes more than its slots is found", () =>
  assertFound("ongoing", /3 ongoing requests, maxOngoingRequests is 2/, {
    filterReplicaMessages(message) {
      if (message.kind !== "order") return message;
      const { order } = message;
      const options = { ...order.launch.options, maxOngoingRequests: 500 };
      return { ...message, order: { ...order, launch: { ...order.launch, options } } };
    },
  }));

test("a router that ignores the limit of its queue is found", () =>
  assertFound("queue", /maxQueuedRequests is 6/, {
    createRouters(deps) {
      return new (class extends Routers {
        override apply(update: TableUpdate): "applied" | "gap" {
          const upserts = update.upserts.map((entry) =>
            entry.kind === "deployment" ? { ...entry, maxQueuedRequests: 1_000 } : entry,
          );
          return super.apply({ ...update, upserts });
        }

        /** What everybody else believes of it. */
        override get view(): Routers["view"] {
          const view = super.view;
          const entries = [...(view?.deployments ?? [])].map(
            ([id, entry]) => [id, { ...entry, maxQueuedRequests: 6 }] as const,
          );
          return view === undefined ? undefined : { ...view, deployments: new Map(entries) };
        }
      })(deps, "proxy");
    },
  }));

test("a drain that is acknowledged and not done is found", () =>
  assertFound("drain", /after it had acknowledged its drain|left its table/, {
    filterReplicaMessages(message, say) {
      if (message.kind !== "drain") return message;
      const report = {
        reason: "",
        isPermanent: false,
        address: undefined,
        maxOngoingRequests: 1,
        ongoing: 0,
        provider: "",
        batches: [],
      };
      say({ kind: "replica", report: { ...report, state: "draining" } });
      return undefined;
    },
    createRouters: (deps) => new StaleRouters(deps, "proxy"),
  }));

/** Uses the first table that has replicas for ever. */
class StaleRouters extends Routers {
  override apply(update: TableUpdate): "applied" | "gap" {
    const isFull = [...(this.view?.replicas.keys() ?? [])].length >= 3;
    return isFull ? "applied" : super.apply(update);
  }
}

test("a router that goes back to an older table is found", () =>
  assertFound("table-version", /back to \d+\.\d+/, { createRouters: (deps) => new CarelessRouters(deps) }));

/** Takes whatever table comes last, without a look at its epoch or version. */
class CarelessRouters extends Routers {
  readonly #deps: RoutersDeps;
  #inner: Routers;
  #first: TableUpdate | undefined;
  #count = 0;

  constructor(deps: RoutersDeps) {
    super(deps, "proxy");
    this.#deps = deps;
    this.#inner = new Routers(deps, "proxy");
  }

  override get view(): Routers["view"] {
    return this.#inner?.view;
  }

  override apply(update: TableUpdate): "applied" | "gap" {
    if (update.kind === "snapshot") this.#first ??= update;
    this.#count += 1;
    if (this.#count < 10 || this.#first === undefined) return this.#inner.apply(update);
    this.#inner = new Routers(this.#deps, "proxy");
    return this.#inner.apply(this.#first);
  }

  override warm(id: DeploymentId): void {
    this.#inner.warm(id);
  }

  override deployment(id: DeploymentId): ReturnType<Routers["deployment"]> {
    return this.#inner.deployment(id);
  }

  override send(id: DeploymentId, request: RouterRequest): Promise<RoutedAnswer> {
    return this.#inner.send(id, request);
  }
}

test("a router that forgets a request is found", () => {
  let count = 0;
  return assertFound("ends-once", /never ended/, {
    createRouters(deps) {
      return new (class extends Routers {
        override send(id: DeploymentId, request: RouterRequest): Promise<RoutedAnswer> {
          count += 1;
          return count === 100 ? new Promise(() => {}) : super.send(id, request);
        }
      })(deps, "proxy");
    },
  });
});

test("a router that sends a request twice although that may do harm is found", () =>
  assertFound("runs-once", /is not idempotent, ran on .* and again on/, {
    createRouters(deps) {
      return new (class extends Routers {
        override async send(id: DeploymentId, request: RouterRequest): Promise<RoutedAnswer> {
          await super.send(id, request);
          return super.send(id, request);
        }
      })(deps, "proxy");
    },
  }));

test("a node that claims more than it has is found", () =>
  assertFound("capacity", /which is not there|are taken/, {
    claimedResources: (real) => ({ ...real, gpus: ["gpu-7", "gpu-8"] }),
  }));

test("replicas that never become ready are found", () =>
  assertFound("converged", /is starting|too few/, {
    filterReplicaMessages: (message) => (message.kind === "order" ? undefined : message),
  }));

test("a replica that is drained before every router has acknowledged that it left is found", () =>
  assertFound(
    "budget",
    /can serve for proxy-\d+, the target is/,
    {
      filterControl: () => ({ down: (message) => message, up: claimNewestTable }),
    },
    { seeds: [1, 2, 3] },
  ));

/** A worker whose routers, it says, use whatever table there is. */
function claimNewestTable(message: WorkerMessage): WorkerMessage {
  if (message.kind !== "heartbeat") return message;
  return { ...message, report: { ...message.report, tableVersion: Number.MAX_SAFE_INTEGER } };
}

test("a worker that follows a controller which was replaced is found", () =>
  assertFound(
    "epochs",
    /followed assignment \d+\.\d+ after/,
    { filterControl: forgetEpochs },
    { seeds: [1, 2, 3, 4], faultKinds: ["replaceController"] },
  ));

/** Tells a worker that whatever comes is of the newest controller, and every controller that it knows no newer one. */
function forgetEpochs(): ReturnType<NonNullable<SimulationDoubles["filterControl"]>> {
  let highest = 0;
  let generation = 1_000_000;
  return {
    down(message: ControllerMessage) {
      if (message.kind !== "assign") return message;
      highest = Math.max(highest, message.assignment.epoch);
      generation += 1;
      return { ...message, assignment: { ...message.assignment, epoch: highest, generation } };
    },
    up: (message: WorkerMessage) =>
      message.kind === "register" ? { ...message, registration: { ...message.registration, epoch: 0 } } : message,
  };
}

test("an autoscaler that gives replicas back at once is found", () =>
  assertFound(
    "hysteresis",
    /ms after it rose, downscaleDelayMs is/,
    {
      filterSpec(spec) {
        const deployments = spec.deployments.map((deployment) => {
          const { autoscaling } = deployment.options;
          if (autoscaling === undefined) return deployment;
          const hasty = { ...autoscaling, downscaleDelayMs: 0 };
          return { ...deployment, options: { ...deployment.options, autoscaling: hasty } };
        });
        return { ...spec, deployments };
      },
    },
    { seeds: [4, 6, 7, 1, 2, 3, 5, 8] },
  ));
