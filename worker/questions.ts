/**
 * What the controller asks of this node: metrics and logs, which the worker knows itself, and users' functions, which only
 * the process of a replica can run. Such a question is handed on and stays open until
 *
 *   its answer comes → handed back
 *   its replica has no process, or that ends or loses its link → `failed`, and the controller may ask elsewhere
 *   its time is over, which the replica keeps too unless its event loop is blocked → `failed`
 */
import type { Collect, ControllerMessage, WorkerMessage } from "../core/assignment.ts";
import type { Clock, Timer } from "../core/clock.ts";
import { ServeError } from "../core/error.ts";
import { ASK_GRACE_MS, MOST_OPEN_QUESTIONS } from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import { type Answer, answerTimeMs } from "../core/question.ts";
import type { Child, Children } from "./children.ts";
import type { NodeLogs } from "./log-files.ts";
import type { NodeMetrics } from "./node-metrics.ts";

/** What {@link Questions} is made from. */
export type QuestionsDeps = {
  readonly clock: Clock;
  readonly log: Logger;
  readonly children: Children;
  readonly nodeMetrics: Pick<NodeMetrics, "text">;
  readonly logs: Pick<NodeLogs, "tail">;
  readonly send: (message: WorkerMessage) => void;
};

type Open = { readonly child: Child; readonly timer: Timer };

/** The controller's questions to one node. */
export class Questions {
  readonly #deps: QuestionsDeps;
  /** Those that a replica is to answer. */
  readonly #open = new Map<string, Open>();

  constructor(deps: QuestionsDeps) {
    this.#deps = deps;
  }

  /** Answers with `collected`; with an empty text where it cannot be had. */
  async collect({ id, what }: Extract<ControllerMessage, { kind: "collect" }>): Promise<void> {
    this.#deps.send({ kind: "collected", id, text: await this.#collect(what) });
  }

  /** Answers with `answered`, sooner or later. */
  ask({ id, replica, question }: Extract<ControllerMessage, { kind: "ask" }>): void {
    const { clock, children } = this.#deps;
    const child = children.all().find(({ run, link }) => run.assigned?.replicaId === replica && link !== undefined);
    if (child === undefined) return this.#tell(id, GONE);
    if (this.#open.size >= MOST_OPEN_QUESTIONS) return this.#tell(id, failed("its node has too many questions open"));
    this.#open.get(id)?.timer.cancel();
    const timeoutMs = answerTimeMs(question);
    const timer = clock.after(timeoutMs + ASK_GRACE_MS, () => {
      this.#close(
        id,
        failed(`\`${question.kind}\` was not answered within ${timeoutMs} ms, and its replica is silent`),
      );
    });
    this.#open.set(id, { child, timer });
    children.send(child, { kind: "ask", id, question });
  }

  /** A replica's process answers. */
  answered(child: Child, id: string, answer: Answer): void {
    if (this.#open.get(id)?.child === child) this.#close(id, answer);
  }

  /** It will not answer any more: its process or the link to it is gone. */
  gone(child: Child): void {
    for (const [id, open] of this.#open) if (open.child === child) this.#close(id, GONE);
  }

  /** Answers nothing more. */
  close(): void {
    for (const { timer } of this.#open.values()) timer.cancel();
    this.#open.clear();
  }

  #close(id: string, answer: Answer): void {
    this.#open.get(id)?.timer.cancel();
    this.#open.delete(id);
    this.#tell(id, answer);
  }

  #tell(id: string, answer: Answer): void {
    this.#deps.send({ kind: "answered", id, answer });
  }

  async #collect(what: Collect): Promise<string> {
    const { log, logs, nodeMetrics } = this.#deps;
    try {
      if (what.kind === "metrics") return await nodeMetrics.text();
      return await logs.tail(what.deployment, what.lines);
    } catch (thrown) {
      const err = ServeError.from(thrown);
      log.warn({ err, what: what.kind }, "the controller's question could not be answered");
      return "";
    }
  }
}

const GONE: Answer = { kind: "failed", reason: "the replica is gone", isGone: true };

function failed(reason: string): Answer {
  return { kind: "failed", reason };
}
