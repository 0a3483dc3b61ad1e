import { HandlerError } from "../../core/error.ts";
import { MOST_REPLAYED_BODY_BYTES } from "../../core/limits.ts";
import type { BodyStream } from "../../proto/body.ts";
import type { Answer } from "../../proto/exchange.ts";
import { pumpBody, type PumpOptions } from "./body-pump.ts";
import { lightAnswer } from "./light-response.ts";

/** Whether something is a Response, of whichever copy of the class. */
export function isResponse(value: unknown): value is Response {
  if (value instanceof Response) return true;
  if (typeof value !== "object" || value === null) return false;
  const { status, headers, arrayBuffer } = value as Partial<Response>;
  return typeof status === "number" && typeof headers === "object" && typeof arrayBuffer === "function";
}

/**
 * A Response as an answer: whole where its body is known or has ended by the time its first chunk is here, otherwise a
 * stream that is read no faster than the client takes it.
 *
 * @throws {HandlerError} when it has no usable status.
 */
export async function fromResponse(
  response: Response,
  pump: Pick<PumpOptions, "toError" | "cancellation">,
): Promise<Answer> {
  const light = lightAnswer(response);
  if (light !== undefined) return light;
  const { status } = response;
  if (!(status >= 200 && status <= 599)) throw new HandlerError(`a Response with status ${status} cannot be sent`);
  const headers: string[] = [];
  for (const [name, value] of response.headers) headers.push(name, value);
  if (response.body === null || response.body === undefined) return { status, headers, body: [] };
  const reader: ReadableStreamDefaultReader<unknown> = response.body.getReader();
  const length = contentLength(response);
  if (length !== undefined && length <= MOST_REPLAYED_BODY_BYTES) {
    return { status, headers, body: await gathered(reader, pump) };
  }
  const opening = new Opening(reader, pump);
  const first = await opening.first();
  if (first.done) return { status, headers, body: [] };
  const second = await opening.second();
  if (second?.done === true) return { status, headers, body: [bytesOfChunk(first.value)] };
  const source = {
    next: () => opening.next(),
    stop: (reason: unknown) => reader.cancel(reason),
  };
  return { status, headers, body: await pumpBody({ source, write: writeChunk, length, ...pump }) };
}

type Chunk = { readonly done: boolean; readonly value?: unknown };

/** Turns of the microtask queue that a body which has already ended needs to say so; web streams take three or four. */
const MOST_TURNS = 8;

/** The first two chunks of a body: a body of one chunk is sent whole, any other from its first chunk on. */
class Opening {
  readonly #reader: ReadableStreamDefaultReader<unknown>;
  readonly #unsubscribe: () => void;
  #first: Chunk | undefined;
  #second: Promise<Chunk> | undefined;

  constructor(reader: ReadableStreamDefaultReader<unknown>, { cancellation }: Pick<PumpOptions, "cancellation">) {
    this.#reader = reader;
    this.#unsubscribe = cancellation.onCancel((reason) => void reader.cancel(reason).catch(() => undefined));
  }

  async first(): Promise<Chunk> {
    try {
      this.#first = await this.#reader.read();
      return this.#first;
    } finally {
      this.#unsubscribe();
    }
  }

  /** The second chunk if it is known already that there is one, or none; undefined when that will take longer. */
  async second(): Promise<Chunk | undefined> {
    let result: Chunk | undefined;
    const mark = (chunk: Chunk): void => {
      result = chunk;
    };
    this.#second = this.#reader.read();
    // What it rejects with is told to whoever takes it.
    this.#second.then(mark, () => undefined);
    for (let turn = 0; turn < MOST_TURNS && result === undefined; turn++) await undefined;
    return result;
  }

  /** All chunks from the first on. */
  next(): Promise<Chunk> | Chunk {
    const next = this.#first ?? this.#second;
    if (next === undefined) return this.#reader.read();
    if (this.#first === undefined) this.#second = undefined;
    else this.#first = undefined;
    return next;
  }
}

/** All of a body that is known to be short. */
async function gathered(
  reader: ReadableStreamDefaultReader<unknown>,
  { cancellation }: Pick<PumpOptions, "cancellation">,
): Promise<readonly Uint8Array[]> {
  const unsubscribe = cancellation.onCancel((reason) => void reader.cancel(reason).catch(() => undefined));
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      const part = bytesOfChunk(chunk.value);
      bytes += part.byteLength;
      if (bytes > MOST_REPLAYED_BODY_BYTES) throw new HandlerError("a Response is longer than its content-length says");
      chunks.push(part);
    }
    return chunks;
  } catch (error) {
    await reader.cancel(error).catch(() => undefined);
    throw error;
  } finally {
    unsubscribe();
  }
}

function contentLength(response: Response): number | undefined {
  const text = response.headers.get("content-length");
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function writeChunk(body: BodyStream, chunk: unknown): void {
  body.write(bytesOfChunk(chunk));
}

function bytesOfChunk(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  if (!ArrayBuffer.isView(chunk)) throw new HandlerError("the body of a Response gave something other than bytes");
  return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
