/** Files of a new project, by path. */
export type ProjectFiles = Readonly<Record<string, string>>;

/** A small project that runs: `npm install`, then `npm start`. */
export function projectFiles(name: string, version: string): ProjectFiles {
  const packageFile = {
    name,
    private: true,
    type: "module",
    scripts: { start: "thornback run app.ts --reload", deploy: "thornback deploy app.ts", typecheck: "tsc" },
    dependencies: { thornback: `^${version}` },
    devDependencies: { "@types/node": "^24.0.0", typescript: "^6.0.0" },
    // Newer npm runs install scripts only where they are allowed; esbuild's puts its program in place.
    allowScripts: { esbuild: true },
  };
  return {
    "package.json": `${JSON.stringify(packageFile, undefined, 2)}\n`,
    "tsconfig.json": TSCONFIG,
    "app.ts": APP,
    "README.md": README.replaceAll("NAME", name),
    ".gitignore": "node_modules/\n.thornback/\n",
  };
}

const TSCONFIG = `{
  "compilerOptions": {
    "target": "es2024",
    "module": "nodenext",
    "lib": ["es2024", "esnext.disposable", "dom", "dom.iterable"],
    "types": ["node"],
    "strict": true,
    "erasableSyntaxOnly": true,
    "verbatimModuleSyntax": true,
    "allowImportingTsExtensions": true,
    "skipLibCheck": true,
    "noEmit": true
  },
  "include": ["*.ts"]
}
`;

const APP = `import { batch, deployment, type Handle } from "thornback";

/** Stands in for a model: one run over many texts costs little more than one over a single text. */
class Sentiment {
  score = batch({ maxBatchSize: 32 }, async (texts: string[]): Promise<number[]> => {
    return texts.map((text) => (text.match(/good|great|love/gi)?.length ?? 0) - (text.match(/bad|awful|hate/gi)?.length ?? 0));
  });
}

/** What HTTP requests reach: POST / with {"text": "..."}. */
class Api {
  readonly #sentiment: Handle<Sentiment>;

  constructor(sentiment: Handle<Sentiment>) {
    this.#sentiment = sentiment;
  }

  async predict(input: { text: string }): Promise<{ score: number }> {
    return { score: await this.#sentiment.score(input.text) };
  }
}

const sentiment = deployment(Sentiment, { numReplicas: 2 });
export default deployment(Api).bind(sentiment.bind());
`;

const README = `# NAME

    npm install
    npm start

Then, in another terminal:

    curl -s localhost:8000 -H 'content-type: application/json' -d '{"text": "I love it, great!"}'

\`npm start\` serves \`app.ts\` on this machine until Ctrl-C, and again whenever a file changes. \`npm run deploy\` puts it on a
cluster in the background (\`npx thornback status\` shows it, \`npx thornback shutdown\` ends it).
`;
