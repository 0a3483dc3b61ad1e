/**
 * Several models by id, as many as there is room for.
 *
 *     (none) ──use──▶ waiting ──room──▶ loading ──▶ loaded ──idle, and another needs the room──▶ closing ──▶ (none)
 *                        ▲                  └── fails ──▶ (none)                                     │
 *                        └──────────────────────── wanted again meanwhile ───────────────────────────┘
 *
 * A model is loaded once however many ask for it meanwhile, and never evicted while somebody uses it. Its room is taken
 * before its load begins and free after its close has ended (`decide/make-room.ts`). Whoever waits does so until its
 * request ends: at the deadline a replica cancels it. A load goes on when those who asked for it have gone, because the next
 * request asks for it again; only its own time limit and the end of the cache abort its signal.
 *
 * It lives here because `core`, `batching` and `sdk` are all that may be reached from what users import; a model runtime
 * it does not need.
 */
import type { Cancellation } from "../core/cancellation.ts";
import type { Clock } from "../core/clock.ts";
import { CancelledError, ModelError, QueueFullError } from "../core/error.ts";
import { MODEL_CLOSE_TIMEOUT_MS, MODEL_LOAD_TIMEOUT_MS, MOST_WAITING_MODEL_USES } from "../core/limits.ts";
import { runOutsideScope } from "../core/request-scope.ts";
import { makeRoom, type RoomInput } from "./decide/make-room.ts";
import type { ModelCacheMetrics } from "./model-cache-metrics.ts";

/** What a cache runs on. */
export type ModelCacheDeps = {
  readonly clock: Clock;
  /** Something went wrong that fails no request. */
  readonly warn: (text: string, err?: unknown) => void;
  /** undefined: nothing is measured. */
  readonly metrics: ModelCacheMetrics | undefined;
  /** Other models are loaded or loading than before. */
  readonly onChange: () => void;
};

/** What a cache holds, and how much of it. */
export type ModelCacheOptions<M> = {
  readonly load: (id: string, context: { readonly signal: AbortSignal }) => Promise<M> | M;
  readonly maxModels: number;
  /** Infinity: however large they are. */
  readonly maxBytes: number;
  /** Bytes of a loaded model; asked only where `maxBytes` is a limit. */
  readonly sizeOf: (model: M) => number;
};

/** A model that somebody uses until it is given back. */
export type HeldModel<M> = { readonly id: string; readonly model: M };

type Waiter<M> = {
  readonly resolve: (held: HeldModel<M>) => void;
  readonly reject: (error: unknown) => void;
  unsubscribe: () => void;
};

type Entry<M> = {
  readonly id: string;
  state: "waiting" | "loading" | "loaded" | "closing";
  readonly waiters: Set<Waiter<M>>;
  /** Once it is loaded. */
  held: HeldModel<M> | undefined;
  bytes: number;
  useCount: number;
  /** Of the load that is going on. */
  controller: AbortController | undefined;
  /** The load or the close that is going on; never rejects. */
  work: Promise<void>;
};

const UNLOADED = { state: "waiting", held: undefined, bytes: 0, useCount: 0 } as const;

/** Several models by id; see the head of this file. */
export class ModelCache<M> {
  readonly #options: ModelCacheOptions<M>;
  #deps: ModelCacheDeps;
  /** Loaded ones stand in the order in which they were used last, those that wait in that in which they came. */
  readonly #entries = new Map<string, Entry<M>>();
  #waitingUses = 0;
  /** Sizes of the models that were loaded so far. */
  #sizes = { count: 0, bytes: 0 };
  #isClosed = false;

  constructor(deps: ModelCacheDeps, options: ModelCacheOptions<M>) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Runs on other things from now on; only before the first use. */
  attach(deps: ModelCacheDeps): void {
    this.#deps = deps;
  }

