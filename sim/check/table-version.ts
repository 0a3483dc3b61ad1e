import type { SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

/** A router's table never goes back: epochs only grow, and versions within an epoch. */
export function createTableVersionCheck(): Check {
  const newest = new Map<string, { readonly epoch: number; readonly version: number }>();
  return {
    name: "table-version",
    observe(_at: number, event: SimEvent) {
      if (event.kind !== "tableApplied") return undefined;
      const { router, epoch, version } = event;
      const before = newest.get(router);
      newest.set(router, { epoch, version });
      if (before === undefined || epoch > before.epoch) return undefined;
      if (epoch === before.epoch && version >= before.version) return undefined;
      return `${router} went from table ${before.epoch}.${before.version} back to ${epoch}.${version}`;
    },
    atEnd: () => undefined,
  };
}
