import type { Version } from "../../core/ids.ts";
import type { DeploymentEntry, TrafficSplit } from "../../core/table.ts";
import type * as wire from "./worker-wire.ts";

/** How requests are divided among versions, for the wire; null: not at all. */
export function trafficToWire(traffic: TrafficSplit | undefined): wire.TrafficSplitIn | null {
  if (traffic === undefined) return null;
  return {
    shares: traffic.shares.map((share) => ({ ...share })),
    rules: traffic.rules.map((rule) => ({ ...rule })),
  };
}

/** The reverse of {@link trafficToWire}, as the part of an entry that it is. */
export function trafficFromWire(traffic: wire.TrafficSplitOut | null): Pick<DeploymentEntry, "traffic"> {
  if (traffic === null) return {};
  return {
    traffic: {
      shares: traffic.shares.map(({ version, percent }) => ({ version: version as Version, percent })),
      rules: traffic.rules.map(({ header, value, version }) => ({ header, value, version: version as Version })),
    },
  };
}
