/** Counts what the controller sends, as it goes over the wire. */
import type { ControllerMessage } from "../../core/assignment.ts";
import type { TableUpdate } from "../../core/table.ts";
import { controllerMessageToWire } from "../../proto/codec/worker-order.ts";
import { tableUpdateToWire } from "../../proto/codec/worker-table.ts";
import { loadControl } from "../../proto/load.ts";
import type { LightWorkerListener } from "../../test/fake/light-worker.ts";

/** What was sent in a while. */
export type Sent = {
  /** Table updates, each of which goes to every node. */
  updates: number;
  /** Of all of them, to one node. */
  updateBytes: number;
  /** Entries changed or removed by them. */
  changes: number;
  /** Assignments, each of which goes to one node. */
  assignments: number;
  /** Of all of them. */
  assignmentBytes: number;
};

/** Counts for as long as the cluster runs; `take` begins anew. */
export class WireBytes implements LightWorkerListener {
  #sent = nothing();
  /** One update goes to a thousand nodes, and is counted once. */
  #seen = new WeakSet<TableUpdate>();

  readonly onUpdate = (_node: string, update: TableUpdate): void => {
    if (this.#seen.has(update)) return;
    this.#seen.add(update);
    this.#sent.updates++;
    this.#sent.updateBytes += updateBytes(update);
    this.#sent.changes += update.upserts.length + update.removals.length;
  };

  readonly onMessage = (_node: string, message: ControllerMessage): void => {
    if (message.kind !== "assign") return;
    this.#sent.assignments++;
    this.#sent.assignmentBytes += methods().connect.responseSerialize(controllerMessageToWire(message)).length;
  };

  /** What was sent since the last time. */
  take(): Sent {
    const sent = this.#sent;
    this.#sent = nothing();
    return sent;
  }
}

/** Bytes of a table update. */
export function updateBytes(update: TableUpdate): number {
  return methods().watchTable.responseSerialize(tableUpdateToWire(update)).length;
}

function methods() {
  const { Connect: connect, WatchTable: watchTable } = loadControl().service;
  if (connect === undefined || watchTable === undefined) throw new Error("worker.proto lacks a call");
  return { connect, watchTable };
}

function nothing(): Sent {
  return { updates: 0, updateBytes: 0, changes: 0, assignments: 0, assignmentBytes: 0 };
}
