/**
 * A real model behind HTTP against the same model on bare onnxruntime, with one thread. In each round every design has one
 * window, and a ratio is taken between windows of one round only. The model's thread has a core of its own; proxy, load and
 * the replica's other threads share another.
 */
import { type Spread, spread } from "../spread.ts";
import { type Verdict, verdict } from "../verdict.ts";
import type { BatchRun, BatchRunOptions, BatchRunResult } from "./batch-run.ts";
import { MLP_DESIGNS, type MlpDesign, type MlpWindow, startMlpDesigns } from "./mlp-designs.ts";
import { type Mlp, MLP, SMALL_MLP, writeMlp } from "./mlp.ts";

/**
 * Callers of ours are the batch of bare. A single one comes last: 60 requests a second would take minutes to show the
 * engine what is worth compiling, and a lone request costs proxy and replica twice as much before that.
 */
const CALLERS = [64, 16, 1];
const SECONDS = 4;

type Figures = { readonly callers: number; readonly design: MlpDesign; readonly windows: readonly MlpWindow[] };

/** See the head of this file. */
export const ONNX_RUNS: readonly BatchRun[] = [
  onnxRun("onnx-large", MLP, "bench/batch/app-mlp.ts"),
  onnxRun("onnx-small", SMALL_MLP, "bench/batch/app-small-mlp.ts"),
];

function onnxRun(name: string, mlp: Mlp, file: string): BatchRun {
  const measure = async (options: BatchRunOptions): Promise<BatchRunResult> => {
    await writeMlp(mlp);
    const designs = await startMlpDesigns({ file, path: mlp.path }, options.cores);
    try {
      const figures: Figures[] = [];
      for (const callers of CALLERS) figures.push(...(await measureCallers(designs.measure, callers, options)));
      return {
        title: `${name}: ${mlp.title}, 1 thread, closed loop over HTTP, 3 KB rows of bytes`,
        table: [
          ["callers", "design", "rows/s", "p50 ms", "p99 ms", "mean batch", "run ms", "busy"],
          ...figures.map(rowOf),
        ],
        notes: [
          ...designs.pinned,
          `all else, and the load, on core ${String(options.cores.load)}; bare on core ${String(options.cores.model)}`,
          "other core busy: with what only takes the time nobody wants, since two cores may be two threads of one",
          "our batch and gaps: idle for as long between two runs as ours was, since a core that was idle runs slower",
        ],
        figures,
        promises: promisesOf(name, figures),
      };
    } finally {
      await designs.close();
    }
  };
  return { name, measure };
}

type Designs = Awaited<ReturnType<typeof startMlpDesigns>>;

async function measureCallers(
  measure: Designs["measure"],
  callers: number,
  { seconds = SECONDS, rounds }: BatchRunOptions,
): Promise<readonly Figures[]> {
  const windows = new Map<MlpDesign, MlpWindow[]>(MLP_DESIGNS.map((design) => [design, []]));
  for (let round = 0; round < rounds; round++) {
    for (const design of MLP_DESIGNS) windows.get(design)?.push(await measure(design, callers, seconds));
  }
  return [...windows].map(([design, own]) => ({ callers, design, windows: own }));
}

function rowOf({ callers, design, windows }: Figures): readonly string[] {
  const cell = (key: keyof MlpWindow, digits: number): string => {
    const { median, min, max } = spread(windows.map((window) => window[key]));
    if (Number.isNaN(median)) return "-";
    return min === max
      ? median.toFixed(digits)
      : `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
  };
  const cells = [
    cell("rowsPerSecond", 0),
    cell("p50Ms", 2),
    cell("p99Ms", 2),
    cell("meanBatch", 1),
    cell("meanRunMs", 2),
    cell("busyShare", 2),
  ];
  return [String(callers), design, ...cells];
}

/** Two designs of ours, and bare with the batch that each had. */
const OURS = [
  { design: "ours", bare: "bare, our batch" },
  { design: "ours, OnnxModel batch", bare: "bare, OnnxModel batch" },
] as const;

function promisesOf(run: string, figures: readonly Figures[]): readonly Verdict[] {
  const windowsOf = (callers: number, design: MlpDesign): readonly MlpWindow[] =>
    figures.find((one) => one.callers === callers && one.design === design)?.windows ?? [];
  /** One design by another, round by round. */
  const pairs = (
    callers: number,
    [one, other]: readonly [MlpDesign, MlpDesign],
    value: (ours: MlpWindow, theirs: MlpWindow) => number,
  ): Spread => {
    const theirs = windowsOf(callers, other);
    return spread(
      windowsOf(callers, one).flatMap((ours, round) => {
        const beside = theirs[round];
        return beside === undefined ? [] : [value(ours, beside)];
      }),
    );
  };
  const rows = (callers: number, one: MlpDesign, other: MlpDesign): number =>
    pairs(callers, [one, other], (ours, theirs) => ours.rowsPerSecond / theirs.rowsPerSecond).median;
  const overRun = (one: MlpDesign, other: MlpDesign): number =>
    pairs(1, [one, other], (ours, theirs) => ours.p50Ms / (1.05 * theirs.p50Ms + 0.5)).median;
  const ofDesign = ({ design, bare: bareWithItsBatch }: (typeof OURS)[number]): readonly Verdict[] => {
    const name = design.replace("ours", run);
    return [
      ...(["bare", "bare, other core busy"] as const).flatMap((bare) => [
        verdict(`${name}, 64 callers: rows/s ≥ 0.95 × ${bare}, batch 64`, rows(64, design, bare), { least: 0.95 }),
        verdict(`${name}, 16 callers: rows/s ≥ 0.8 × ${bare}, batch 16`, rows(16, design, bare), { least: 0.8 }),
      ]),
      ...(["bare", "bare, other core busy", "bare, our batch and gaps"] as const).map((bare) =>
        verdict(`${name}, 1 caller: p50 ÷ (1.05 × ${bare} + 0.5 ms) ≤ 1`, overRun(design, bare), { most: 1 }),
      ),
      verdict(
        `${name}, 64 callers: rows/s ≥ 0.95 × bare with the batch that ours had`,
        rows(64, design, bareWithItsBatch),
        { least: 0.95 },
      ),
      verdict(`${name}, 16 callers: rows/s ≥ 1.3 × without the pause`, rows(16, design, "ours, no pause"), {
        least: 1.3,
      }),
    ];
  };
  return OURS.flatMap(ofDesign);
}
