/**
 * What must compile, and what must not. Checked by the compiler alone; nothing here runs. The first part is the sample
 * of the documentation with its bodies filled in.
 */
import { application, batch, deployment, fromNode, models, requestContext, secret, type Handle } from "thornback";
import { client } from "thornback/client";
import { OnnxModel } from "thornback/onnx";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function assertType<T extends true>(): T | undefined {
  return undefined;
}

class Classifier {
  #model = new OnnxModel("./digits.onnx");

  classify = batch({ maxBatchSize: 64 }, async (images: Float32Array[]): Promise<number[]> => {
    const rows = await this.#model.predict(images);
    return rows.map((row) => row.indexOf(Math.max(...row)));
  });

  maybe = batch({ maxBatchSize: 4 }, async (values: number[]) =>
    values.map((value) => (value > 0 ? value : new RangeError("must be positive"))),
  );

  plain(value: number): string {
    return String(value);
  }

  async *tokens(prompt: string): AsyncGenerator<string> {
    yield prompt;
  }

  *counts(): Generator<number> {
    yield 1;
  }

  async lines(text: string): Promise<AsyncIterable<string>> {
    return this.tokens(text);
  }

  list(): string[] {
    return [];
  }

  anything(): unknown {
    return 1;
  }

  async setup(): Promise<void> {}

  async fetch(request: Request): Promise<Response> {
    const { pixels } = (await request.json()) as { pixels: number[] };
    return Response.json({ label: await this.classify(Float32Array.from(pixels)) });
  }
}

