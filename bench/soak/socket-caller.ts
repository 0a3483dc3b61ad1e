import { RawSocket, rawFrame } from "../../test/fake/raw-socket.ts";
import { LEFT, type LedgerEntry } from "./ledger.ts";

const ECHO_COUNT = 20;
const ECHO_EVERY_MS = 50;
const [TEXT, CLOSE, PING, PONG] = [1, 8, 9, 10];
const NORMAL_CLOSURE = Buffer.from([1_000 >> 8, 1_000 & 0xff]);

/** One WebSocket: so many echoes of its own number, then a close; or its client just leaves after so long. */
export async function callSocket(port: number, entry: LedgerEntry, leaveAfterMs: number | undefined): Promise<void> {
  const socket = new RawSocket(port, "/streams");
  let hasLeft = false;
  const timer = leaveAfterMs === undefined ? undefined : setTimeout(() => leave(), leaveAfterMs);
  const leave = (): void => {
    hasLeft = true;
    socket.destroy();
  };
  const outcome = await echo(socket, entry.id);
  clearTimeout(timer);
  socket.destroy();
  entry.end(hasLeft ? LEFT : outcome);
}

async function echo(socket: RawSocket, id: number): Promise<string> {
  const status = /^HTTP\/1\.1 (\d+)/.exec(await socket.upgrade())?.[1] ?? "no answer";
  if (status !== "101") return status;
  for (let at = 0; at < ECHO_COUNT; at++) {
    const text = `${id} ${at}`;
    await socket.write(rawFrame({ opcode: TEXT, payload: text }));
    const read = await nextOf(socket);
    if (read.startsWith("close ")) return codeOf(read);
    if (read !== `${TEXT}:${text}`) return read === "gone" ? "cut off" : `${read} in place of ${text}`;
    await new Promise((resolve) => setTimeout(resolve, ECHO_EVERY_MS));
  }
  await socket.write(rawFrame({ opcode: CLOSE, payload: NORMAL_CLOSURE }));
  return codeOf(await nextOf(socket));
}

/** The next frame that is no ping; those are answered. */
async function nextOf(socket: RawSocket): Promise<string> {
  for (;;) {
    const read = await socket.read();
    if (!read.startsWith(`${PING}:`)) return read;
    await socket.write(rawFrame({ opcode: PONG, payload: read.slice(2) }));
  }
}

function codeOf(read: string): string {
  return /^close (\d+)/.exec(read)?.[1] ?? read;
}
