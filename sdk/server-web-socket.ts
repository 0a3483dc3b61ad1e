/**
 * One client's WebSocket, as a class's `websocket(socket, request)` gets it. Iterating gives the client's messages, text
 * as strings and binary ones as bytes, and ends when the connection does, however that came about; the client is
 * told to wait while messages are not taken. A loop may be left, and another goes on where it was. When `websocket` returns the connection is closed with 1000, when it throws
 * with 1011, and when the replica drains with 1001.
 *
 * @example
 * ```ts
 * import { deployment, type ServerWebSocket } from "thornback";
 *
 * class Echo {
 *   async websocket(socket: ServerWebSocket): Promise<void> {
 *     for await (const message of socket) await socket.send(message);
 *   }
 * }
 *
 * export default deployment(Echo).bind();
 * ```
 */
export interface ServerWebSocket extends AsyncIterable<string | Uint8Array> {
  /**
   * Sends a message: text for a string, binary for bytes. Resolves when there is room for the next, so awaiting it keeps
   * to the client's pace; without awaiting, messages pile up, and a client that leaves 16 MiB unread is cut off. After the
   * end of the connection it does nothing, as in a browser.
   *
   * @throws {PayloadTooLargeError} for a message of more than 1 MiB.
   */
  send(message: string | Uint8Array): Promise<void>;
  /**
   * Closes the connection, after what has been sent; iteration ends. A second call does nothing.
   *
   * @param code - 1000 (the default), another code that an endpoint may send, or one of your own from 3000 to 4999
   * @param reason - for the client to read, at most 123 bytes of UTF-8
   * @throws {RangeError} for a code or reason that cannot be sent.
   */
  close(code?: number, reason?: string): void;
}