  /** Of the models that are loaded or loading; the one used last stands last. */
  get modelIds(): string[] {
    const entries = [...this.#entries.values()];
    return entries.filter(({ state }) => state === "loaded" || state === "loading").map(({ id }) => id);
  }

  /**
   * Gives a model, loaded, to somebody who gives it back by `release`. Rejects with what `load` threw, with the
   * cancellation's reason, with ModelError when the load takes too long, with QueueFullError when too many wait, or with
   * CancelledError once the cache is closed.
   */
  hold(id: string, cancellation: Cancellation): Promise<HeldModel<M>> {
    if (this.#isClosed) return Promise.reject(closedError());
    const { metrics } = this.#deps;
    const known = this.#entries.get(id);
    if (known?.state === "loaded" && known.held !== undefined) {
      metrics?.used("loaded");
      known.useCount += 1;
      return Promise.resolve(known.held);
    }
    if (this.#waitingUses >= MOST_WAITING_MODEL_USES) {
      const text = `${MOST_WAITING_MODEL_USES} uses wait for models already: use fewer at once`;
      return Promise.reject(new QueueFullError(text));
    }
    metrics?.used(known === undefined ? "absent" : "loading");
    return new Promise<HeldModel<M>>((resolve, reject) => {
      const entry = known ?? this.#add(id);
      const waiter: Waiter<M> = { resolve, reject, unsubscribe: () => {} };
      entry.waiters.add(waiter);
      this.#waitingUses += 1;
      waiter.unsubscribe = cancellation.onCancel((reason) => {
        this.#leave(entry, waiter);
        reject(reason);
      });
      this.#advance();
    });
  }

  /** Whoever held it uses it no more. */
  release(held: HeldModel<M>): void {
    const entry = this.#entries.get(held.id);
    // Not where the cache was closed in the meantime.
    if (entry?.held !== held) return;
    entry.useCount -= 1;
    if (entry.useCount > 0) return;
    this.#entries.delete(entry.id);
    this.#entries.set(entry.id, entry);
    // Nothing to be done for it is what happens nearly always.
    if (this.#waitingUses > 0 || this.#options.maxBytes !== Infinity) this.#advance();
  }

  /** Ends every wait and every load, and closes every model, in use or not. Idempotent, never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const entries = [...this.#entries.values()];
    for (const entry of entries) {
      this.#rejectAll(entry, closedError());
      entry.controller?.abort(closedError());
      if (entry.state === "waiting") this.#entries.delete(entry.id);
      else if (entry.state === "loaded") this.#evict(entry);
    }
    await this.#within(MODEL_CLOSE_TIMEOUT_MS, Promise.all(entries.map(({ work }) => work)));
  }

  #add(id: string): Entry<M> {
    const entry: Entry<M> = { id, waiters: new Set(), controller: undefined, work: Promise.resolve(), ...UNLOADED };
    this.#entries.set(id, entry);
    return entry;
  }

  /** Begins loads and makes room for them, as far as that goes now. */
  #advance(): void {
    while (!this.#isClosed) {
      const decision = makeRoom(this.#room());
      if (decision.kind === "wait") return;
      const wanted = decision.kind === "load" ? "waiting" : "loaded";
      // The first of them came first, or was used longest ago.
      const entry = firstIdle(this.#entries.values(), wanted);
      if (entry === undefined) return;
      if (decision.kind === "load") entry.work = this.#load(entry);
      else {
        this.#deps.metrics?.evicted(decision.reason);
        this.#evict(entry);
      }
    }
  }

  #room(): RoomInput {
    const { maxModels, maxBytes } = this.#options;
    const counts = { waiting: 0, loading: 0, loaded: 0, closing: 0 };
    const sizes = { waiting: 0, loading: 0, loaded: 0, closing: 0 };
    let idleCount = 0;
    for (const { state, useCount, bytes } of this.#entries.values()) {
      counts[state] += 1;
      sizes[state] += bytes;
      if (state === "loaded" && useCount === 0) idleCount += 1;
    }
    return {
      maxModels,
      maxBytes,
      waitingCount: counts.waiting,
      loadingCount: counts.loading,
      loadedCount: counts.loaded,
      closingCount: counts.closing,
      idleCount,
      loadedBytes: sizes.loaded,
      closingBytes: sizes.closing,
      usualBytes: this.#sizes.count === 0 ? 0 : this.#sizes.bytes / this.#sizes.count,
    };
  }

  async #load(entry: Entry<M>): Promise<void> {
    const { clock, metrics } = this.#deps;
    const startedAt = clock.now();
    const controller = new AbortController();
    entry.state = "loading";
    entry.controller = controller;
    this.#deps.onChange();
    let timer = clock.after(MODEL_LOAD_TIMEOUT_MS, () => {
      this.#giveUp(entry);
      timer = clock.after(MODEL_CLOSE_TIMEOUT_MS, () => this.#abandon(entry));
    });
    // Once it is abandoned the entry may be in another load.
    const isWanted = (): boolean => entry.controller === controller && entry.state === "loading";
    try {
      const made = await this.#make(entry.id, controller.signal);
      if (this.#isClosed || !isWanted()) {
        await this.#closeModel(made.held);
        return;
      }
      metrics?.loaded("ok", clock.now() - startedAt);
      this.#serve(entry, made);
    } catch (error) {
      if (!isWanted()) return;
      metrics?.loaded("failed", clock.now() - startedAt);
      this.#rejectAll(entry, error);
    } finally {
      timer.cancel();
      if (entry.controller === controller) {
        entry.controller = undefined;
        if (entry.held === undefined) this.#vacate(entry);
        else this.#advance();
      }
    }
  }

  /** A model, loaded: where it has a `load` of its own, that is part of making it. */
  async #make(id: string, signal: AbortSignal): Promise<{ readonly held: HeldModel<M>; readonly bytes: number }> {
    const { load, maxBytes, sizeOf } = this.#options;
    // A load belongs to no one request: it goes on when the one that began it has ended.
    const model = await runOutsideScope(async () => load(id, { signal }));
    const held = { id, model };
    try {
      if (hasMethod(model, "load")) await runOutsideScope(async () => model.load());
      return { held, bytes: maxBytes === Infinity ? 0 : sizeOf(model) };
    } catch (error) {
      await this.#closeModel(held);
      throw error;
    }
  }

  #serve(entry: Entry<M>, { held, bytes }: { readonly held: HeldModel<M>; readonly bytes: number }): void {
    this.#sizes = { count: this.#sizes.count + 1, bytes: this.#sizes.bytes + bytes };
    entry.held = held;
    entry.bytes = bytes;
    entry.state = "loaded";
    // It was asked for now, and those that were used since its load began are no newer.
    this.#entries.delete(entry.id);
    this.#entries.set(entry.id, entry);
    for (const waiter of entry.waiters) {
      this.#leave(entry, waiter);
      // In use from here on, although whoever waited only hears of it when this turn's promises settle.
      entry.useCount += 1;
      waiter.resolve(held);
    }
  }

  /** The load takes too long. What it holds it still holds: its room is free when it has come to its end, or is abandoned. */
  #giveUp(entry: Entry<M>): void {
    const text = `model "${entry.id}" was not loaded within ${MODEL_LOAD_TIMEOUT_MS} ms: load() should end when its signal aborts`;
    const error = new ModelError(text);
    entry.state = "closing";
    this.#deps.metrics?.loaded("tooLate", MODEL_LOAD_TIMEOUT_MS);
    this.#rejectAll(entry, error);
    entry.controller?.abort(error);
    this.#deps.onChange();
  }

