/**
 * The lifeline: a unix socket of the supervisor that each of its processes, and each of their children, holds open. One
 * line of JSON each way per message (`core/process-config.ts`). When it closes, for whichever reason, the supervisor is
 * gone and the process is to end within LIFELINE_EXIT_MS; there is no second attempt, because another supervisor would
 * start processes of its own.
 */
import { connect } from "node:net";
import type { LifelineDown, LifelineUp } from "../../core/process-config.ts";
import { createLineReader, isMessage, parseLine } from "./lines.ts";

/** A process's hold on its supervisor. */
export interface Lifeline {
  /** Messages after the close are dropped. */
  send(message: LifelineUp): void;
  /** Lets go without `onClose`; safe to call again. */
  close(): void;
}

/** What a process wants to hear from its supervisor. */
export interface LifelineListener {
  onMessage(message: LifelineDown): void;
  /** The supervisor is gone, or was never there; called at most once. */
  onClose(): void;
}

const MOST_LINE_BYTES = 64 * 1024;

/** Takes hold of the lifeline at `socketPath` and says `hello`. An empty path: the process lives on its own. */
export function connectLifeline(socketPath: string, hello: LifelineUp, listener: LifelineListener): Lifeline {
  if (socketPath === "") return { send() {}, close() {} };
  const socket = connect(socketPath);
  let isClosed = false;
  const end = (): void => {
    if (isClosed) return;
    isClosed = true;
    socket.destroy();
    listener.onClose();
  };
  const reader = createLineReader(MOST_LINE_BYTES, (line) => {
    const message = parseLine(line);
    if (!isClosed && isLifelineDown(message)) listener.onMessage(message);
  });
  const send = (message: LifelineUp): void => {
    if (!isClosed) socket.write(`${JSON.stringify(message)}\n`);
  };
  socket.on("data", (chunk: Buffer) => {
    if (!reader.push(chunk)) end();
  });
  // The close that follows every error ends the lifeline; its cause makes no difference.
  socket.on("error", () => end());
  socket.on("end", () => end());
  socket.on("close", () => end());
  send(hello);
  return {
    send,
    close() {
      isClosed = true;
      socket.destroy();
    },
  };
}

function isLifelineDown(value: unknown): value is LifelineDown {
  if (!isMessage(value) || value.kind !== "controllerAddress") return false;
  const address = value["address"];
  return (
    typeof address === "object" &&
    address !== null &&
    "host" in address &&
    typeof address.host === "string" &&
    "port" in address &&
    typeof address.port === "number"
  );
}
