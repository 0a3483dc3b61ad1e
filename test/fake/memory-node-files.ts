import type { Assignment } from "../../core/assignment.ts";
import type { TableUpdate } from "../../core/table.ts";
import type { RunFile } from "../../proto/control/message.ts";
import type { NodeFiles, NodeIdentity } from "../../worker/node-files.ts";

/** A node's files in memory; what is read is a copy, as from a disk. */
export class MemoryNodeFiles implements NodeFiles {
  readonly runs = new Map<string, RunFile>();
  node: NodeIdentity | undefined;
  assignment: Assignment | undefined;
  table: TableUpdate | undefined;

  readRuns(): readonly RunFile[] {
    return structuredClone([...this.runs.values()]);
  }

  writeRun(run: RunFile): void {
    this.runs.set(run.id, structuredClone(run));
  }

  removeRun(id: string): void {
    this.runs.delete(id);
  }

  readNode(): NodeIdentity | undefined {
    return this.node;
  }

  writeNode(identity: NodeIdentity): void {
    this.node = identity;
  }

  readAssignment(): Assignment | undefined {
    return structuredClone(this.assignment);
  }

  writeAssignment(assignment: Assignment): void {
    this.assignment = structuredClone(assignment);
  }

  readTable(): TableUpdate | undefined {
    return structuredClone(this.table);
  }

  writeTable(snapshot: TableUpdate): void {
    this.table = structuredClone(snapshot);
  }

  forget(): void {
    this.assignment = undefined;
    this.table = undefined;
  }
}
