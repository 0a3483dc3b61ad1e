import { WebSocket } from "ws";
import { systemRandom } from "../../core/random.ts";
import type { Clock } from "../../core/clock.ts";
import { systemClock } from "../../core/clock.ts";
import { createMetrics, type MetricRegistry } from "../../core/metric-registry.ts";
import { MOST_SOCKET_MESSAGE_BYTES } from "../../core/limits.ts";
import type { RouteEntry } from "../../core/table.ts";
import { BodyStream, isStream } from "../../proto/body.ts";
import { RECORD, RecordReader } from "../../proto/codec/record.ts";
import { writeRecord } from "../../proto/record-stream.ts";
import type { ExchangeHandler, HttpFront } from "../../proxy/http-front.ts";
import { createLlhttpFront } from "../../proxy/llhttp-front.ts";
import { createNodeFront } from "../../proxy/node-front.ts";
import { Proxy } from "../../proxy/proxy.ts";
import type { RoutedAnswer, RouterRequest } from "../../routing/routed-request.ts";
import { RecordingLog } from "./recording-log.ts";
import { routed, ScriptedRouters, type AnswerRequest } from "./scripted-routers.ts";

/** Makes a front; both there are have such a function. */
export type CreateFront = (handler: ExchangeHandler, log: RecordingLog) => HttpFront;

/** A proxy for WebSockets behind a real front, with the test in the replica's place. */
export type SocketBed = {
  readonly port: number;
  readonly proxy: Proxy;
  readonly routers: ScriptedRouters;
  readonly metrics: MetricRegistry;
  readonly log: RecordingLog;
  connect(path?: string, protocols?: string[], headers?: Record<string, string>): WebSocket;
  close(): void;
};

/** Starts a bed. */
export async function socketBed(
  createFront: CreateFront,
  answer: AnswerRequest,
  more: { readonly routes?: readonly RouteEntry[]; readonly clock?: Clock } = {},
): Promise<SocketBed> {
  const routers = new ScriptedRouters(answer, more.routes === undefined ? {} : { routes: more.routes });
  const metrics = createMetrics();
  const log = new RecordingLog();
  const clock = more.clock ?? systemClock;
  const proxy = new Proxy({
    clock,
    random: systemRandom,
    log,
    metrics,
    routers,
    nodeMetrics: () => Promise.resolve(""),
  });
  const front = createFront(proxy, log);
  const { port } = await front.listen({ address: { host: "127.0.0.1", port: 0 }, isShared: false });
  const clients: WebSocket[] = [];
  return {
    port,
    proxy,
    routers,
    metrics,
    log,
    connect(path = "/", protocols = [], headers = {}) {
      const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { headers });
      // A refusal is an event of its own; without a listener it would end the test.
      client.on("error", () => undefined);
      clients.push(client);
      return client;
    },
    close() {
      for (const client of clients) client.terminate();
      proxy.close();
      front.close();
      routers.close();
    },
  };
}

/** A replica that sends every message back, and answers a close with the same. */
export function echoSocket(request: RouterRequest): Promise<RoutedAnswer> {
  const { body: messages } = request;
  if (!isStream(messages)) throw new Error("no stream of messages");
  const answer = new BodyStream({ onConsumed() {}, onCancel: (error) => messages.cancel(error) });
  const reader = new RecordReader(MOST_SOCKET_MESSAGE_BYTES, (kind, payload) => {
    writeRecord(answer, kind, [payload]);
    if (kind === RECORD.CLOSE) answer.end();
  });
  messages.receive({
    onData(bytes) {
      reader.push(bytes);
      messages.consumed(bytes.byteLength);
    },
    onEnd: () => answer.end(),
    onError: (error) => answer.fail(error),
  });
  return Promise.resolve(routed(101, answer));
}

/** Both fronts: what a WebSocket does must not depend on who read its upgrade. */
export const FRONTS: readonly (readonly [string, CreateFront])[] = [
  ["node", createNodeFront],
  ["llhttp", createLlhttpFront],
];
