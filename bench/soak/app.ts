/** What the soak deploys. Slots are so few that the usual load takes about half of them. */
import { application, deployment, type Handle, type ServerWebSocket } from "thornback";

/** Another number is another version. */
const ROUND = 0;
const MODEL_MS = 20;
const EVENT_EVERY_MS = 20;

/** What a request is told apart by. */
type Numbered = { readonly id: number };

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Gives each request its number back; bytes carry it in their first four. */
class Model {
  async predict(input: Numbered | Uint8Array): Promise<Numbered & { readonly bytes: number; readonly round: number }> {
    await wait(MODEL_MS);
    if (!(input instanceof Uint8Array)) return { id: input.id, bytes: 0, round: ROUND };
    const id = new DataView(input.buffer, input.byteOffset).getUint32(0);
    return { id, bytes: input.byteLength, round: ROUND };
  }
}

class Gateway {
  readonly #model: Handle<Model>;

  constructor(model: Handle<Model>) {
    this.#model = model;
  }

  async predict(input: Numbered): Promise<Numbered> {
    return this.#model.predict(input);
  }
}

class Streams {
  async *predict({ id, count }: Numbered & { readonly count: number }): AsyncGenerator<Numbered & { at: number }> {
    for (let at = 0; at < count; at++) {
      yield { id, at };
      await wait(EVENT_EVERY_MS);
    }
  }

  async websocket(socket: ServerWebSocket): Promise<void> {
    for await (const message of socket) await socket.send(message);
  }
}

const two = { numReplicas: 2, requestTimeoutMs: 20_000 };
const model = deployment(Model, { ...two, maxOngoingRequests: 1 });

export default [
  application(model.options({ idempotent: true }).bind(), { name: "safe", routePrefix: "/safe" }),
  application(model.bind(), { name: "once", routePrefix: "/once" }),
  application(deployment(Gateway, { ...two, maxOngoingRequests: 2 }).bind(model.options({ idempotent: true }).bind()), {
    name: "hops",
    routePrefix: "/hops",
  }),
  application(deployment(Streams, { ...two, maxOngoingRequests: 6 }).bind(), {
    name: "streams",
    routePrefix: "/streams",
  }),
];
