import type { RequestScope } from "../../core/request-scope.ts";
import type { Answer, RequestHead } from "../../proto/exchange.ts";

/** What answers a replica's requests: user code behind `invoke.ts`, or a stand-in in the simulation. */
export interface Actor {
  /** Resolves with the answer, or rejects with a ServeError. May go on after the request was cancelled. */
  answer(head: RequestHead, body: Uint8Array, request: RequestScope): Promise<Answer>;
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
