import { deployment, models, requestContext } from "thornback";
import * as z from "zod";

const sleep = (delayMs: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, delayMs));

/** Stands in for a model per customer: what words mean to them, learned from their own letters. */
class Sentiment {
  readonly #weights: Readonly<Record<string, number>>;

  constructor(weights: Readonly<Record<string, number>>) {
    this.#weights = weights;
  }

  score(text: string): number {
    const words = text.toLowerCase().match(/\p{L}+/gu) ?? [];
    return words.reduce((sum, word) => sum + (this.#weights[word] ?? 0), 0);
  }

  /** Models that hold memory outside JavaScript give it back here; an `OnnxModel` does by itself. */
  close(): void {
    console.log("closed");
  }
}

/** Stands in for files or a model store. For ONNX files `load` is `(id) => new OnnxModel(`./models/${id}.onnx`)`. */
async function load(id: string): Promise<Sentiment> {
  await sleep(50);
  const customer = /^customer-(\d)$/.exec(id)?.[1];
  if (customer === undefined) throw Object.assign(new Error(`there is no model ${id}`), { status: 404 });
  return new Sentiment({ good: 1, bad: -1, cold: customer === "1" ? 2 : -2 });
}

class Scorer {
  static input = z.object({ text: z.string().max(10_000) });

  readonly #models = models({ load, maxModels: 3 });

  async predict({ text }: z.infer<typeof Scorer.input>) {
    // In use, and so never closed, until this has ended.
    return this.#models.use((model, id) => ({
      model: id,
      score: model.score(text),
      replica: requestContext().replica,
    }));
  }
}

export default deployment(Scorer, { numReplicas: 2 }).bind();
