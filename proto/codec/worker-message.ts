import type { WorkerMessage } from "../../core/assignment.ts";
import { InvalidRequestError } from "../../core/error.ts";
import type { DeploymentId, NodeId, ReplicaId, Version } from "../../core/ids.ts";
import type { DeploymentLoad } from "../../core/load.ts";
import { answerFromJson } from "./question.ts";
import type * as wire from "./worker-wire.ts";
import {
  nodeReportFromWire,
  nodeReportToWire,
  nodeResourcesFromWire,
  nodeResourcesToWire,
  replicaReportFromWire,
  replicaReportToWire,
} from "./worker-replica.ts";

/** What a worker says, for the wire. */
export function workerMessageToWire(message: WorkerMessage): wire.WorkerMessageIn {
  switch (message.kind) {
    case "register": {
      const { replicas, resources, labels, ...rest } = message.registration;
      return {
        register: {
          ...rest,
          labels: { ...labels },
          resources: nodeResourcesToWire(resources),
          replicas: replicas.map(replicaReportToWire),
        },
      };
    }
    case "heartbeat":
      return { heartbeat: nodeReportToWire(message.report) };
    case "replicas":
      return { replicas: { reports: message.reports.map(replicaReportToWire) } };
    case "gone":
      return { gone: { replicas: [...message.replicas] } };
    case "loads":
      return { loads: { loads: message.loads.map(loadToWire) } };
    case "collected":
      return { collected: { id: message.id, text: message.text } };
    case "answered":
      return { answered: { id: message.id, answerJson: JSON.stringify(message.answer) } };
  }
}

/**
 * The reverse of {@link workerMessageToWire}; undefined for a kind that only newer workers know.
 *
 * @throws {InvalidRequestError} when a part is missing or none that exists
 */
export function workerMessageFromWire(message: wire.WorkerMessageOut): WorkerMessage | undefined {
  if (message.register) {
    const { node, incarnation, resources, labels, replicas, epoch } = message.register;
    if (node === "") throw new InvalidRequestError("a worker registered without a node id; update the worker");
    return {
      kind: "register",
      registration: {
        node: node as NodeId,
        incarnation,
        resources: nodeResourcesFromWire(resources),
        labels,
        replicas: replicas.map(replicaReportFromWire),
        epoch,
      },
    };
  }
  if (message.heartbeat) return { kind: "heartbeat", report: nodeReportFromWire(message.heartbeat) };
  if (message.replicas) {
    return { kind: "replicas", reports: message.replicas.reports.map(replicaReportFromWire) };
  }
  if (message.gone) return { kind: "gone", replicas: message.gone.replicas as ReplicaId[] };
  if (message.loads) return { kind: "loads", loads: message.loads.loads.map(loadFromWire) };
  if (message.collected) return { kind: "collected", id: message.collected.id, text: message.collected.text };
  if (message.answered) {
    const { id, answerJson } = message.answered;
    const answer = answerFromJson(answerJson);
    return answer === undefined ? undefined : { kind: "answered", id, answer };
  }
  return undefined;
}

function loadToWire(load: DeploymentLoad): wire.DeploymentLoadIn {
  return { ...load, versions: load.versions.map((each) => ({ ...each, latencies: [...each.latencies] })) };
}

function loadFromWire({ deployment, versions, ...rest }: wire.DeploymentLoadOut): DeploymentLoad {
  return {
    ...rest,
    deployment: deployment as DeploymentId,
    versions: versions.map(({ version, ...outcomes }) => ({ ...outcomes, version: version as Version })),
  };
}
