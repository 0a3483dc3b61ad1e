/** What is told of each event of a `text/event-stream`; comments are no events. */
export type EventListener = (event: ServerEvent) => void;

/** One event. */
export type ServerEvent = {
  /** `message` unless the server names another. */
  readonly name: string;
  readonly data: string;
};

const MOST_EVENT_CHARACTERS = 1024 * 1024;

/** Cuts a `text/event-stream` with `\n` line ends into its events, as far as a load needs them. */
export class EventReader {
  readonly #decoder = new TextDecoder();
  readonly #listener: EventListener;
  #held = "";

  constructor(listener: EventListener) {
    this.#listener = listener;
  }

  /** Takes the next bytes. False: an event is longer than any may be. */
  push(bytes: Uint8Array): boolean {
    const text = this.#held + this.#decoder.decode(bytes, { stream: true });
    let start = 0;
    for (;;) {
      const end = text.indexOf("\n\n", start);
      if (end < 0) break;
      this.#read(text.slice(start, end));
      start = end + 2;
    }
    this.#held = text.slice(start);
    return this.#held.length <= MOST_EVENT_CHARACTERS;
  }

  #read(text: string): void {
    let name = "message";
    const data: string[] = [];
    for (const line of text.split("\n")) {
      if (line.startsWith("data:")) data.push(line.slice(line.startsWith("data: ") ? 6 : 5));
      else if (line.startsWith("event:")) name = line.slice(6).trim();
    }
    if (data.length > 0) this.#listener({ name, data: data.join("\n") });
  }
}
