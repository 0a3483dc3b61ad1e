import type { NodeFiles } from "../worker/node-files.ts";

/**
 * What a worker keeps on its node's disk (`worker/node-files.ts`), in memory. It outlives the worker, and the machine
 * too except for the run files of processes that went with it. Values pass through JSON, as they do on a disk.
 */
export function createSimFiles(): NodeFiles {
  const files = new Map<string, string>();
  const read = <T>(name: string): T | undefined => {
    const text = files.get(name);
    return text === undefined ? undefined : (JSON.parse(text) as T);
  };
  const write = (name: string, value: unknown): void => {
    files.set(name, JSON.stringify(value));
  };
  return {
    readRuns: () => [...files.keys()].filter((name) => name.startsWith("run/")).flatMap((name) => read(name) ?? []),
    writeRun: (run) => write(`run/${run.id}`, run),
    removeRun: (id) => void files.delete(`run/${id}`),
    readNode: () => read("node"),
    writeNode: (identity) => write("node", identity),
    readAssignment: () => read("assignment"),
    writeAssignment: (assignment) => write("assignment", assignment),
    readTable: () => read("table"),
    writeTable: (snapshot) => write("table", snapshot),
    forget() {
      files.delete("assignment");
      files.delete("table");
    },
  };
}
