/**
 * Turns for sockets that have much to say.
 *
 * The event loop reads a socket until it is empty, up to 2 MB at once, before it comes to the next one. With eight bodies of
 * 1 MB on their way a small request waited for all eight, in the proxy and again in the replica. So who has filled
 * a whole read waits behind the others that have, and a few of them go on in each turn of the loop.
 */

/** Goes on in a turn of the loop: as much as is read and passed on in about a tenth of a millisecond. */
const READERS_A_TURN = 2;

/** Whoever has to wait for a turn. */
export interface Reader {
  goOn(): void;
}

/** First come, first served. No more than there are sockets: each waits once. */
const waiting: Reader[] = [];

/** Calls `goOn` in a later turn of the loop. */
export function waitForTurn(reader: Reader): void {
  waiting.push(reader);
  if (waiting.length === 1) setImmediate(takeTurns);
}

function takeTurns(): void {
  const now = waiting.splice(0, READERS_A_TURN);
  if (waiting.length > 0) setImmediate(takeTurns);
  for (const reader of now) reader.goOn();
}
