import { deployment, type Handle } from "thornback";
import * as z from "zod";

const sleep = (delayMs: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, delayMs));

/** Stands in for a language model: it goes on with the prompt, a word every few milliseconds. */
class Model {
  async *generate(prompt: string, count: number): AsyncGenerator<string> {
    const words = prompt.split(/\s+/);
    try {
      for (let at = 0; at < count; at++) {
        await sleep(5);
        yield `${words[at % words.length]} `;
      }
    } finally {
      // Runs when the last word is out, and as soon as the client has gone away.
      console.log("ended", { prompt });
    }
  }
}

const Input = z.object({ prompt: z.string().min(1).max(1_000), words: z.number().int().min(1).max(1_000).default(16) });

/** Passes the model's words on as they come, and says at the end how many there were. */
class Writer {
  static input = Input;

  readonly #model: Handle<Model>;

  constructor(model: Handle<Model>) {
    this.#model = model;
  }

  async *predict({ prompt, words }: z.infer<typeof Input>) {
    let count = 0;
    for await (const text of this.#model.generate(prompt, words)) {
      count += 1;
      yield { text };
    }
    yield { text: "", count };
  }
}

export default deployment(Writer).bind(deployment(Model).bind());
