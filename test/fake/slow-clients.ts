import { connect, type Socket } from "node:net";

/** What a client takes its time with: its request's head, its body, or reading the answer. */
export type Slowness = "head" | "body" | "answer";

/** How the connection of one slow client ended. */
export type SlowEnding = {
  readonly slowness: Slowness;
  /** From the connection to its close by the server. */
  readonly afterMs: number;
  /** The first line of what came; empty where nothing did. */
  readonly statusLine: string;
};

/** Between two bytes of one client. */
const DRIBBLE_MS = 500;
/** Clients are slow each for itself, not all at one moment: a part of them sends at a time. */
const PARTS = 20;
const BODY_BYTES = 10_000;

/** What each kind of client sends at once; the rest comes byte by byte, or never. */
const BEGINNINGS: Readonly<Record<Slowness, string>> = {
  head: "POST / HTTP/1.1\r\nhost: x\r\nx-slow: ",
  body: `POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${BODY_BYTES}\r\n\r\n"`,
  answer: "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
};

/** Many clients that keep a server waiting, until it has had enough of each. */
export class SlowClients {
  readonly #sockets = new Set<Socket>();
  readonly #dribbling = Array.from({ length: PARTS }, () => new Set<Socket>());
  readonly #endings: Promise<SlowEnding>[] = [];
  #tick = 0;
  readonly #timer = setInterval(() => {
    for (const socket of this.#dribbling[this.#tick++ % PARTS] ?? []) socket.write("x");
  }, DRIBBLE_MS / PARTS);

  /** Adds so many clients of a kind; `target` is the path of those that read slowly. */
  add(port: number, slowness: Slowness, count: number, target = "/"): void {
    const beginning = BEGINNINGS[slowness].replace("GET /", `GET ${target}`);
    for (let at = 0; at < count; at++) this.#endings.push(this.#open(port, slowness, beginning));
  }

  /** Resolves when the server has closed every connection. */
  ended(): Promise<readonly SlowEnding[]> {
    return Promise.all(this.#endings);
  }

  /** Closes what is left. */
  close(): void {
    clearInterval(this.#timer);
    for (const socket of this.#sockets) socket.destroy();
  }

  #open(port: number, slowness: Slowness, beginning: string): Promise<SlowEnding> {
    return new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1");
      let connectedAt = performance.now();
      let text = "";
      this.#sockets.add(socket);
      const part = this.#dribbling[this.#endings.length % PARTS];
      socket.on("connect", () => {
        connectedAt = performance.now();
        socket.write(beginning);
        if (slowness === "answer") socket.pause();
        else part?.add(socket);
      });
      socket.on("data", (chunk: Buffer) => {
        if (text.length < 100) text += chunk.toString("latin1", 0, 100);
      });
      const end = (): void => {
        this.#sockets.delete(socket);
        part?.delete(socket);
        socket.destroy();
        resolve({ slowness, afterMs: performance.now() - connectedAt, statusLine: text.split("\r\n", 1)[0] ?? "" });
      };
      // A reset is as good an end as a close.
      socket.on("error", end);
      socket.on("end", end);
      socket.on("close", end);
    });
  }
}
