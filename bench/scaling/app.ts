/** A model that does 50 requests a second, one at a time, alone and as two deployments behind one. */
import { application, batch, deployment, type Handle } from "thornback";

const RUN_MS = 20;

class Model {
  readonly #run = batch({ maxBatchSize: 1 }, async (texts: string[]) => {
    await new Promise((resolve) => setTimeout(resolve, RUN_MS));
    return texts;
  });

  async predict(text: string): Promise<string> {
    return this.#run(text);
  }
}

class Translate {
  readonly #fr: Handle<Model>;
  readonly #es: Handle<Model>;

  constructor(fr: Handle<Model>, es: Handle<Model>) {
    this.#fr = fr;
    this.#es = es;
  }

  async predict({ to, text }: { to: "fr" | "es"; text: string }): Promise<string> {
    return to === "fr" ? this.#fr.predict(text) : this.#es.predict(text);
  }
}

const scaled = (name: string) =>
  deployment(Model, { name, resources: { cpus: 0.01 }, autoscaling: { maxReplicas: 8 } }).bind();
const front = deployment(Translate, { maxOngoingRequests: 1_000, resources: { cpus: 0.01 } });

export default [
  application(scaled("step"), { name: "step", routePrefix: "/step" }),
  application(front.bind(scaled("translate-fr"), scaled("translate-es")), {
    name: "translate",
    routePrefix: "/translate",
  }),
];
