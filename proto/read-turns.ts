/**
 * Turns for sockets that have much to say.
 *
 * The event loop reads a socket until it is empty, up to 2 MB at once, before it comes to the next one. With eight bodies of
 * 1 MB on their way a small request waited for all eight, in the proxy and again in the replica. So large reads have
 * a budget in each turn of the loop; who comes when it is spent waits behind the others that do. Where a turn is long for
 * other reasons the budget is larger, and what is small waits little longer for it.
 */

/** Large reads in a turn with little else to do: one is read and passed on in about a tenth of a millisecond. */
const LEAST_READS = 1;
/** As much as one socket may be read at once without us. */
const MOST_READS = 32;
/** One for so much of the last turn: far more than it takes, so that reads by themselves make no turn longer. */
const TURN_MS_A_READ = 1;

/** First come, first served. No more than there are sockets: each waits once. */
const waiting: (() => void)[] = [];
let readsLeft = LEAST_READS;
let isTurnOpen = false;
let openedAt = 0;

/** Whether who has just filled a read may fill another in this turn of the loop. If not, `goOn` is called in a later one. */
export function mayReadOn(goOn: () => void): boolean {
  if (!isTurnOpen) {
    isTurnOpen = true;
    openedAt = performance.now();
    setImmediate(nextTurn);
  }
  readsLeft -= 1;
  if (readsLeft > 0) return true;
  waiting.push(goOn);
  return false;
}

function nextTurn(): void {
  const now = performance.now();
  isTurnOpen = waiting.length > 0;
  readsLeft = LEAST_READS;
  if (!isTurnOpen) return;
  readsLeft = Math.max(LEAST_READS, Math.min(MOST_READS, Math.floor((now - openedAt) / TURN_MS_A_READ)));
  openedAt = now;
  setImmediate(nextTurn);
  for (const goOn of waiting.splice(0, readsLeft)) goOn();
}
