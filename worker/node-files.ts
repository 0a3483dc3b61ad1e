import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Assignment } from "../core/assignment.ts";
import type { NodeId } from "../core/ids.ts";
import type { Logger } from "../core/log.ts";
import { DATA_DIR } from "../core/process-config.ts";
import type { TableUpdate } from "../core/table.ts";
import type { RunFile } from "../proto/control/message.ts";
import { runPath } from "./child.ts";

/** What a node remembers of itself over restarts of its worker. */
export type NodeIdentity = {
  readonly node: NodeId;
  /** Grows with every start of the worker. */
  readonly incarnation: number;
  /** Highest epoch obeyed. */
  readonly epoch: number;
};

/** What a worker keeps on disk. All of it is small, so it is read and written at once; the simulation has its own. */
export interface NodeFiles {
  readRuns(): readonly RunFile[];
  writeRun(run: RunFile): void;
  removeRun(id: string): void;
  readNode(): NodeIdentity | undefined;
  writeNode(identity: NodeIdentity): void;
  readAssignment(): Assignment | undefined;
  writeAssignment(assignment: Assignment): void;
  /** The newest table, as a snapshot. */
  readTable(): TableUpdate | undefined;
  writeTable(snapshot: TableUpdate): void;
  /** After everything was stopped in order: the next start begins with nothing to restore. */
  forget(): void;
}

/** The files of a data directory, all 0600: they hold secrets. Each appears whole, by a rename. */
export function createNodeFiles(deps: { readonly log: Logger; readonly dataDir: string }): NodeFiles {
  const { log, dataDir } = deps;
  for (const folder of [DATA_DIR.run, DATA_DIR.logs])
    mkdirSync(join(dataDir, folder), { recursive: true, mode: 0o700 });
  const read = <T>(path: string, isValid: (value: unknown) => value is T): T | undefined => {
    const value = readJson(log, path);
    return isValid(value) ? value : undefined;
  };
  return {
    readRuns() {
      const names = readdirSync(join(dataDir, DATA_DIR.run)).filter((name) => name.endsWith(".json"));
      return names.flatMap((name) => read(join(dataDir, DATA_DIR.run, name), isRunFile) ?? []);
    },
    writeRun: (run) => writeJson(runPath(dataDir, run.id), run),
    removeRun: (id) => rmSync(runPath(dataDir, id), { force: true }),
    readNode: () => read(join(dataDir, DATA_DIR.node), isNodeIdentity),
    writeNode: (identity) => writeJson(join(dataDir, DATA_DIR.node), identity),
    readAssignment: () => read(join(dataDir, DATA_DIR.assignment), isAssignment),
    writeAssignment: (assignment) => writeJson(join(dataDir, DATA_DIR.assignment), assignment),
    readTable: () => read(join(dataDir, DATA_DIR.table), isTableUpdate),
    writeTable: (snapshot) => writeJson(join(dataDir, DATA_DIR.table), snapshot),
    forget() {
      for (const name of [DATA_DIR.assignment, DATA_DIR.table]) rmSync(join(dataDir, name), { force: true });
    },
  };
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(`${path}.tmp`, JSON.stringify(value), { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
}

/** A file that is missing or unreadable is as good as none: everything in it can be asked for again. */
function readJson(log: Logger, path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== "ENOENT")
      log.warn({ err, path }, "a file could not be read and is ignored");
    return undefined;
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (err) {
    log.warn({ err, path }, "a file does not hold JSON and is ignored");
    return undefined;
  }
}

/** We wrote these files ourselves, so a check of what tells them apart from another release's is enough. */
function hasFields(value: unknown, fields: Readonly<Record<string, "string" | "number" | "object">>): boolean {
  if (typeof value !== "object" || value === null) return false;
  const record = value as Readonly<Record<string, unknown>>;
  return Object.entries(fields).every(([name, type]) => typeof record[name] === type && record[name] !== null);
}

function isRunFile(value: unknown): value is RunFile {
  return hasFields(value, {
    id: "string",
    role: "string",
    pid: "number",
    startTicks: "number",
    controlSecret: "string",
  });
}

function isNodeIdentity(value: unknown): value is NodeIdentity {
  return hasFields(value, { node: "string", incarnation: "number", epoch: "number" });
}

function isAssignment(value: unknown): value is Assignment {
  return hasFields(value, { epoch: "number", generation: "number", replicas: "object" });
}

function isTableUpdate(value: unknown): value is TableUpdate {
  return hasFields(value, {
    epoch: "number",
    version: "number",
    kind: "string",
    upserts: "object",
    removals: "object",
  });
}
