import type { Clock, Timer } from "../core/clock.ts";
import { COLLECT_TIMEOUT_MS } from "../core/limits.ts";
import type { ChildMessage } from "../proto/control/message.ts";

/** What it takes to ask the worker for the node's metrics. */
export type NodeMetricsDeps = {
  readonly clock: Clock;
  /** False when there is no worker to answer. */
  readonly send: (message: ChildMessage) => boolean;
  /** This process's own metrics, for when the worker does not answer. */
  readonly ownText: () => string;
};

/** The worker gives its other children COLLECT_TIMEOUT_MS; it needs a little longer itself. */
const ANSWER_TIMEOUT_MS = 2 * COLLECT_TIMEOUT_MS;

/** Asks the worker for the metrics of the whole node; without a worker there are the proxy's own. */
export class NodeMetricsClient {
  readonly #deps: NodeMetricsDeps;
  readonly #waiting = new Map<number, { readonly resolve: (text: string) => void; readonly timer: Timer }>();
  #lastId = 0;

  constructor(deps: NodeMetricsDeps) {
    this.#deps = deps;
  }

  /** Prometheus text. */
  text(): Promise<string> {
    const { clock, send, ownText } = this.#deps;
    const id = ++this.#lastId;
    if (!send({ kind: "getNodeMetrics", id })) return Promise.resolve(ownText());
    return new Promise((resolve) => {
      const timer = clock.after(ANSWER_TIMEOUT_MS, () => this.answered(id, ownText()));
      this.#waiting.set(id, { resolve, timer });
    });
  }

  /** The worker answered. */
  answered(id: number, text: string): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    waiting.timer.cancel();
    waiting.resolve(text);
  }
}
