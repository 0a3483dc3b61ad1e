import type { Place } from "../../core/table.ts";

/** 0: the same node. 1: the same zone. 2: anywhere. */
export type Distance = 0 | 1 | 2;

/** How far a replica is from its router. A router that does not know where it runs finds all of them equally far. */
export function distance(from: Place | undefined, to: Place): Distance {
  if (from === undefined) return 2;
  if (from.node === to.node) return 0;
  return from.zone !== "" && from.zone === to.zone ? 1 : 2;
}
