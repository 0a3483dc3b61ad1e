import type { ControllerMessage, WorkerMessage } from "../core/assignment.ts";
import { invariant } from "../core/assert.ts";
import type { TableUpdate } from "../core/table.ts";
import { workerMessageFromWire, workerMessageToWire } from "../proto/codec/worker-message.ts";
import { controllerMessageFromWire, controllerMessageToWire } from "../proto/codec/worker-order.ts";
import { tableUpdateFromWire, tableUpdateToWire } from "../proto/codec/worker-table.ts";
import { loadControl } from "../proto/load.ts";

/**
 * Control messages as they come out of the other end of gRPC: through the production codecs and the bytes of the
 * contract in `proto/thornback/v1`, without a socket. So what a message loses on the wire it loses here too.
 */

const { Connect, WatchTable } = loadControl().service;

/** What the controller gets of a worker's message. */
export function overWireUp(message: WorkerMessage): WorkerMessage {
  const bytes = Connect.requestSerialize(workerMessageToWire(message));
  const arrived = workerMessageFromWire(Connect.requestDeserialize(bytes));
  invariant(arrived !== undefined, `a worker's ${message.kind} does not survive the wire`);
  return arrived;
}

/** What a worker gets of the controller's message. */
export function overWireDown(message: ControllerMessage): ControllerMessage {
  const bytes = Connect.responseSerialize(controllerMessageToWire(message));
  const arrived = controllerMessageFromWire(Connect.responseDeserialize(bytes));
  invariant(arrived !== undefined, `the controller's ${message.kind} does not survive the wire`);
  return arrived;
}

/** What a worker gets of a change of the routing table. */
export function overWireTable(update: TableUpdate): TableUpdate {
  return tableUpdateFromWire(WatchTable.responseDeserialize(WatchTable.responseSerialize(tableUpdateToWire(update))));
}
