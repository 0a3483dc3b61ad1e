import type { NodeFiles } from "../worker/node-files.ts";
import { jsonCopy } from "./json-copy.ts";

/**
 * What a worker keeps on its node's disk (`worker/node-files.ts`), in memory. It outlives the worker, and the machine
 * too except for the run files of processes that went with it. What is read is a copy, as JSON on a disk makes it; so is what
 * is written, but for assignments and tables, which are written often, are read by few, and never change once they are made.
 */
export function createSimFiles(): NodeFiles {
  const files = new Map<string, unknown>();
  const read = <T>(name: string): T | undefined => jsonCopy(files.get(name) as T | undefined);
  const write = (name: string, value: unknown): void => {
    files.set(name, jsonCopy(value));
  };
  return {
    readRuns: () => [...files.keys()].filter((name) => name.startsWith("run/")).flatMap((name) => read(name) ?? []),
    writeRun: (run) => write(`run/${run.id}`, run),
    removeRun: (id) => void files.delete(`run/${id}`),
    readNode: () => read("node"),
    writeNode: (identity) => write("node", identity),
    readAssignment: () => read("assignment"),
    writeAssignment: (assignment) => void files.set("assignment", assignment),
    readTable: () => read("table"),
    writeTable: (snapshot) => void files.set("table", snapshot),
    forget() {
      files.delete("assignment");
      files.delete("table");
    },
  };
}
