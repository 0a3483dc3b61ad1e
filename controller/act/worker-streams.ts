import type { Collect, ControllerMessage } from "../../core/assignment.ts";
import type { Clock } from "../../core/clock.ts";
import type { NodeId } from "../../core/ids.ts";
import type { WorkerStream } from "../../proto/transport.ts";

/** A node's answer to a question; undefined: none came in time. */
type Answer = { readonly node: NodeId; readonly text: string };

type Question = { readonly node: NodeId; readonly settle: (text: string | undefined) => void };

/**
 * The open streams, one a node: sends to them, and pairs questions with their answers. A worker that connects again
 * takes the place of its earlier stream.
 */
export class WorkerStreams {
  readonly #clock: Clock;
  readonly #streams = new Map<NodeId, WorkerStream>();
  readonly #questions = new Map<number, Question>();
  #lastQuestion = 0;

  constructor(deps: { readonly clock: Clock }) {
    this.#clock = deps.clock;
  }

  /** Nodes with an open stream. */
  nodes(): readonly NodeId[] {
    return [...this.#streams.keys()];
  }

  /** A worker has said who it is. */
  add(node: NodeId, stream: WorkerStream): void {
    const earlier = this.#streams.get(node);
    this.#streams.set(node, stream);
    if (earlier !== undefined && earlier !== stream) earlier.close("the worker connected again");
  }

  /** Whether it was the node's current stream that ended. */
  remove(node: NodeId, stream: WorkerStream): boolean {
    if (this.#streams.get(node) !== stream) return false;
    this.#streams.delete(node);
    for (const [id, question] of this.#questions) {
      if (question.node !== node) continue;
      this.#questions.delete(id);
      question.settle(undefined);
    }
    return true;
  }

  /** Whether it was sent; a node that is not connected gets everything when it is. */
  send(node: NodeId, message: ControllerMessage): boolean {
    const stream = this.#streams.get(node);
    stream?.send(message);
    return stream !== undefined;
  }

  /** Ends a node's stream. */
  close(node: NodeId, reason: string): void {
    this.#streams.get(node)?.close(reason);
  }

  /** Asks every connected node; resolves with the answers that came within `timeoutMs`. */
  async collect(what: Collect, timeoutMs: number): Promise<readonly Answer[]> {
    const answers = await Promise.all(
      [...this.#streams].map(async ([node, stream]) => ({
        node,
        text: await this.#ask(node, stream, { what, timeoutMs }),
      })),
    );
    return answers.flatMap(({ node, text }) => (text === undefined ? [] : [{ node, text }]));
  }

  /** A node answered. */
  answer(node: NodeId, id: number, text: string): void {
    const question = this.#questions.get(id);
    if (question?.node === node) question.settle(text);
  }

  #ask(node: NodeId, stream: WorkerStream, ask: { what: Collect; timeoutMs: number }): Promise<string | undefined> {
    const id = ++this.#lastQuestion;
    return new Promise((resolve) => {
      const timer = this.#clock.after(ask.timeoutMs, () => settle(undefined));
      const settle = (text: string | undefined): void => {
        timer.cancel();
        this.#questions.delete(id);
        resolve(text);
      };
      this.#questions.set(id, { node, settle });
      stream.send({ kind: "collect", id, what: ask.what });
    });
  }
}
