import assert from "node:assert/strict";

const url = (process.argv[2] ?? "http://127.0.0.1:8000/").replace(/^http/, "ws").replace(/\/$/, "");

/** A client that hands out messages one at a time. */
class Client {
  readonly #socket: WebSocket;
  readonly #messages: unknown[] = [];
  readonly closed: Promise<CloseEvent>;
  #notify = (): void => {};

  constructor(path: string) {
    this.#socket = new WebSocket(url + path);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.addEventListener("message", ({ data }) => {
      this.#messages.push(data);
      this.#notify();
    });
    this.closed = new Promise((resolve) => this.#socket.addEventListener("close", resolve));
  }

  async opened(): Promise<this> {
    await new Promise((resolve, reject) => {
      this.#socket.addEventListener("open", resolve);
      this.#socket.addEventListener("error", reject);
    });
    return this;
  }

  send(message: string | Uint8Array<ArrayBuffer>): void {
    this.#socket.send(message);
  }

  async next(): Promise<unknown> {
    while (this.#messages.length === 0) await new Promise<void>((resolve) => (this.#notify = resolve));
    return this.#messages.shift();
  }

  async nextEvent(): Promise<unknown> {
    return JSON.parse(String(await this.next())) as unknown;
  }

  async close(): Promise<CloseEvent> {
    this.#socket.close(1000, "done");
    return await this.closed;
  }
}

const echo = await new Client("/echo").opened();
for (const text of ["hello", "", "ü".repeat(10_000)]) {
  echo.send(text);
  assert.equal(await echo.next(), text);
}
echo.send(Uint8Array.of(1, 2, 3));
assert.deepEqual(new Uint8Array((await echo.next()) as ArrayBuffer), Uint8Array.of(1, 2, 3));
assert.equal((await echo.close()).wasClean, true);

const ada = await new Client("/rooms/tea").opened();
assert.deepEqual(await ada.nextEvent(), { joined: true, members: 1 });
const bob = await new Client("/rooms/tea").opened();
for (const member of [ada, bob]) assert.deepEqual(await member.nextEvent(), { joined: true, members: 2 });
ada.send("hello, Bob");
for (const member of [ada, bob]) assert.deepEqual(await member.nextEvent(), { message: "hello, Bob" });
await bob.close();
assert.deepEqual(await ada.nextEvent(), { joined: false, members: 1 });
await ada.close();

const lost = new Client("/nowhere");
const { code, reason } = await lost.closed;
assert.deepEqual([code, reason], [4004, "there is /echo and /rooms/NAME"]);

const plain = await fetch(url.replace(/^ws/, "http"), { method: "POST", body: "{}" });
assert.equal(plain.status, 404);

console.log("websocket: echoes of text and bytes, a room for two, a close code of its own");
