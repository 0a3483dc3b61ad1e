import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { sleep } from "../../core/clock.ts";
import { createMetrics } from "../../core/metric-registry.ts";
import { seededRandom, type Random } from "../../core/random.ts";
import { Routers } from "../../routing/routers.ts";
import { ModelCache } from "../../sdk/model-cache.ts";
import { HeldModels } from "../../worker/replica/held-models.ts";
import { settle, type ManualClock } from "../fake/manual-clock.ts";
import { RoutingBed, routerRequest } from "../fake/routing-bed.ts";
import { deploymentEntry, snapshot } from "../fake/table.ts";

const MODELS = 20;
const REPLICAS = 3;
const ROOM = 5;
const SLOTS = 16;
const REQUESTS = 3_000;
const RUN_MS = 20;
const LOAD_MS = 400;
const CLOSE_MS = 20;

/** What one replica did with its models; broken rules are noted as they happen. */
class Ledger {
  readonly broken: string[] = [];
  useCount = 0;
  foundCount = 0;
  readonly #loading = new Set<string>();
  readonly #inUse = new Map<string, number>();
  #takenCount = 0;

  load(id: string): void {
    if (this.#loading.has(id)) this.broken.push(`${id} is loaded twice at once`);
    this.#loading.add(id);
    this.#takenCount += 1;
    if (this.#takenCount > ROOM) this.broken.push(`${this.#takenCount} models take room`);
  }

  loaded(id: string): void {
    this.#loading.delete(id);
  }

  used(id: string, by: 1 | -1): void {
    this.#inUse.set(id, (this.#inUse.get(id) ?? 0) + by);
  }

  closes(id: string): void {
    if ((this.#inUse.get(id) ?? 0) > 0) this.broken.push(`${id} is closed in use`);
  }

  closed(): void {
    this.#takenCount -= 1;
  }
}

type Model = { close(): Promise<void> };

function cacheOf(clock: ManualClock, ledger: Ledger, onChange: () => void): ModelCache<Model> {
  return new ModelCache<Model>(
    {
      clock,
      warn: (text) => void ledger.broken.push(text),
      metrics: {
        used: (found) => {
          ledger.useCount += 1;
          if (found !== "absent") ledger.foundCount += 1;
        },
        loaded: () => {},
        evicted: () => {},
      },
      onChange,
    },
    {
      maxModels: ROOM,
      maxBytes: Infinity,
      sizeOf: () => 0,
      load: async (id) => {
        ledger.load(id);
        await sleep(clock, LOAD_MS);
        ledger.loaded(id);
        return {
          close: async () => {
            ledger.closes(id);
            await sleep(clock, CLOSE_MS);
            ledger.closed();
          },
        };
      },
    },
  );
}

/** Replicas that use a model for each request, and two routers before them that know nothing of one another. */
async function cluster(seed: number): Promise<{ bed: RoutingBed; routers: Routers[]; ledgers: Ledger[] }> {
  const bed = new RoutingBed();
  const { clock, network, log, metrics } = bed;
  const ledgers: Ledger[] = [];
  const entries = [];
  for (let at = 0; at < REPLICAS; at++) {
    const ledger = new Ledger();
    const cache: ModelCache<Model> = cacheOf(clock, ledger, () => held.changed());
    const registered = {
      get modelIds() {
        return cache.modelIds;
      },
      attach: () => {},
      close: () => cache.close(),
    };
    const held: HeldModels = new HeldModels(
      [registered],
      createMetrics().gauge("thornback_models_loaded", { deployment: "d" }),
    );
    const { handler, entry } = await bed.replica(`app-Main-${seed}-${at}`, { maxOngoingRequests: SLOTS }, held);
    handler.handle = async (head, _body, cancellation) => {
      const id = head.kind === "call" ? head.modelId : "";
      handler.ongoing += 1;
      const model = await cache.hold(id, cancellation);
      ledger.used(id, 1);
      await sleep(clock, RUN_MS);
      ledger.used(id, -1);
      cache.release(model);
      handler.ongoing -= 1;
      return { status: 200, headers: [], body: [] };
    };
    ledgers.push(ledger);
    entries.push({ kind: "replica", ...entry } as const);
  }
  const second = new Routers(
    { clock, random: seededRandom(seed), log, metrics, network, defer: queueMicrotask },
    "proxy",
  );
  second.apply(snapshot(1, [deploymentEntry(), ...entries]));
  second.warm(deploymentEntry().id);
  await bed.table([deploymentEntry(), ...entries]);
  return { bed, routers: [bed.routers, second], ledgers };
}

/** Draws model k with a probability in proportion to 1 ÷ k. */
function zipf(random: Random): string {
  const weights = Array.from({ length: MODELS }, (_, at) => 1 / (at + 1));
  let left = random.next() * weights.reduce((sum, weight) => sum + weight, 0);
  const at = weights.findIndex((weight) => (left -= weight) <= 0);
  return `model-${at < 0 ? MODELS - 1 : at}`;
}

/** One store with room for all the replicas' models, which evicts the one used longest ago. */
class Oracle {
  readonly #ids = new Set<string>();
  foundCount = 0;

  use(id: string): void {
    if (this.#ids.delete(id)) this.foundCount += 1;
    else if (this.#ids.size === REPLICAS * ROOM) this.#ids.delete([...this.#ids][0] ?? "");
    this.#ids.add(id);
  }
}

/** Sends requests at random times; gives the hit rate as a share of the oracle's. */
async function shareOfOracle(
  seed: number,
  perSecond: number,
): Promise<{ share: number; broken: string[]; ended: number }> {
  const { bed, routers, ledgers } = await cluster(seed);
  const random = seededRandom(seed);
  const oracle = new Oracle();
  let ended = 0;
  for (let at = 0; at < REQUESTS; at++) {
    await bed.clock.advanceAsync((-Math.log(1 - random.next()) / perSecond) * 1_000);
    const modelId = zipf(random);
    oracle.use(modelId);
    const deadlineAt = bed.clock.now() + 60_000;
    const {
      head: { requestId, depth, traceparent },
    } = routerRequest(String(at));
    const head = {
      kind: "call",
      requestId,
      depth,
      traceparent,
      method: "predict",
      key: "",
      modelId,
      priority: 0,
    } as const;
    const router = routers[random.next() < 0.5 ? 0 : 1];
    void router?.send(deploymentEntry().id, routerRequest("", { head, deadlineAt, modelId })).then(() => (ended += 1));
  }
  await bed.clock.advanceAsync(30_000);
  for (const one of routers) one.close();
  await settle();
  const sum = (of: (ledger: Ledger) => number): number => ledgers.reduce((total, ledger) => total + of(ledger), 0);
  assert.equal(
    sum(({ useCount }) => useCount),
    REQUESTS,
  );
  const share = sum(({ foundCount }) => foundCount) / oracle.foundCount;
  return { share, broken: ledgers.flatMap(({ broken }) => broken), ended };
}

describe("20 models on 3 replicas with room for 5 each, asked for by Zipf's law through two routers", () => {
  for (const perSecond of [10, 40, 60]) {
    it(`at ${perSecond} requests a second: none is loaded twice at once, none closed in use, and 0.9 of an oracle's are found loaded`, async () => {
      for (const seed of [1, 2, 3]) {
        const { share, broken, ended } = await shareOfOracle(seed, perSecond);
        assert.deepEqual(broken, []);
        assert.equal(ended, REQUESTS);
        assert.ok(share >= 0.9, `seed ${seed}: ${share.toFixed(3)} of the oracle's hits`);
      }
    });
  }
});
