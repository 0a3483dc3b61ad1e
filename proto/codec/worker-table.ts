import { InvalidRequestError } from "../../core/error.ts";
import type { ApplicationName, DeploymentId, NodeId, ReplicaId, Version } from "../../core/ids.ts";
import type { IngressKind, RoutingPolicy } from "../../core/spec.ts";
import type { DeploymentEntry, TableEntry, TableUpdate } from "../../core/table.ts";
import { accessFromWire, accessToWire } from "./access.ts";
import { trafficFromWire, trafficToWire } from "./traffic.ts";
import type * as wire from "./worker-wire.ts";
import { addressFromWire } from "./worker-replica.ts";

/** A change of the routing table, for the wire. */
export function tableUpdateToWire(update: TableUpdate): wire.TableUpdateIn {
  const known = encoded.get(update);
  if (known !== undefined) return known;
  const message = {
    epoch: update.epoch,
    version: update.version,
    snapshot: update.kind === "snapshot",
    baseVersion: update.baseVersion,
    upserts: update.upserts.map(entryToWire),
    removals: [...update.removals],
  };
  encoded.set(update, message);
  return message;
}

/** One update goes to every node of the cluster. */
const encoded = new WeakMap<TableUpdate, wire.TableUpdateIn>();

/**
 * The reverse of {@link tableUpdateToWire}. Entries of a kind that only newer controllers know are left out.
 *
 * @throws {InvalidRequestError} when a part is missing
 */
export function tableUpdateFromWire(message: wire.TableUpdateOut): TableUpdate {
  return {
    epoch: message.epoch,
    version: message.version,
    kind: message.snapshot ? "snapshot" : "delta",
    baseVersion: message.baseVersion,
    upserts: message.upserts.flatMap(entryFromWire),
    removals: message.removals,
  };
}

function entryToWire(entry: TableEntry): wire.TableEntryIn {
  switch (entry.kind) {
    case "route": {
      const { kind: _, access, cors, ...route } = entry;
      return { route: { ...route, ...accessToWire({ access, cors }) } };
    }
    case "deployment": {
      const { kind: _, fallback = "", startsOnRequest = false, traffic, ...deployment } = entry;
      return { deployment: { ...deployment, fallback, startsOnRequest, traffic: trafficToWire(traffic) } };
    }
    case "replica": {
      const { kind: _, ...replica } = entry;
      return { replica };
    }
  }
}

function entryFromWire(message: wire.TableEntryOut): TableEntry[] {
  if (message.route) {
    const { prefix, application, ingress, ingressKind, openapi } = message.route;
    return [
      {
        kind: "route",
        prefix,
        application: application as ApplicationName,
        ingress: ingress as DeploymentId,
        ingressKind: ingressKind as IngressKind,
        openapi,
        ...accessFromWire(message.route),
      },
    ];
  }
  if (message.deployment) {
    const { id, availability, routing, fallback, startsOnRequest, traffic, ...rest } = message.deployment;
    return [
      {
        kind: "deployment",
        id: id as DeploymentId,
        availability: availability as DeploymentEntry["availability"],
        routing: routing as RoutingPolicy,
        ...(fallback === "" ? {} : { fallback: fallback as DeploymentId }),
        ...(startsOnRequest ? { startsOnRequest } : {}),
        ...trafficFromWire(traffic),
        ...rest,
      },
    ];
  }
  if (message.replica) {
    const { id, deployment, version, node, zone, weight, address, callSecret, maxOngoingRequests } = message.replica;
    const where = addressFromWire(address);
    if (where === undefined)
      throw new InvalidRequestError(`table entry of replica ${id} has no address; update the controller`);
    return [
      {
        kind: "replica",
        id: id as ReplicaId,
        deployment: deployment as DeploymentId,
        version: version as Version,
        node: node as NodeId,
        zone,
        weight: weight > 0 ? weight : 1,
        address: where,
        callSecret,
        maxOngoingRequests,
      },
    ];
  }
  return [];
}
