/** Each test breaks one part of the cluster and expects the check that is there for it to say so. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeploymentId } from "../../core/ids.ts";
import type { TableUpdate } from "../../core/table.ts";
import type { RoutedAnswer, RouterRequest } from "../../routing/routed-request.ts";
import { Routers } from "../../routing/routers.ts";
import { simulate, type SimulationDoubles } from "../../sim/cluster.ts";

async function assertFound(check: string, message: RegExp, doubles: SimulationDoubles): Promise<void> {
  const result = await simulate({ seed: 3, faultMs: 20_000, hasFaults: false, doubles });
  const [first] = result.violations;
  assert.equal(first?.check, check, `found ${JSON.stringify(result.violations)}`);
  assert.match(first.message, message);
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
