import { InvalidRequestError, NotFoundError, type ServeError } from "../../core/error.ts";
import type { RequestScope } from "../../core/request-scope.ts";
import { isStream, type Body } from "../../proto/body.ts";
import type { Answer, HttpRequestHead } from "../../proto/exchange.ts";
import { toRequest } from "./light-request.ts";
import { ServerSocket } from "./server-socket.ts";

/** Close codes of RFC 6455. */
const [NORMAL, GOING_AWAY, INTERNAL_ERROR] = [1000, 1001, 1011];

/** What a WebSocket ingress is made of. */
export type WebSocketIngressDeps = {
  readonly deployment: string;
  /** The user's `websocket`; undefined: its class has none. */
  readonly handler: ((socket: ServerSocket, request: Request) => unknown) | undefined;
};

/** A replica's WebSockets, each with the user's handler at work on it. */
export class WebSocketIngress {
  readonly #deps: WebSocketIngressDeps;
  /** As many as the replica has slots, at most. */
  readonly #open = new Set<ServerSocket>();
  #isGoingAway = false;

  constructor(deps: WebSocketIngressDeps) {
    this.#deps = deps;
  }

  /** Whether the class takes WebSockets. */
  get isOffered(): boolean {
    return this.#deps.handler !== undefined;
  }

  /**
   * Calls the handler, and answers at once: the handler runs for as long as the connection lasts. `onFailure` hears what
   * it throws.
   *
   * @throws {NotFoundError} when the class takes no WebSockets.
   */
  open(
    head: HttpRequestHead,
    body: Body,
    { cancellation }: RequestScope,
    onFailure: (thrown: unknown) => ServeError,
  ): Answer {
    const { deployment, handler } = this.#deps;
    if (handler === undefined) {
      const text = `${deployment} takes no WebSockets: give its class a method websocket(socket, request)`;
      throw new NotFoundError("route_not_found", text);
    }
    if (!isStream(body)) throw new InvalidRequestError("a WebSocket came without its messages");
    const request = toRequest(head, [], cancellation);
    const socket = new ServerSocket(body);
    this.#open.add(socket);
    const handle = async (): Promise<void> => void (await handler(socket, request));
    const ended = handle().then(
      () => socket.close(NORMAL),
      (thrown: unknown) => {
        onFailure(thrown);
        socket.close(INTERNAL_ERROR, "internal error");
      },
    );
    void ended.then(() => this.#open.delete(socket));
    if (this.#isGoingAway) socket.close(GOING_AWAY, "going away");
    return { status: 101, headers: [], body: socket.sent };
  }

  /** Closes every connection: the replica drains, and clients are to come back elsewhere. */
  goAway(): void {
    this.#isGoingAway = true;
    for (const socket of this.#open) socket.close(GOING_AWAY, "going away");
  }
}
