import { endProgram, startProgram } from "../program.ts";
import type { Design, DesignName } from "./design.ts";

/** One process that answers by itself, on the core where ours has its proxy. */
export function bareDesign(name: DesignName, program: string): Design {
  return {
    name,
    async start(cores) {
      const { child, line } = await startProgram([program], cores.proxies[0], /^\d+$/);
      return {
        name,
        url: `http://127.0.0.1:${line}`,
        proxyPids: child.pid === undefined ? [] : [child.pid],
        replicaPids: () => [],
        place: () => undefined,
        close: () => endProgram(child),
      };
    },
  };
}
