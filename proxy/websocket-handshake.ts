import { HandlerError, InvalidRequestError } from "../core/error.ts";
import { headerOf } from "../proto/header-of.ts";

/** What a client asks for when it asks for a WebSocket (RFC 6455 §4.2.1). */
export type Handshake = {
  /** Proof, given back in another form, that a WebSocket was meant. */
  readonly key: string;
  /** Subprotocols that it speaks, best first. */
  readonly protocols: readonly string[];
};

/** The one version of the protocol that is spoken. */
export const SOCKET_VERSION = "13";

/** Sixteen bytes in base64. */
const KEY = /^[\d+/A-Za-z]{22}==$/;
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

/**
 * Reads the headers of an upgrade.
 *
 * @throws {InvalidRequestError} when they ask for nothing that can be given.
 */
export function readHandshake(headers: readonly string[]): Handshake {
  if (headerOf(headers, "sec-websocket-version") !== SOCKET_VERSION) {
    throw new InvalidRequestError(`the WebSocket's version is not spoken here: use ${SOCKET_VERSION}`);
  }
  let key: string | undefined;
  const protocols: string[] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = (headers[at] ?? "").toLowerCase();
    const value = headers[at + 1] ?? "";
    if (name === "sec-websocket-key") {
      if (key !== undefined) throw new InvalidRequestError("the upgrade has more than one sec-websocket-key");
      key = value;
    } else if (name === "sec-websocket-protocol") {
      for (const protocol of value.split(",")) protocols.push(protocol.trim());
    }
  }
  if (key === undefined || !KEY.test(key)) {
    throw new InvalidRequestError("the upgrade's sec-websocket-key is missing or not 16 bytes in base64");
  }
  if (protocols.some((protocol) => !TOKEN.test(protocol)) || new Set(protocols).size < protocols.length) {
    throw new InvalidRequestError("the upgrade's sec-websocket-protocol is not a list of different names");
  }
  return { key, protocols };
}

/**
 * The subprotocol to be spoken: the application's choice, else the client's first, because clients that ask for some and
 * get none close again. Undefined: the client asked for none.
 *
 * @throws {HandlerError} when the application chose one that the client did not offer.
 */
export function chooseProtocol({ protocols }: Handshake, answerHeaders: readonly string[]): string | undefined {
  const chosen = headerOf(answerHeaders, "sec-websocket-protocol");
  if (chosen === undefined || protocols.includes(chosen)) return chosen ?? protocols[0];
  throw new HandlerError("the application chose a WebSocket subprotocol that the client did not offer");
}
