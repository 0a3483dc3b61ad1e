/**
 * The work that every design does, so that what differs between them is the way to it and nothing else: about 1 KB of
 * JSON in, or bytes; about 250 bytes of JSON out; or a stream of tokens.
 */

/** The JSON body of a small request. */
export type WorkInput = { readonly id: number; readonly pixels: readonly number[]; readonly note: string };

/** Its answer. */
export type WorkAnswer = { readonly id: number; readonly label: string; readonly scores: readonly number[] };

/** What a stream is asked for: so many tokens, one every `everyMs`, or 0 for one a turn of the event loop. */
export type StreamInput = { readonly tokens: number; readonly everyMs: number };

/** One token; `dueAt` is the wall clock's time at which it was due, with fractions of a millisecond. */
export type Token = {
  readonly token: string;
  readonly index: number;
  readonly logprob: number;
  readonly dueAt: number;
};

const SCORES = Array.from({ length: 10 }, (_, i) => (i + 1) * 0.098_765_432_1);

/** Answers a small request. */
export function answerTo(input: WorkInput): WorkAnswer {
  return { id: input.id, label: `seen-${String(input.pixels.length)}`, scores: SCORES };
}

/** Answers bytes. */
export function answerToBytes(bytes: Uint8Array): WorkAnswer {
  return { id: bytes[0] ?? 0, label: `seen-${String(bytes.byteLength)}`, scores: SCORES };
}

/** All streams of a process step together, as a language model decodes: one token for each, then the next step. */
export async function* tokens({ tokens: count, everyMs }: StreamInput): AsyncGenerator<Token> {
  for (let index = 0; index < count; index++) {
    const dueAt = everyMs === 0 ? await nextTurn() : await nextStep(everyMs);
    yield { token: `tok${String(index)}`, index, logprob: -0.123_456_7, dueAt };
  }
}

let turn: Promise<number> | undefined;

function nextTurn(): Promise<number> {
  turn ??= new Promise((resolve) => {
    setImmediate(() => {
      turn = undefined;
      resolve(performance.timeOrigin + performance.now());
    });
  });
  return turn;
}

let step: Promise<number> | undefined;
let lastStepAt = 0;

/** The next whole multiple of `everyMs` on this process's clock. */
function nextStep(everyMs: number): Promise<number> {
  step ??= new Promise((resolve) => {
    const now = performance.now();
    // A timer may be a little early, and a step must not be taken twice.
    const dueAt = Math.max((Math.floor(now / everyMs) + 1) * everyMs, lastStepAt + everyMs);
    setTimeout(() => {
      step = undefined;
      lastStepAt = dueAt;
      resolve(performance.timeOrigin + dueAt);
    }, dueAt - now);
  });
  return step;
}

/** About 1 KB. */
export function smallBody(): string {
  const pixels = Array.from({ length: 64 }, (_, i) => (i * 7) % 17);
  const input: WorkInput = { id: 7, pixels, note: "" };
  return JSON.stringify({ ...input, note: "n".repeat(1_024 - JSON.stringify(input).length) });
}
