/** Two deployments behind one: load for one of them, and what the other does about it. */
import { setTimeout } from "node:timers/promises";
import { deployCluster } from "../deployed-cluster.ts";
import { verdict } from "../verdict.ts";
import { startTrace } from "./load-trace.ts";
import type { ScalingRun } from "./scaling-run.ts";
import { WatchedDeployment } from "./watched-deployment.ts";

const RATE_PER_SECOND = 200;
const LOAD_MS = 10_000;

/** See the head of this file. */
export const INDEPENDENT_RUN: ScalingRun = {
  name: "independent",
  async measure() {
    const cluster = await deployCluster("bench/scaling/app.ts", undefined, []);
    const fr = new WatchedDeployment(cluster.admin, "translate-fr");
    const es = new WatchedDeployment(cluster.admin, "translate-es");
    const front = new WatchedDeployment(cluster.admin, "Translate");
    try {
      const load = startTrace(`${cluster.url}/translate`, { to: "fr", text: "hello" }, RATE_PER_SECOND);
      await setTimeout(LOAD_MS);
      const { sent, succeeded } = await load.stop();
      const targets = { fr: fr.targets, es: es.targets, front: front.targets };
      const failed = sent - succeeded;
      return {
        title: `independent: ${RATE_PER_SECOND} requests per second for translate-fr, none for translate-es, through one deployment`,
        notes: [`targets: translate-fr ${fr.targets.join(" → ")}; translate-es ${es.targets.join(" → ")}`],
        figures: { targets, sent, failed },
        promises: [
          verdict("independent: most replicas wanted of translate-fr", Math.max(...fr.targets), { least: 4 }),
          verdict("independent: most replicas wanted of translate-es", Math.max(...es.targets), { most: 1 }),
          verdict("independent: requests that failed", failed, { most: 0 }),
        ],
      };
    } finally {
      await Promise.all([fr, es, front].map((watch) => watch.close()));
      await cluster.close();
    }
  },
};
