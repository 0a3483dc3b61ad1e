import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { loadPackageDefinition, logVerbosity, setLogVerbosity } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import type { ProtoGrpcType } from "./gen/worker.ts";

/**
 * How .proto files become JavaScript, in one place: camelCase names, numbers for 64-bit fields, every field present
 * with its default, and the name of the set field of each oneof. The types in `gen/` are made with the same options.
 */
const OPTIONS = { keepCase: false, longs: Number, enums: String, defaults: true, oneofs: true } as const;

/** Beside this file in the sources; at the package's root when this file runs from `dist/`. */
const PLACES = ["./thornback/v1/worker.proto", "../../proto/thornback/v1/worker.proto"];

/** Client constructor and service definition of `thornback.v1.Control`. */
export type ControlProto = ProtoGrpcType["thornback"]["v1"]["Control"];

let loaded: ControlProto | undefined;

/**
 * Loads the control service's definition, once a process.
 *
 * @throws {Error} when the installed package lacks its .proto file
 */
export function loadControl(): ControlProto {
  if (loaded !== undefined) return loaded;
  const paths = PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  const path = paths.find((candidate) => existsSync(candidate));
  if (path === undefined) {
    throw new Error(`worker.proto is missing: looked for ${paths.join(" and ")}; install the package again`);
  }
  // It would write lines of its own to stderr, beside the JSON of our logs; every error reaches us anyway.
  setLogVerbosity(logVerbosity.NONE);
  const root = loadPackageDefinition(loadSync(path, OPTIONS)) as unknown as ProtoGrpcType;
  loaded = root.thornback.v1.Control;
  return loaded;
}
