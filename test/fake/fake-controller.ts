import type { AssignedReplica, ControllerMessage, WorkerMessage } from "../../core/assignment.ts";
import type { Digest } from "../../core/ids.ts";
import type { TableUpdate } from "../../core/table.ts";
import type {
  ControllerStream,
  ControllerStreamListener,
  ControllerTransport,
  TableListener,
  TableVersion,
} from "../../proto/transport.ts";

/** The controller as one worker reaches it: remembers what it is told, says what a test has it say. */
export class FakeController implements ControllerTransport {
  readonly heard: WorkerMessage[] = [];
  /** What each watch said it had. */
  readonly watches: (TableVersion | undefined)[] = [];
  isReachable = true;
  #stream: ControllerStreamListener | undefined;
  #table: TableListener | undefined;
  #generation = 0;

  connect(listener: ControllerStreamListener): ControllerStream {
    if (!this.isReachable) {
      queueMicrotask(() => listener.onClose("unreachable"));
      return { send() {}, close() {} };
    }
    this.#stream = listener;
    return {
      send: (message) => void this.heard.push(structuredClone(message)),
      close: () => (this.#stream = undefined),
    };
  }

  watchTable(known: TableVersion | undefined, listener: TableListener): { close(): void } {
    if (!this.isReachable) {
      queueMicrotask(() => listener.onClose("unreachable"));
      return { close() {} };
    }
    this.watches.push(known);
    this.#table = listener;
    return { close: () => (this.#table = undefined) };
  }

  // oxlint-disable-next-line require-yield -- no file is ever there
  async *readBlob(digest: Digest): AsyncIterable<Uint8Array> {
    throw new Error(`no blob ${digest}`);
  }

  /** Goes away: both streams break, and connecting fails until `isReachable` is set again. */
  vanish(): void {
    this.isReachable = false;
    const [stream, table] = [this.#stream, this.#table];
    this.#stream = undefined;
    this.#table = undefined;
    stream?.onClose("gone");
    table?.onClose("gone");
  }

  send(message: ControllerMessage): void {
    this.#stream?.onMessage(structuredClone(message));
  }

  /** Assigns these replicas and nothing else. */
  assign(replicas: readonly AssignedReplica[], epoch = 1): void {
    this.send({ kind: "assign", assignment: { epoch, generation: ++this.#generation, replicas } });
  }

  publish(update: TableUpdate): void {
    this.#table?.onUpdate(structuredClone(update));
  }

  /** All messages of one kind, oldest first. */
  all<K extends WorkerMessage["kind"]>(kind: K): Extract<WorkerMessage, { readonly kind: K }>[] {
    return this.heard.filter(
      (message): message is Extract<WorkerMessage, { readonly kind: K }> => message.kind === kind,
    );
  }

  /** The newest report of a replica. */
  report(id: string): Extract<WorkerMessage, { kind: "replicas" }>["reports"][number] | undefined {
    return this.all("replicas")
      .flatMap(({ reports }) => reports)
      .findLast((report) => report.id === id);
  }
}
