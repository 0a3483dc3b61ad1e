import type { BatchReport } from "./assignment.ts";
import type { Clock, Defer } from "./clock.ts";
import type { Logger } from "./log.ts";
import type { Metrics } from "./metric.ts";

/**
 * The ambient scope in which an actor is made. Models and batch methods that come to be while a constructor runs
 * register themselves here, those in private fields included, because nothing outside a class can list its private
 * fields. Scopes form a stack: a constructor may make another actor. The stack hangs on `globalThis` under a symbol,
 * so that two copies of this package in one process share it.
 */

/** A model made during construction: loaded before its replica is ready, closed after its last request. */
export interface RegisteredModel {
  /** How the user named it, for reports: `./digits.onnx`. */
  readonly name: string;
  /** The object that user code holds. */
  readonly owner: object;
  /** Execution provider in use; empty until it is loaded. */
  readonly provider: () => string;
  /** Idempotent. Rejects with a ModelError. */
  load(): Promise<void>;
  /** Runs once, so that the first request does not pay for what is made lazily. */
  warmup(): Promise<void>;
  /**
   * Whether it still runs: runs what it was warmed up with, where a run of somebody's has not shown it since this was asked
   * last and none is under way. Rejects when it does not, or takes longer than `timeoutMs` and than is usual for it. A
   * model that is closed or could not be warmed up says nothing.
   */
  selfTest(timeoutMs: number): Promise<void>;
  /** Idempotent, never rejects. */
  close(): Promise<void>;
}

/** What a batch method is told by the replica that runs it. */
export type BatchAttachment = {
  readonly clock: Clock;
  readonly defer: Defer;
  readonly metrics: Metrics;
  /** Labels of its series; `method` also names it in errors. */
  readonly deployment: string;
  readonly method: string;
};

/** A batch, or a run of a model, that goes on although all its callers are gone. */
export type AbandonedRun = {
  /** One that is still there at a later look has the same. */
  readonly id: number;
  /** The latest deadline that its callers had, in monotonic milliseconds; 0: none had one. */
  readonly deadlineAt: number;
  /** The longest that one of its kind has taken until now, in milliseconds. */
  readonly longestMs: number;
  /** It will never end: fails what waits behind it, and whatever would come to wait. */
  readonly giveUp: (error: Error) => void;
};

/** How much a batch method has done. */
export type BatchWork = {
  /** Milliseconds that batches ran, all together. */
  readonly busyMs: number;
  /** undefined where no batch runs, or somebody waits for it. */
  readonly abandonedRun: AbandonedRun | undefined;
};

/** A batch method, or a model that stacks its runs, made during construction. */
export interface RegisteredBatch {
  /** What user code calls: how the replica finds out under which name it is a field. undefined for a model's own. */
  readonly call: unknown;
  readonly maxBatchSize: number;
  /** It does best with a choice of items that suit one another: by length, by shape. */
  readonly isChoosing: boolean;
  /** How it fares under the name of `method`; undefined before the first call. */
  report(method: string): BatchReport | undefined;
  /** undefined before the first call. */
  work(): BatchWork | undefined;
  /** Only before the first call. */
  attach(attachment: BatchAttachment): void;
}

/** What a cache of models is told by the replica that has it. */
export type ModelCacheAttachment = {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Label of its series. */
  readonly deployment: string;
  /** Other models are loaded or loading than before. */
  readonly onChange: () => void;
};

/** Several models by id, made during construction: they are loaded when requests ask for them. */
export interface RegisteredModelCache {
  /** Of the models that are loaded or loading; the one used last stands last. */
  readonly modelIds: readonly string[];
  /** Only before the first use. */
  attach(attachment: ModelCacheAttachment): void;
  /** Closes every model. Idempotent, never rejects. */
  close(): Promise<void>;
}

/** Where an actor is being made: what models need to know of it. */
export type ConstructionSetting = {
  /** The clock that deadlines are told in. */
  readonly clock: Clock;
  /** Folder that relative model paths start from. */
  readonly applicationDir: string;
  /** Folders from which npm packages that are not the runtime's own are looked for, the project's first. */
  readonly packageDirs: readonly string[];
  /** Cores its resources grant. */
  readonly cpus: number;
  readonly log: Logger | undefined;
};

/** What registered during one construction, in order. */
export type Registered = {
  readonly models: readonly RegisteredModel[];
  readonly batches: readonly RegisteredBatch[];
  readonly modelCaches: readonly RegisteredModelCache[];
};

type Scope = {
  readonly setting: ConstructionSetting | undefined;
  readonly models: RegisteredModel[];
  readonly batches: RegisteredBatch[];
  readonly modelCaches: RegisteredModelCache[];
};

type Ambient = { readonly scopes: Scope[]; setting: ConstructionSetting | undefined };

const AMBIENT = Symbol.for("thornback.construction");

function ambient(): Ambient {
  const holder = globalThis as { [AMBIENT]?: Ambient };
  return (holder[AMBIENT] ??= { scopes: [], setting: undefined });
}

/** Makes an actor with `make`, and tells which models and batch methods came to be while it ran. */
export function construct<T>(make: () => T, setting?: ConstructionSetting): { instance: T; registered: Registered } {
  const { scopes } = ambient();
  const scope: Scope = { setting, models: [], batches: [], modelCaches: [] };
  scopes.push(scope);
  try {
    return { instance: make(), registered: scope };
  } finally {
    scopes.pop();
  }
}

/** The setting for models made outside any construction, for instance at the top of a module. Set by a replica process. */
export function setDefaultSetting(setting: ConstructionSetting | undefined): void {
  ambient().setting = setting;
}

/** The setting of the innermost construction, else the process's; undefined outside a replica. */
export function currentSetting(): ConstructionSetting | undefined {
  const { scopes, setting } = ambient();
  return scopes.at(-1)?.setting ?? setting;
}

/** Registers a model with the construction that is going on, if one is. */
export function registerModel(model: RegisteredModel): void {
  ambient().scopes.at(-1)?.models.push(model);
}

/** Registers a batch method with the construction that is going on, if one is. */
export function registerBatch(batch: RegisteredBatch): void {
  ambient().scopes.at(-1)?.batches.push(batch);
}

/** Registers a cache of models with the construction that is going on, if one is. */
export function registerModelCache(cache: RegisteredModelCache): void {
  ambient().scopes.at(-1)?.modelCaches.push(cache);
}