  /** It does not end even so: its room would never be free again, and whoever waits for room would wait for ever. */
  #abandon(entry: Entry<M>): void {
    const text = `model "${entry.id}": load() has not ended ${MODEL_CLOSE_TIMEOUT_MS} ms after its signal aborted`;
    this.#deps.warn(`${text}: its room is given to another`);
    entry.controller = undefined;
    this.#vacate(entry);
  }

  #evict(entry: Entry<M>): void {
    const { held } = entry;
    entry.state = "closing";
    this.#deps.onChange();
    const closing = held === undefined ? Promise.resolve() : this.#closeModel(held);
    entry.work = closing.then(() => this.#vacate(entry));
  }

  /** Its room is free. */
  #vacate(entry: Entry<M>): void {
    this.#entries.delete(entry.id);
    Object.assign(entry, UNLOADED);
    // Whoever asked for it while it was being closed waits for it to be loaded again, behind those that wait already.
    if (entry.waiters.size > 0) this.#entries.set(entry.id, entry);
    this.#deps.onChange();
    this.#advance();
  }

  /** Never rejects. */
  async #closeModel({ id, model }: HeldModel<M>): Promise<void> {
    if (!hasMethod(model, "close")) return;
    const { warn } = this.#deps;
    const closing = runOutsideScope(async () => model.close()).catch((err: unknown) =>
      warn(`model "${id}" failed to close`, err),
    );
    if (await this.#within(MODEL_CLOSE_TIMEOUT_MS, closing)) return;
    warn(`model "${id}" was not closed within ${MODEL_CLOSE_TIMEOUT_MS} ms: its room is given to another`);
  }

  /** Whether it ended in time. */
  #within(limitMs: number, work: Promise<unknown>): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.#deps.clock.after(limitMs, () => resolve(false));
      void work.then(() => {
        timer.cancel();
        resolve(true);
      });
    });
  }

  #rejectAll(entry: Entry<M>, error: unknown): void {
    for (const waiter of entry.waiters) {
      this.#leave(entry, waiter);
      waiter.reject(error);
    }
  }

  #leave(entry: Entry<M>, waiter: Waiter<M>): void {
    if (!entry.waiters.delete(waiter)) return;
    this.#waitingUses -= 1;
    waiter.unsubscribe();
    if (entry.state === "waiting" && entry.waiters.size === 0) this.#entries.delete(entry.id);
  }
}

function closedError(): CancelledError {
  return new CancelledError("the models were closed: the replica ends");
}

function hasMethod<N extends string>(value: unknown, name: N): value is Readonly<Record<N, () => unknown>> {
  if (value === null || (typeof value !== "object" && typeof value !== "function")) return false;
  return typeof (value as Readonly<Record<string, unknown>>)[name] === "function";
}

function firstIdle<M>(entries: Iterable<Entry<M>>, wanted: Entry<M>["state"]): Entry<M> | undefined {
  for (const entry of entries) if (entry.state === wanted && entry.useCount === 0) return entry;
  return undefined;
}
