import type { ClusterStatus } from "../../core/status.ts";
import { deployCluster, replicaPids } from "../deployed-cluster.ts";
import { pin } from "../pinning.ts";
import type { CorePlan } from "./cores.ts";
import type { Design, DesignName } from "./design.ts";

/** A head of its own by the real command line, with one application file deployed. */
export function thornbackDesign(name: DesignName, flags: readonly string[], file: string): Design {
  return {
    name,
    async start(cores) {
      // Everything begins on the load's core; proxies and replicas are moved from it.
      const { url, proxyPids, status, close } = await deployCluster(file, cores.load, flags);
      const place = (plan: CorePlan): void => pinAll(plan, proxyPids, status);
      try {
        place(cores);
      } catch (error) {
        await close();
        throw error;
      }
      // An application is named as its route.
      return { name, url, proxyPids, replicaPids: (route) => replicaPids(status, route), place, close };
    },
  };
}

function pinAll(cores: CorePlan, proxyPids: readonly number[], status: ClusterStatus): void {
  for (const [i, pid] of proxyPids.entries()) pin(pid, cores.proxies[i] ?? cores.proxies[0]);
  for (const application of status.applications) {
    for (const deployment of application.deployments) {
      const isInner = application.name === "hops" && deployment.name !== "Gateway";
      for (const [i, { pid }] of deployment.replicas.entries()) {
        pin(pid, isInner ? cores.inner : (cores.replicas[i] ?? cores.replicas[0]));
      }
    }
  }
}
