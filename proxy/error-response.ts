import { STATUS_CODES } from "node:http";
import type { ServeError } from "../core/error.ts";
import { problemResponse } from "../core/problem.ts";
import type { HttpAnswer } from "./http-front.ts";

/** An error as an answer. */
export function errorAnswer(error: ServeError, requestId: string): HttpAnswer {
  const { status, headers, body } = problemResponse(error, requestId);
  return { status, headers, body: [Buffer.from(body)] };
}

/** An error as the last event of a `text/event-stream` that had begun. */
export function errorEvent(error: ServeError, requestId: string): Uint8Array {
  // JSON holds no line break, so this is one event.
  return Buffer.from(`event: error\ndata: ${problemResponse(error, requestId).body}\n\n`);
}

/** An error as raw HTTP/1.1, for a socket that nothing understood a request from; the connection is to be closed. */
export function rawErrorAnswer(error: ServeError): { readonly status: number; readonly text: string } {
  const { status, headers, body } = problemResponse(error, "");
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
  for (let at = 0; at + 1 < headers.length; at += 2) text += `${headers[at] ?? ""}: ${headers[at + 1] ?? ""}\r\n`;
  text += `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`;
  return { status, text };
}
