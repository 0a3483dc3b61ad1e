import type { RequestScope } from "../../core/request-scope.ts";
import type { Body } from "../../proto/body.ts";
import type { Answer, RequestHead } from "../../proto/exchange.ts";

/** What answers a replica's requests: user code behind `invoke.ts`, or a stand-in in the simulation. */
export interface Actor {
  /**
   * Resolves with the answer, or rejects with a ServeError. May go on after the request was cancelled. The body is
   * received when it is needed, which may be never.
   */
  answer(head: RequestHead, body: Body, request: RequestScope): Promise<Answer>;
  /** The replica drains: what would last for ever, a WebSocket, is to be brought to its end. */
  goAway(): void;
}

/** Who a replica is, for contexts, labels and messages. */
export type ReplicaIdentity = {
  readonly application: string;
  readonly deployment: string;
  /** `application/deployment`, the label of metrics. */
  readonly deploymentId: string;
  readonly replica: string;
  readonly version: string;
  readonly node: string;
};
