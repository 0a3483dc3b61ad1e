/**
 * What the benchmark deploys, one application for each way through the system. `maxOngoingRequests` is as high as the
 * loads have connections: what is measured is the path, not the queue in front of it; the application `slow` is for that.
 */
import { application, deployment, type Handle } from "thornback";
import {
  answerTo,
  answerToBytes,
  type StreamInput,
  type Token,
  tokens,
  type WorkAnswer,
  type WorkInput,
} from "./work.ts";

const ONGOING = { maxOngoingRequests: 512 };

class Work {
  async predict(input: WorkInput | Uint8Array): Promise<WorkAnswer> {
    return input instanceof Uint8Array ? answerToBytes(input) : answerTo(input);
  }
}

class Gateway {
  readonly #work: Handle<Work>;

  constructor(work: Handle<Work>) {
    this.#work = work;
  }

  async predict(input: WorkInput): Promise<WorkAnswer> {
    return this.#work.predict(input);
  }
}

class Stream {
  async *predict(input: StreamInput): AsyncGenerator<Token> {
    yield* tokens(input);
  }
}

/** A model of 20 ms with 16 slots: two replicas of it can answer 1,600 requests a second. */
class Slow {
  async predict(input: WorkInput): Promise<WorkAnswer> {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return answerTo(input);
  }
}

const work = deployment(Work, ONGOING);
const slow = deployment(Slow, { maxOngoingRequests: 16, numReplicas: 2 });

export default [
  application(work.bind(), { name: "work", routePrefix: "/work" }),
  application(deployment(Gateway, ONGOING).bind(work.bind()), { name: "hops", routePrefix: "/hops" }),
  application(deployment(Stream, ONGOING).bind(), { name: "stream", routePrefix: "/stream" }),
  application(slow.bind(), { name: "slow", routePrefix: "/slow" }),
];
