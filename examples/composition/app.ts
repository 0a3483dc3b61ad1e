import { deployment, type Handle } from "thornback";
import * as z from "zod";

/** Stands in for a translation model: it knows a few words, and leaves the others as they are. */
class Translator {
  readonly #words: Readonly<Record<string, string>>;

  constructor(words: Readonly<Record<string, string>>) {
    this.#words = words;
  }

  translate(text: string): string {
    return text.replaceAll(/\p{L}+/gu, (word) => this.#words[word.toLowerCase()] ?? word);
  }
}

const Input = z.object({ text: z.string().max(1_000), to: z.array(z.enum(["fr", "es"])).min(1) });

/** Sends a text to the translators of the languages asked for, all at once. */
class LanguageRouter {
  static input = Input;

  readonly #translators: Readonly<Record<"fr" | "es", Handle<Translator>>>;

  constructor(translators: Readonly<Record<"fr" | "es", Handle<Translator>>>) {
    this.#translators = translators;
  }

  async predict({ text, to }: z.infer<typeof Input>) {
    const languages = [...new Set(to)];
    const texts = await Promise.all(languages.map((language) => this.#translators[language].translate(text)));
    return { translations: Object.fromEntries(languages.map((language, index) => [language, texts[index]])) };
  }
}

const french = { hello: "bonjour", world: "monde", the: "le", cat: "chat", sleeps: "dort" };
const spanish = { hello: "hola", world: "mundo", the: "el", cat: "gato", sleeps: "duerme" };

// One class, two deployments: each has its own replicas, and scales by its own load.
export default deployment(LanguageRouter).bind({
  fr: deployment(Translator, { name: "translate-fr", numReplicas: 2 }).bind(french),
  es: deployment(Translator, { name: "translate-es", numReplicas: 1 }).bind(spanish),
});
