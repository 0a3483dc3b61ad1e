import type { NodeResources } from "../../core/assignment.ts";
import type { SimEvent } from "../event.ts";
import type { Check } from "./check.ts";

type Held = {
  readonly node: string;
  readonly cpus: number;
  readonly gpus: number;
  readonly gpuIds: readonly string[];
  readonly memoryBytes: number;
};

/** Sums of tenths are not exact. */
const ROUNDING = 1e-6;

/** What processes of a node really hold, draining ones too, never exceeds what the node has; GPUs device by device. */
export function createCapacityCheck(nodes: ReadonlyMap<string, NodeResources>): Check {
  const heldBy = new Map<string, Held>();
  const excess = (node: string): string | undefined => {
    const has = nodes.get(node);
    if (has === undefined) return `${node} runs a replica but is no node`;
    let cpus = 0;
    let memoryBytes = 0;
    const devices = new Map<string, number>();
    for (const held of heldBy.values()) {
      if (held.node !== node) continue;
      cpus += held.cpus;
      memoryBytes += held.memoryBytes;
      const share = held.gpus < 1 ? held.gpus : 1;
      for (const id of held.gpuIds) devices.set(id, (devices.get(id) ?? 0) + share);
    }
    if (cpus > has.cpus + ROUNDING) return `${node} has ${has.cpus} cpus, ${cpus.toFixed(2)} are taken`;
    if (memoryBytes > has.memoryBytes)
      return `${node} has ${has.memoryBytes} bytes of memory, ${memoryBytes} are taken`;
    for (const [id, share] of devices) {
      if (!has.gpus.includes(id)) return `a replica on ${node} was given GPU ${id}, which is not there`;
      if (share > 1 + ROUNDING) return `GPU ${id} of ${node} is given away ${share.toFixed(2)} times`;
    }
    return undefined;
  };
  return {
    name: "capacity",
    observe(_at: number, event: SimEvent) {
      if (event.kind === "processEnded") heldBy.delete(event.process);
      if (event.kind !== "replicaOrdered") return undefined;
      const wanted = event.gpus > 0 && event.gpus < 1 ? 1 : event.gpus;
      if (event.gpuIds.length !== wanted) {
        return `${event.replica} asks for ${event.gpus} gpus and was given [${event.gpuIds.join(", ")}]`;
      }
      heldBy.set(event.process, event);
      return excess(event.node);
    },
    atEnd: () => undefined,
  };
}
