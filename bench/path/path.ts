/**
 * What a request's way through the system costs, against servers that answer by themselves. All designs are started
 * once, each on a core of its own, and measured by turns (rounds.ts); ours is started and deployed by its command line.
 *
 *   npm run bench:path -- [--only TEXT] [--rounds 5] [--seconds 2] [--designs bare,llhttp] [--out FILE]
 *
 * Needs `wrk`, `taskset` and `chrt`. With two cores throughput and latency of ours are limited by the load's own core.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { table } from "../../cli/print.ts";
import { root } from "../program.ts";
import { surroundings } from "../surroundings.ts";
import { formatVerdict } from "../verdict.ts";
import { verdicts } from "./bars.ts";
import { planCores } from "./cores.ts";
import { bareDesign } from "./design-bare.ts";
import { type Design, DESIGN_NAMES, type DesignName, type RunningDesign } from "./design.ts";
import { thornbackDesign } from "./design-thornback.ts";
import type { Load } from "./load/load.ts";
import { MEMORY_LOADS } from "./load/memory.ts";
import { MIXED_LOADS } from "./load/mixed.ts";
import { OVERLOAD_LOADS } from "./load/overload.ts";
import { PROXY_LOADS } from "./load/proxies.ts";
import { STREAM_LOADS } from "./load/stream.ts";
import { UNARY_LOADS } from "./load/unary.ts";
import { formatResult } from "./report.ts";
import { type LoadResult, measureInRounds } from "./rounds.ts";
import { hasWrk } from "./wrk.ts";

const LOADS: readonly Load[] = [
  ...UNARY_LOADS,
  ...STREAM_LOADS,
  ...MIXED_LOADS,
  ...PROXY_LOADS,
  ...OVERLOAD_LOADS,
  ...MEMORY_LOADS,
];

const DESIGNS: Readonly<Record<DesignName, Design>> = {
  bare: bareDesign("bare", "bench/path/server/bare-http.ts"),
  fastify: bareDesign("fastify", "bench/path/server/bare-fastify.ts"),
  llhttp: thornbackDesign("llhttp", ["--http-front", "llhttp"], "bench/path/app.ts"),
  node: thornbackDesign("node", ["--http-front", "node"], "bench/path/app.ts"),
  "two proxies": thornbackDesign(
    "two proxies",
    ["--http-front", "llhttp", "--proxies", "2"],
    "bench/path/two-replicas.ts",
  ),
};

const WARM_UP_SECONDS = 1;

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    designs: { type: "string", default: DESIGN_NAMES.join(",") },
    out: { type: "string", default: path.join(root, "bench/result/path.json") },
  },
});

const loads = LOADS.filter((load) => load.name.includes(values.only));
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
if (loads.length === 0 || !(rounds >= 1) || !(seconds >= 1)) {
  console.error(`nothing to measure; loads are:\n${LOADS.map(({ name }) => `  ${name}`).join("\n")}`);
  process.exit(64);
}
if (!hasWrk()) {
  console.error("wrk is missing: install it with the system's packages (apt-get install wrk)");
  process.exit(69);
}

const cores = planCores();
const asked = new Set(values.designs.split(","));
const wanted = DESIGN_NAMES.filter((name) => asked.has(name) && loads.some(({ designs }) => designs.includes(name)));
const running = new Map<DesignName, RunningDesign>();
const problems = new Map<DesignName, string>();
const results: LoadResult[] = [];
process.once("SIGINT", () => void closeAll().then(() => process.exit(130)));
try {
  if (cores.caution !== "") console.log(`!!! ${cores.caution} !!!`);
  for (const name of wanted) await start(name);
  for (const load of loads) {
    const result = await measureInRounds(
      load,
      { running, problems },
      { cores, seconds, rounds, warmUpSeconds: WARM_UP_SECONDS },
    );
    results.push(result);
    console.log(formatResult(load, result));
  }
} finally {
  await closeAll();
}
const promises = verdicts(results);
console.log(`\n${table(promises.filter(({ holds }) => holds !== undefined).map(formatVerdict))}`);
if (cores.caution !== "") console.log(`\n!!! ${cores.caution} !!!`);
writeFileSync(
  values.out,
  `${JSON.stringify({ ...surroundings(), cores, options: { rounds, seconds }, results, promises }, undefined, 1)}\n`,
);
console.log(`written to ${path.relative(process.cwd(), values.out)}`);

/** One that cannot be started is left out, and its rows say so: the others' figures are as good without it. */
async function start(name: DesignName): Promise<void> {
  try {
    running.set(name, await DESIGNS[name].start(cores));
  } catch (error) {
    problems.set(name, `not started: ${error instanceof Error ? error.message : String(error)}`);
    console.error(`${name} ${String(problems.get(name))}`);
  }
}

async function closeAll(): Promise<void> {
  const all = [...running.values()];
  running.clear();
  await Promise.all(all.map((design) => design.close()));
}
