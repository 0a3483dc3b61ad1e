/** The ways in which the MLP is run by turns: bare, with the other core idle or busy or with the batch that one of ours had, and behind our HTTP as mlp-applications.ts has it. */
import { type DeployedCluster, deployCluster, replicaPids } from "../deployed-cluster.ts";
import { mustSucceed } from "../path/load/load.ts";
import { wrk, type WrkFigures } from "../path/wrk.ts";
import { keepBusy, pinThread } from "../pinning.ts";
import type { BatchCores } from "./batch-run.ts";
import { batchTotals, meansBetween } from "./batch-totals.ts";
import { busiestThread } from "./model-thread.ts";
import { pinnedBare } from "./pinned-bare.ts";

/** In the order of the table. */
export const MLP_DESIGNS = [
  "bare",
  "bare, other core busy",
  "ours",
  "bare, our batch",
  "bare, our batch and gaps",
  "ours, no pause",
  "ours, OnnxModel batch",
  "bare, OnnxModel batch",
] as const;

/** One of {@link MLP_DESIGNS}. */
export type MlpDesign = (typeof MLP_DESIGNS)[number];

/** What one window gave; bare: p50 of a run without a gap, and the batch it was told. */
export type MlpWindow = {
  readonly rowsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly meanBatch: number;
  readonly meanRunMs: number;
  /** Of the time, how much the model ran. */
  readonly busyShare: number;
};

/** Measures one design with so many callers; bare: with a batch of so many. */
export type MeasureMlp = (design: MlpDesign, callers: number, seconds: number) => Promise<MlpWindow>;

const APPLICATIONS: Readonly<Record<string, string>> = {
  ours: "mlp",
  "ours, no pause": "impatient",
  "ours, OnnxModel batch": "stacked",
};
/** Whose batch bare is told, as it was in the last window, and whether its gaps between runs too. */
const LIKE: Readonly<Record<string, { readonly design: MlpDesign; readonly hasGaps?: boolean }>> = {
  "bare, our batch": { design: "ours" },
  "bare, our batch and gaps": { design: "ours", hasGaps: true },
  "bare, OnnxModel batch": { design: "ours, OnnxModel batch" },
};
/** Thousands of requests: what a process compiles, it compiles in these. */
const WARM_UP = { callers: 64, seconds: 10 };

/** A cluster with all of a file's applications, their models' threads on a core where nothing else is. */
export async function startMlpDesigns(
  { file, path }: { readonly file: string; readonly path: string },
  cores: BatchCores,
): Promise<{ readonly measure: MeasureMlp; readonly pinned: readonly string[]; close(): Promise<void> }> {
  const cluster = await deployCluster(file, cores.load, []);
  try {
    const pinned: string[] = [];
    for (const application of Object.values(APPLICATIONS)) {
      const [pid] = replicaPids(cluster.status, application);
      if (pid === undefined) throw new Error(`application ${application} has no replica`);
      const thread = await busiestThread(pid, () => load(cluster, application, { cores, ...WARM_UP }));
      pinThread(thread, cores.model);
      pinned.push(`${application}: thread ${String(thread)} of process ${String(pid)} on core ${String(cores.model)}`);
    }
    const last = new Map<MlpDesign, MlpWindow>();
    const measure: MeasureMlp = async (design, callers, seconds) => {
      const application = APPLICATIONS[design];
      const window = { cores, callers, seconds };
      if (application !== undefined) {
        const figures = await measureOurs(cluster, { ...window, application });
        last.set(design, figures);
        return figures;
      }
      const like = LIKE[design];
      const model = like === undefined ? undefined : last.get(like.design);
      const batchSize = model === undefined ? callers : Math.round(model.meanBatch);
      const gapMs = model !== undefined && like?.hasGaps === true ? gapMsOf(model) : 0;
      return measureBareAs(design, { ...window, path, batchSize, gapMs });
    };
    return { measure, pinned, close: () => cluster.close() };
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

type Window = { readonly cores: BatchCores; readonly callers: number; readonly seconds: number };
type BareWindow = Window & { readonly path: string; readonly batchSize: number; readonly gapMs: number };

/** For how long nothing ran between two runs, on average. */
function gapMsOf({ meanRunMs, busyShare }: MlpWindow): number {
  return Math.max(0, (meanRunMs * (1 - busyShare)) / busyShare);
}

async function measureBareAs(design: MlpDesign, window: BareWindow): Promise<MlpWindow> {
  const endBusy = design === "bare, other core busy" ? keepBusy(window.cores.load) : undefined;
  try {
    return await measureBare(window);
  } finally {
    endBusy?.();
  }
}

async function measureBare({ path, batchSize, gapMs, cores, seconds }: BareWindow): Promise<MlpWindow> {
  const options = { path, threads: 1, batchSize, gapMs, seconds };
  const { rowsPerSecond, p50Ms, meanRunMs } = await pinnedBare(options, cores.model);
  const busyShare = (rowsPerSecond * meanRunMs) / (batchSize * 1_000);
  return { rowsPerSecond, p50Ms, p99Ms: Number.NaN, meanBatch: batchSize, meanRunMs, busyShare };
}

async function measureOurs(
  cluster: DeployedCluster,
  window: Window & { readonly application: string },
): Promise<MlpWindow> {
  const { application, cores, callers, seconds } = window;
  const before = await batchTotals(cluster.url, application);
  const report = await load(cluster, application, { cores, callers, seconds });
  const { meanBatch, meanRunMs, runMs } = meansBetween(before, await batchTotals(cluster.url, application));
  const { requests, failed, elapsedMs, p50Ms, p99Ms } = report;
  mustSucceed(failed, requests);
  const rowsPerSecond = (requests * 1_000) / elapsedMs;
  return { rowsPerSecond, p50Ms, p99Ms, meanBatch, meanRunMs, busyShare: runMs / elapsedMs };
}

/** wrk takes a fifth of the CPU time that our own load does, which here is not there to be had. */
function load(cluster: DeployedCluster, application: string, { cores, callers, seconds }: Window): Promise<WrkFigures> {
  const url = `${cluster.url}/${application}`;
  return wrk({ url, body: "row", connectionCount: callers, seconds, core: cores.load });
}
