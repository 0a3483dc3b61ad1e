import type { DesignName, Route } from "../design.ts";
import { type BodyName, wrk } from "../wrk.ts";
import { type Load, mustSucceed, REQUEST_COLUMNS, withCpu } from "./load.ts";

const ALL: readonly DesignName[] = ["bare", "fastify", "llhttp", "node"];
const FEW: readonly DesignName[] = ["bare", "llhttp", "node"];

/** One request, one answer: small, large, and over two hops. */
export const UNARY_LOADS: readonly Load[] = [
  unary("1 KB, 1 connection", { body: "1 KB", connectionCount: 1 }, ALL),
  unary("1 KB, 64 connections", { body: "1 KB", connectionCount: 64 }, ALL),
  unary("1 KB, 256 connections", { body: "1 KB", connectionCount: 256 }, ALL),
  unary("1 KB, 64 connections, both cores busy", { body: "1 KB", connectionCount: 64, isCpuBound: true }, FEW),
  unary("64 KB, 8 connections", { body: "64 KB", connectionCount: 8 }, FEW),
  unary("64 KB, 64 connections", { body: "64 KB", connectionCount: 64 }, FEW),
  unary("1 MB, 8 connections", { body: "1 MB", connectionCount: 8 }, FEW),
  unary("1 MB, 64 connections", { body: "1 MB", connectionCount: 64 }, FEW),
  unary("two hops, 1 connection", { body: "1 KB", connectionCount: 1, route: "hops" }, FEW),
  unary("two hops, 64 connections", { body: "1 KB", connectionCount: 64, route: "hops" }, FEW),
];

type Unary = {
  readonly body: BodyName;
  readonly connectionCount: number;
  readonly route?: Route;
  readonly isCpuBound?: boolean;
};

function unary(
  name: string,
  { body, connectionCount, route = "work", isCpuBound = false }: Unary,
  designs: readonly DesignName[],
): Load {
  return {
    name,
    designs,
    isCpuBound,
    columns: REQUEST_COLUMNS,
    async measure(design, { cores, seconds }) {
      // A bare server has nothing behind it: what two hops are compared with is none.
      const path = design.name === "bare" ? "work" : route;
      const url = `${design.url}/${path}`;
      const { result, proxyMicros, replicaMicros } = await withCpu(design, path, () =>
        wrk({ url, body, connectionCount, seconds, core: cores.load }),
      );
      const { requests, elapsedMs, p50Ms, p99Ms, failed } = result;
      mustSucceed(failed, requests);
      return {
        perSecond: (requests / elapsedMs) * 1_000,
        ...{ p50Ms, p99Ms, failed },
        proxyMicros: proxyMicros / requests,
        replicaMicros: replicaMicros / requests,
      };
    },
  };
}
