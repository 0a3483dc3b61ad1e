import type { ControllerMessage } from "../../core/assignment.ts";
import type { ReplicaId } from "../../core/ids.ts";
import { questionFromJson } from "./question.ts";
import type * as wire from "./worker-wire.ts";
import { assignedReplicaFromWire, assignedReplicaToWire } from "./worker-replica.ts";

/** What a controller says, for the wire. */
export function controllerMessageToWire(message: ControllerMessage): wire.ControllerMessageIn {
  switch (message.kind) {
    case "assign": {
      const { epoch, generation, replicas, isDrained = false } = message.assignment;
      return { assign: { epoch, generation, replicas: replicas.map(assignedReplicaToWire), isDrained } };
    }
    case "collect":
      return message.what.kind === "metrics"
        ? { collect: { id: message.id, metrics: {} } }
        : { collect: { id: message.id, logs: { deployment: message.what.deployment, lines: message.what.lines } } };
    case "ask": {
      const { id, replica, question } = message;
      return { ask: { id, replica, questionJson: JSON.stringify(question) } };
    }
    case "shutdown":
      return { shutdown: {} };
  }
}

/**
 * The reverse of {@link controllerMessageToWire}; undefined for a kind that only newer controllers know.
 *
 * @throws {InvalidRequestError} when a part is missing or none that exists
 */
export function controllerMessageFromWire(message: wire.ControllerMessageOut): ControllerMessage | undefined {
  if (message.assign) {
    const { epoch, generation, isDrained } = message.assign;
    const replicas = message.assign.replicas.map(assignedReplicaFromWire);
    return { kind: "assign", assignment: { epoch, generation, replicas, ...(isDrained ? { isDrained } : {}) } };
  }
  if (message.collect) {
    const { id, metrics, logs } = message.collect;
    if (metrics) return { kind: "collect", id, what: { kind: "metrics" } };
    if (logs) return { kind: "collect", id, what: { kind: "logs", deployment: logs.deployment, lines: logs.lines } };
    return undefined;
  }
  if (message.ask) {
    const { id, replica, questionJson } = message.ask;
    const question = questionFromJson(questionJson);
    return question === undefined ? undefined : { kind: "ask", id, replica: replica as ReplicaId, question };
  }
  return message.shutdown ? { kind: "shutdown" } : undefined;
}