class Gateway {
  readonly #digits: Handle<Classifier>;
  constructor(digits: Handle<Classifier>) {
    this.#digits = digits;
  }
  async predict(input: { pixels: number[] }) {
    return { label: await this.#digits.classify(Float32Array.from(input.pixels)) };
  }
}

const classifier = deployment(Classifier, { autoscaling: { minReplicas: 1, maxReplicas: 8 } });
const app = deployment(Gateway).bind(classifier.bind());
export default app;

// --- handles --------------------------------------------------------------------------------------------------------

export async function useHandle(handle: Handle<Classifier>): Promise<void> {
  const label: number = await handle.classify(new Float32Array(64));
  const fromBatch = await handle.maybe(1);
  assertType<Equal<typeof fromBatch, number>>();
  // A call that was not awaited may be an argument.
  const text: string = await handle.plain(handle.classify(new Float32Array(64)));
  const quick: Handle<Classifier> = handle.with({ timeoutMs: 50, idempotent: true });
  await quick.plain(label);
  void text;
  // @ts-expect-error no such method
  handle.clasify(new Float32Array(1));
  // @ts-expect-error wrong argument
  void handle.classify("x");
  // @ts-expect-error too few arguments
  void handle.plain();
  // @ts-expect-error hooks are the runtime's to call
  void handle.setup();
  // @ts-expect-error fetch is HTTP's
  void handle.fetch(new Request("http://x/"));
  for await (const token of handle.tokens(handle.plain(1))) assertType<Equal<typeof token, string>>();
  for await (const count of handle.counts()) assertType<Equal<typeof count, number>>();
  for await (const line of handle.lines("x")) assertType<Equal<typeof line, string>>();
  assertType<Equal<ReturnType<typeof handle.list>, Promise<string[]>>>();
  assertType<Equal<ReturnType<typeof handle.anything>, Promise<unknown>>>();
  // @ts-expect-error a stream is read item by item
  void handle.tokens("x").then;
  // @ts-expect-error wrong argument
  handle.tokens(1);
  // @ts-expect-error results are promises
  const wrong: string = handle.plain(1);
  void wrong;
}

// A plain object of its methods is a handle, as a test needs one.
async function* tokens(): AsyncGenerator<string> {
  yield "7";
}
const fake = {
  classify: async () => 7,
  maybe: async () => 1,
  plain: async () => "7",
  tokens,
  counts: async function* () {
    yield 7;
  },
  lines: tokens,
  list: async () => ["7"],
  anything: async () => 7,
};
new Gateway(fake);
new Gateway({ ...fake, classify: async () => 7, tokens: () => tokens() });
// @ts-expect-error a method is missing
new Gateway({ plain: async () => "7" });
// @ts-expect-error a method answers with something else
new Gateway({ ...fake, classify: async () => "seven" });
// @ts-expect-error a method yields something else
new Gateway({ ...fake, tokens: fake.counts });

// --- bind -----------------------------------------------------------------------------------------------------------

class Ensemble {
  readonly members: readonly Handle<Classifier>[];
  readonly named: { readonly best: Handle<Classifier>; readonly limit: number };
  constructor(
    members: readonly Handle<Classifier>[],
    named: { best: Handle<Classifier>; limit: number },
    weights: Map<string, number>,
    extra?: Handle<Gateway>,
  ) {
    this.members = members;
    this.named = named;
    void weights;
    void extra;
  }
  async predict(input: number): Promise<string> {
    return (await this.members[0]?.plain(input)) ?? "";
  }
}

const ensemble = deployment(Ensemble, { numReplicas: 2 });
const bound = classifier.bind();
ensemble.bind([bound, bound], { best: bound, limit: 3 }, new Map());
ensemble.bind([bound], { best: bound, limit: 3 }, new Map(), app);
// @ts-expect-error another class's deployment in the array
ensemble.bind([app], { best: bound, limit: 3 }, new Map());
// @ts-expect-error another class's deployment in the record
ensemble.bind([bound], { best: app, limit: 3 }, new Map());
// @ts-expect-error a wrong plain value beside a handle
ensemble.bind([bound], { best: bound, limit: "3" }, new Map());
// @ts-expect-error an argument is missing
deployment(Gateway).bind();
// @ts-expect-error the wrong deployment
deployment(Gateway).bind(app);
// @ts-expect-error a class is not a bound deployment
deployment(Gateway).bind(Classifier);
// @ts-expect-error a deployment that is not bound
deployment(Gateway).bind(classifier);

class Configured {
  readonly greeting: string;
  constructor(greeting: string, times?: number, onEach?: (text: string) => void) {
    this.greeting = greeting;
    void times;
    void onEach;
  }
  predict(input: { name: string }): string {
    return `${this.greeting}, ${input.name}`;
  }
}
deployment(Configured).bind("Hello");
deployment(Configured).bind("Hello", 2, (text) => void text.length);
// @ts-expect-error wrong constructor argument
deployment(Configured).bind(1);

// --- options --------------------------------------------------------------------------------------------------------

deployment(Configured, { env: { KEY: secret("KEY"), MODE: "fast" }, resources: { gpus: 0.5 }, idempotent: true });
deployment(Configured).options({ routing: "roundRobin", startTimeoutMs: 1_000 }).bind("Hello");
// @ts-expect-error no such option
deployment(Configured, { replicas: 2 });
// @ts-expect-error wrong type of an option
deployment(Configured, { numReplicas: "2" });
// @ts-expect-error no such routing policy
deployment(Configured, { routing: "fastest" });

export const site = application(
  deployment(
    fromNode((_request, response) => response.end("hi")),
    { name: "site" },
  ).bind(),
  {
    routePrefix: "/site",
  },
);
export const echo = deployment(async (request: Request) => new Response(await request.text()), { name: "echo" }).bind();
// @ts-expect-error a function deployment answers with a Response
deployment(async (request: Request) => request.url);
// @ts-expect-error an application's ingress has to be bound
application(classifier);

export function requestId(): string {
  return requestContext().requestId;
}

class Writer {
  async *predict(text: string) {
    yield { word: text };
  }
}

// --- the typed client -----------------------------------------------------------------------------------------------

export async function useClient(): Promise<void> {
  const digits = client<typeof app>("http://127.0.0.1:8000/", { headers: { authorization: "Bearer x" } });
  const answer = await digits.predict({ pixels: [1, 2] }, { timeoutMs: 100 });
  assertType<Equal<typeof answer, { label: number }>>();
  const configured = application(deployment(Configured).bind("Hello"), { name: "configured" });
  const text: string = await client<typeof configured>("http://127.0.0.1:8000/").predict({ name: "Ada" });
  void text;
  // @ts-expect-error wrong input
  await digits.predict({ pixels: "x" });
  // @ts-expect-error no such method
  await digits.classify(new Float32Array(1));
  // @ts-expect-error an ingress with fetch has no predict
  await client<typeof site>("http://127.0.0.1:8000/site").predict({});
  const writer = deployment(Writer).bind();
  for await (const { word } of client<typeof writer>("http://127.0.0.1:8000/").predict("x")) {
    assertType<Equal<typeof word, string>>();
  }
  const response: Response = await client<typeof site>("http://127.0.0.1:8000/site").fetch("/page");
  void response;
}

assertType<Equal<Awaited<ReturnType<typeof labels>>, BigInt64Array[]>>();
function labels(model: OnnxModel) {
  return model.predict<BigInt64Array>([[1, 2, 3]]);
}

// --- several models in one replica ------------------------------------------------------------------------------------

export async function useModels(): Promise<void> {
  const held = models({ load: (id) => new OnnxModel(`./models/${id}.onnx`), maxModels: 2, maxBytes: 1e9 });
  const rows = await held.use((model, id) => model.predict([[id.length]]));
  assertType<Equal<typeof rows, Float32Array[]>>();
  const given = await held.use("a", (model) => model.provider);
  assertType<Equal<typeof given, string>>();
  for await (const item of held.stream(() => [1, 2])) assertType<Equal<typeof item, number>>();
  const later = models({ load: async (id) => ({ id }), maxModels: 2, sizeOf: ({ id }) => id.length });
  assertType<Equal<Awaited<ReturnType<typeof later.use<string>>>, string>>();
  // @ts-expect-error without maxModels
  models({ load: (id) => id });
  // @ts-expect-error a model is asked for by its name
  await held.use(1, (model) => model);
}

// A fallback has at least one of the methods, and those so that callers of the deployment can use them.
class Small {
  plain(value: number): Promise<string> {
    return Promise.resolve(String(value));
  }
}
class Wrong {
  plain(value: Date): number {
    return value.getTime();
  }
}
class Stranger {
  other(): void {}
}
class Predictor {
  async predict(input: { readonly text: string }): Promise<number> {
    return input.text.length;
  }
}
deployment(Classifier, { fallback: deployment(Small).bind() });
deployment(Classifier, { fallback: (request: Request) => new Response(request.url) });
deployment((request) => new Response(request.url), { fallback: () => new Response("later") });
deployment(Predictor, { fallback: ({ text }, { requestId }) => text.length + requestId.length });
deployment(Predictor).options({ fallback: async () => 0 });
// @ts-expect-error -- its `plain` takes and gives something else
deployment(Classifier, { fallback: deployment(Wrong).bind() });
// @ts-expect-error -- nothing in common
deployment(Classifier, { fallback: deployment(Stranger).bind() });
// @ts-expect-error -- a number is asked for
deployment(Predictor, { fallback: () => "none" });
// @ts-expect-error -- not bound
deployment(Predictor, { fallback: deployment(Predictor) });

// --- functions that the control plane asks ----------------------------------------------------------------------------

deployment(Classifier, {
  autoscaling: {
    maxReplicas: 4,
    policy: async ({ ongoing, metric, state }) => ({ target: Math.ceil(ongoing / 2) + (metric ?? 0), state: [state] }),
  },
  rollout: {
    strategy: "canary",
    steps: [10, 100],
    gates: [{ metric: "agreement", least: 0.9 }],
    verify: async ({ oldVersion, newVersion, signal }) => {
      signal.throwIfAborted();
      const label: number = await newVersion.classify(new Float32Array(64));
      // @ts-expect-error -- there may be no old version
      await oldVersion.classify(new Float32Array(64));
      // @ts-expect-error -- no such method
      await newVersion.clasify(new Float32Array(64));
      return { agreement: label === (await oldVersion?.classify(new Float32Array(64))) ? 1 : 0 };
    },
  },
});
deployment(Predictor, {
  rollout: { verify: async ({ newVersion }) => void (await newVersion.predict({ text: "x" })) },
});
deployment(Predictor, { autoscaling: { policy: ({ minReplicas }) => minReplicas } });
deployment((request: Request) => new Response(request.url), { rollout: { verify: () => ({ score: 1 }) } });
// @ts-expect-error -- scores are numbers
deployment(Predictor, { rollout: { verify: () => ({ score: "good" }) } });
// @ts-expect-error -- a policy answers with a number
deployment(Predictor, { autoscaling: { policy: () => "many" } });
// @ts-expect-error -- it follows from `policy`
deployment(Predictor, { autoscaling: { hasPolicy: true } });
// @ts-expect-error -- no such strategy
deployment(Predictor, { rollout: { strategy: "big bang" } });
