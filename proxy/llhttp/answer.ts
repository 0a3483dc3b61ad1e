import { InternalError } from "../../core/error.ts";
import { byteLengthOf, isStream } from "../../proto/body.ts";
import { errorAnswer } from "../error-response.ts";
import type { HttpAnswer } from "../http-front.ts";
import { headerOf } from "../../proto/header-of.ts";
import { answerHead } from "./answer-head.ts";
import { StreamedAnswer } from "./streamed-answer.ts";
import type { Wire } from "./wire.ts";

/** Answers up to this leave as one string together with their head; more is cheaper by reference. */
const ONE_WRITE_BYTES = 4_096;

/** What of a request decides how its answer is framed. */
export type AnsweredRequest = {
  readonly method: string;
  readonly isHttp10: boolean;
  readonly isKeepAlive: boolean;
};

/** Whether an answer ends where its connection does: HTTP/1.0 has no chunks. */
export function isEndedByClose({ body }: HttpAnswer, isHttp10: boolean): boolean {
  return isHttp10 && isStream(body) && body.length === undefined;
}

/** Writes an answer. One that streams is returned and is to be started; others have been handed to the socket whole. */
export function writeAnswer(wire: Wire, answer: HttpAnswer, request: AnsweredRequest): StreamedAnswer | undefined {
  const { status, headers, body } = answer;
  const mayHaveBody = status !== 204 && status !== 304;
  const isHead = request.method === "HEAD";
  if (!isStream(body)) {
    writeWhole(wire, { status, headers, body: mayHaveBody ? body : undefined }, request);
    return undefined;
  }
  const head = answerHead(status, headers, isHead && body.length === undefined);
  if (head === undefined) {
    body.cancel(unsendable());
    writeWhole(wire, errorAnswer(unsendable(), "") as WholeAnswer, request);
    return undefined;
  }
  const length = mayHaveBody && body.length !== undefined ? `content-length: ${body.length}\r\n` : "";
  if (!mayHaveBody || isHead) {
    body.cancel(new InternalError("the answer's body was not asked for"));
    wire.write(`${head}${length}${wire.connectionLines(request.isKeepAlive)}\r\n`);
    return undefined;
  }
  const isChunked = length === "" && !request.isHttp10;
  const framing = isChunked ? "transfer-encoding: chunked\r\n" : length;
  const text = `${head}${framing}${wire.connectionLines(request.isKeepAlive)}\r\n`;
  return new StreamedAnswer(wire, { head: text, body, isChunked, lastWords: answer.lastWords });
}

/** `body` undefined: the status allows none, nor a length. */
type WholeAnswer = {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: readonly Uint8Array[] | undefined;
};

function writeWhole(wire: Wire, { status, headers, body }: WholeAnswer, request: AnsweredRequest): void {
  const bytes = body === undefined ? 0 : byteLengthOf(body);
  const isHead = request.method === "HEAD";
  // An answer to HEAD may name the length that GET would have.
  const isLengthTheirs = isHead && (bytes === 0 || headerOf(headers, "content-length") !== undefined);
  const head = answerHead(status, headers, isLengthTheirs);
  if (head === undefined) {
    writeWhole(wire, errorAnswer(unsendable(), "") as WholeAnswer, request);
    return;
  }
  const length = body === undefined || isLengthTheirs ? "" : `content-length: ${bytes}\r\n`;
  const text = `${head}${length}${wire.connectionLines(request.isKeepAlive)}\r\n`;
  if (body === undefined || isHead || bytes === 0) wire.write(text);
  else if (bytes <= ONE_WRITE_BYTES) wire.write(text + latin1(body));
  else wire.writeParts(text, body);
}

function unsendable(): InternalError {
  return new InternalError("the deployment's answer has a status or a header that HTTP forbids");
}

/** Bytes as a text of as many characters. */
function latin1(body: readonly Uint8Array[]): string {
  let text = "";
  for (const part of body) text += latin1Text(part);
  return text;
}

function latin1Text(bytes: Uint8Array): string {
  const buffer = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return buffer.toString("latin1");
}
