import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ApplicationName, DeploymentId, NodeId, ReplicaId, Version } from "../../../../core/ids.ts";
import type { TableUpdate } from "../../../../core/table.ts";
import { tableUpdateFromWire, tableUpdateToWire } from "../../../../proto/codec/worker-table.ts";
import { loadControl } from "../../../../proto/load.ts";

const { responseSerialize, responseDeserialize } = loadControl().service.WatchTable;

function overTheWire(update: TableUpdate): TableUpdate {
  return tableUpdateFromWire(responseDeserialize(responseSerialize(tableUpdateToWire(update))));
}

const DEPLOYMENT = "digits/Classifier" as DeploymentId;

describe("table updates over the wire", () => {
  it("keep a snapshot with every kind of entry", () => {
    const update: TableUpdate = {
      epoch: 2,
      version: 1,
      kind: "snapshot",
      baseVersion: 0,
      upserts: [
        {
          kind: "route",
          prefix: "/",
          application: "digits" as ApplicationName,
          ingress: DEPLOYMENT,
          ingressKind: "predict",
          openapi: "{}",
        },
        {
          kind: "route",
          prefix: "/closed",
          application: "digits" as ApplicationName,
          ingress: DEPLOYMENT,
          ingressKind: "fetch",
          openapi: "{}",
          access: {
            keys: [
              { name: "alice", sha256: "ab".repeat(32), requestsPerSecond: 0.5, burst: 3, maxOngoingRequests: 4 },
              { name: "bob", sha256: "cd".repeat(32), requestsPerSecond: 0, burst: 1, maxOngoingRequests: 0 },
            ],
          },
          cors: {
            origins: ["https://app.example.com"],
            methods: ["POST"],
            headers: [],
            exposedHeaders: ["x-request-id"],
            credentials: true,
            maxAgeSeconds: 60,
          },
        },
        {
          kind: "route",
          prefix: "/pages",
          application: "digits" as ApplicationName,
          ingress: DEPLOYMENT,
          ingressKind: "fetch",
          openapi: "{}",
          cors: {
            origins: "*",
            methods: ["GET"],
            headers: ["x-a"],
            exposedHeaders: [],
            credentials: false,
            maxAgeSeconds: 0,
          },
        },
        {
          kind: "deployment",
          id: DEPLOYMENT,
          availability: "starting",
          reason: "loading",
          maxQueuedRequests: 10,
          requestTimeoutMs: 1_500,
          maxRequestBodyBytes: 2 ** 33,
          idempotent: true,
          routing: "leastOngoing",
          fallback: "digits/Small" as DeploymentId,
          startsOnRequest: true,
        },
        {
          kind: "deployment",
          id: "digits/Divided" as DeploymentId,
          availability: "available",
          reason: "",
          maxQueuedRequests: 10,
          requestTimeoutMs: 1_500,
          maxRequestBodyBytes: 1_000,
          idempotent: false,
          routing: "leastOngoing",
          traffic: {
            shares: [
              { version: "v1" as Version, percent: 99.5 },
              { version: "v2" as Version, percent: 0.5 },
            ],
            rules: [{ header: "x-beta", value: "yes, please", version: "v3" as Version }],
          },
        },
        {
          kind: "replica",
          id: "r1" as ReplicaId,
          deployment: DEPLOYMENT,
          version: "v1" as Version,
          node: "n1" as NodeId,
          zone: "z",
          weight: 2.5,
          address: { host: "::1", port: 1 },
          callSecret: "s",
          maxOngoingRequests: 4,
        },
      ],
      removals: [],
    };
    assert.deepStrictEqual(overTheWire(update), update);
  });

  it("keep a delta", () => {
    const update: TableUpdate = {
      epoch: 2,
      version: 8,
      kind: "delta",
      baseVersion: 7,
      upserts: [],
      removals: ["replica/r1", "route/"],
    };
    assert.deepStrictEqual(overTheWire(update), update);
  });

  it("leave out entries of a kind they do not know", () => {
    const wire = responseDeserialize(responseSerialize({ epoch: 1, version: 1, snapshot: true, upserts: [{}] }));
    assert.deepStrictEqual(tableUpdateFromWire(wire).upserts, []);
  });
});
