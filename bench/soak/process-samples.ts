import { readdirSync } from "node:fs";
import { allReplicas, proxyPids, supervisedPids } from "../../test/integration/cluster-processes.ts";
import type { TestCluster } from "../../test/integration/cluster.ts";
import { residentMegabytes } from "../path/process-figures.ts";

const SAMPLE_EVERY_MS = 1_000;
/** Of a soak: heaps and pools grow to their size first. */
const WARM_UP_SHARE = 0.2;
/** What memory may grow by; the absolute figure is what one more page of a young heap takes. */
const GROWTH = { ratio: 1.1, megabytes: 8, handles: 12 } as const;

/** Kinds of processes that are watched. */
const ROLES = ["proxy", "worker", "controller", "replica"] as const;
type Role = (typeof ROLES)[number];
type Sample = { readonly megabytes: number; readonly handles: number };

/** Memory and open files of a cluster's processes, once a second. */
export class ProcessSamples {
  readonly #cluster: TestCluster;
  readonly #samples: Record<Role, Sample[]> = { proxy: [], worker: [], controller: [], replica: [] };
  readonly #timer = setInterval(() => void this.#sample(), SAMPLE_EVERY_MS);

  constructor(cluster: TestCluster) {
    this.#cluster = cluster;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** One row for each role: medians of the middle and the last third. */
  rows(): readonly (readonly string[])[] {
    const header = ["process", "MB middle", "MB last", "ratio", "files middle", "files last"];
    return [header, ...ROLES.map((role) => rowOf(role, this.#thirds(role)))];
  }

  /** What grew, one line each. */
  problems(): readonly string[] {
    return ROLES.flatMap((role) => {
      const { middle, last } = this.#thirds(role);
      const mostMegabytes = Math.max(middle.megabytes * GROWTH.ratio, middle.megabytes + GROWTH.megabytes);
      const isGrown = last.megabytes > mostMegabytes || last.handles > middle.handles * GROWTH.ratio + GROWTH.handles;
      return isGrown ? [`${role} has grown: ${rowOf(role, { middle, last }).slice(1).join(" ")}`] : [];
    });
  }

  #thirds(role: Role): { readonly middle: Sample; readonly last: Sample } {
    const all = this.#samples[role];
    const warm = all.slice(Math.floor(all.length * WARM_UP_SHARE));
    const third = Math.floor(warm.length / 3);
    return { middle: medianOf(warm.slice(third, 2 * third)), last: medianOf(warm.slice(2 * third)) };
  }

  async #sample(): Promise<void> {
    const { dataDir, admin } = this.#cluster;
    try {
      const { controllerPid, workerPid } = supervisedPids(dataDir);
      const replicas = (await allReplicas(String(admin))).map(({ pid }) => pid).filter((pid) => pid > 0);
      const pids: Record<Role, readonly number[]> = {
        proxy: proxyPids(dataDir),
        worker: [workerPid],
        controller: [controllerPid],
        replica: replicas,
      };
      for (const role of ROLES) this.#samples[role].push(medianOf(pids[role].flatMap(sampleOf)));
    } catch (error) {
      console.error(`no sample: ${String(error)}`);
    }
  }
}

/** Nothing of a process that has just been killed. */
function sampleOf(pid: number): readonly Sample[] {
  try {
    return [{ megabytes: residentMegabytes(pid), handles: readdirSync(`/proc/${pid}/fd`).length }];
  } catch {
    return [];
  }
}

function rowOf(role: Role, { middle, last }: { readonly middle: Sample; readonly last: Sample }): readonly string[] {
  const ratio = (last.megabytes / middle.megabytes).toFixed(2);
  return [role, middle.megabytes.toFixed(0), last.megabytes.toFixed(0), ratio, `${middle.handles}`, `${last.handles}`];
}

function medianOf(samples: readonly Sample[]): Sample {
  const median = (values: readonly number[]): number =>
    values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
  return { megabytes: median(samples.map((one) => one.megabytes)), handles: median(samples.map((one) => one.handles)) };
}
