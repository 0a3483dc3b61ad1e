/**
 * Questions to users' functions, which run in processes of replicas and never here. Each is answered: by its replica, by its
 * worker when that replica is gone, or here when the worker is gone or silent. Asking again after `isGone` is safe: a replica
 * that still runs the `verify` of before answers both questions with that run.
 */
import type { Clock } from "../../core/clock.ts";
import type { NodeId, ReplicaId } from "../../core/ids.ts";
import { ASK_GRACE_MS, MOST_OPEN_QUESTIONS } from "../../core/limits.ts";
import { type Answer, answerTimeMs, type Question } from "../../core/question.ts";
import type { WorkerStreams } from "./worker-streams.ts";

/** What {@link Asks} is made of. */
export type AsksDeps = {
  readonly clock: Clock;
  readonly streams: Pick<WorkerStreams, "send">;
  /** Ids of questions are told apart by it from those of controllers before this one. */
  readonly epoch: number;
};

type OpenQuestion = { readonly node: NodeId; readonly settle: (answer: Answer) => void };

/** The questions of one controller that are not answered yet. */
export class Asks {
  readonly #deps: AsksDeps;
  readonly #open = new Map<string, OpenQuestion>();
  #lastId = 0;

  constructor(deps: AsksDeps) {
    this.#deps = deps;
  }

  /** Asks a replica on a node. Never rejects, and always resolves: a little after the function's time at the latest. */
  ask(replica: ReplicaId, node: NodeId, question: Question): Promise<Answer> {
    const { clock, streams, epoch } = this.#deps;
    if (this.#open.size >= MOST_OPEN_QUESTIONS) {
      // The function was not even asked, so nothing speaks against it.
      const reason = `${MOST_OPEN_QUESTIONS} questions are open already`;
      return Promise.resolve({ kind: "failed", reason, isGone: true });
    }
    const id = `${epoch}-${++this.#lastId}`;
    return new Promise((resolve) => {
      const timeoutMs = answerTimeMs(question);
      const silence = `\`${question.kind}\` was not answered within ${timeoutMs} ms, and node ${node} is silent`;
      const timer = clock.after(timeoutMs + 2 * ASK_GRACE_MS, () =>
        settle({ kind: "failed", reason: silence, isGone: true }),
      );
      const settle = (answer: Answer): void => {
        timer.cancel();
        this.#open.delete(id);
        resolve(answer);
      };
      this.#open.set(id, { node, settle });
      if (!streams.send(node, { kind: "ask", id, replica, question })) settle(gone(node));
    });
  }

  /** A node answered. */
  answered(node: NodeId, id: string, answer: Answer): void {
    const open = this.#open.get(id);
    if (open?.node === node) open.settle(answer);
  }

  /** A node's stream ended, or another took its place: what it was asked before will not be answered. */
  disconnected(node: NodeId): void {
    for (const open of this.#open.values()) if (open.node === node) open.settle(gone(node));
  }
}

function gone(node: NodeId): Answer {
  return { kind: "failed", reason: `node ${node} is not connected`, isGone: true };
}
