/**
 * Measures a load in rounds: in each round every design has one window, one after the other, and the next round begins
 * with another design. So a minute in which the machine is busy with something else falls on all of them, and a
 * ratio is taken between windows of one round only.
 */
import { keepBusy } from "../pinning.ts";
import { type Spread, spread } from "../spread.ts";
import { planForTiming } from "./cores.ts";
import type { DesignName, RunningDesign } from "./design.ts";
import type { Figures, Load, WindowOptions } from "./load/load.ts";

/** What a figure was over the rounds; `ratio` is against the bare server's of the same round. */
export type RatedSpread = Spread & { readonly ratio?: Spread | undefined };

/** One design under one load. */
export type DesignResult = {
  readonly design: DesignName;
  readonly figures: Readonly<Record<string, RatedSpread>>;
  /** One a round. */
  readonly windows: readonly Figures[];
  /** Why there is no figure; empty when there is. */
  readonly problem: string;
};

/** A load under all its designs. */
export type LoadResult = { readonly load: string; readonly designs: readonly DesignResult[] };

/** Designs that answer, and why others that were asked for do not. */
export type Started = {
  readonly running: ReadonlyMap<DesignName, RunningDesign>;
  readonly problems: ReadonlyMap<DesignName, string>;
};

/** How a load is measured. */
export type RoundOptions = WindowOptions & { readonly rounds: number; readonly warmUpSeconds: number };

/** Measures one load on those of its designs that run. */
export async function measureInRounds(load: Load, started: Started, options: RoundOptions): Promise<LoadResult> {
  const designs = load.designs.flatMap((name) => started.running.get(name) ?? []);
  const cores = load.isTiming === true ? planForTiming(options.cores) : options.cores;
  const windows = new Map<DesignName, Figures[]>(designs.map(({ name }) => [name, []]));
  const problems = new Map(started.problems);
  for (const design of designs) {
    try {
      design.place(cores);
    } catch (error) {
      problems.set(design.name, `not moved to its cores: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const measure = async (design: RunningDesign, seconds: number): Promise<Figures | undefined> => {
    if (problems.has(design.name)) return undefined;
    try {
      return await load.measure(design, { cores, seconds });
    } catch (error) {
      problems.set(design.name, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  };
  const isAsked = (name: DesignName): boolean => started.running.has(name) || started.problems.has(name);
  const isRepeated = load.isRepeated ?? true;
  const isKeptBusy = load.isCpuBound === true && cores.coreCount < 4;
  const endBusy = isKeptBusy ? keepBusy(cores.load) : undefined;
  // What a process compiles, it compiles in its first seconds under a load.
  if (isRepeated) for (const design of designs) await measure(design, options.warmUpSeconds);
  for (let round = 0; round < (isRepeated ? options.rounds : 1); round++) {
    for (let i = 0; i < designs.length; i++) {
      const design = designs[(i + round) % designs.length];
      if (design === undefined) continue;
      const figures = await measure(design, options.seconds);
      if (figures !== undefined) windows.get(design.name)?.push(figures);
    }
  }
  endBusy?.();
  const bare = windows.get("bare") ?? [];
  return {
    load: load.name,
    designs: load.designs.filter(isAsked).map((design) => {
      const own = windows.get(design) ?? [];
      const problem = problems.get(design) ?? "";
      return { design, figures: spreads(load, own, bare), windows: own, problem };
    }),
  };
}

function spreads(load: Load, own: readonly Figures[], bare: readonly Figures[]): Readonly<Record<string, RatedSpread>> {
  const result: Record<string, RatedSpread> = {};
  for (const { key, ratio } of load.columns) {
    const values = own.map((window) => window[key] ?? Number.NaN);
    const ratios = values.map((value, round) => value / (bare[round]?.[key] ?? Number.NaN));
    result[key] = { ...spread(values), ratio: ratio === true ? spread(ratios) : undefined };
  }
  return result;
}
