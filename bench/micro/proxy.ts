/**
 * What the proxy itself costs per request: `Proxy.handle` with an exchange and routers that do nothing.
 *
 *     node --conditions=thornback-source bench/micro/proxy.ts
 */
import { Cancellation } from "../../core/cancellation.ts";
import { systemClock, systemDefer } from "../../core/clock.ts";
import type { Version } from "../../core/ids.ts";
import { createMetrics } from "../../core/metric-registry.ts";
import { systemRandom } from "../../core/random.ts";
import type { HttpAnswer, HttpExchange } from "../../proxy/http-front.ts";
import { Proxy } from "../../proxy/proxy.ts";
import { Routers } from "../../routing/routers.ts";
import type { RoutedAnswer } from "../../routing/routed-request.ts";
import { tcpNetwork } from "../../proto/tcp-network.ts";
import { RecordingLog } from "../../test/fake/recording-log.ts";
import { deploymentEntry, routeEntry, snapshot } from "../../test/fake/table.ts";

const ROUNDS = 9;
const REQUESTS_PER_ROUND = 100_000;
const BODY = [Buffer.alloc(1_024, "x")];
const ROUTED: RoutedAnswer = {
  answer: { status: 200, headers: ["content-type", "application/json"], body: BODY },
  version: "v1" as Version,
};

/** What curl and browsers' fetch send, about. */
const HEADERS = [
  ...["Host", "127.0.0.1:8000", "User-Agent", "bench/1.0", "Accept", "*/*", "Accept-Encoding", "gzip, deflate"],
  ...["Connection", "keep-alive", "Content-Type", "application/json", "Content-Length", "1024"],
];

class NoRouters extends Routers {
  override send(): Promise<RoutedAnswer> {
    return Promise.resolve(ROUTED);
  }
}

/** As a front makes them: one per request, with strings of their own, as a parser would. */
class FakeExchange implements HttpExchange {
  readonly method = "POST";
  readonly target: string;
  readonly headers: readonly string[];
  readonly remoteAddress = "127.0.0.1";
  readonly cancellation = new Cancellation();
  readonly refusal = undefined;
  sent: HttpAnswer | undefined;

  constructor(bytes: Buffer, headers: readonly string[]) {
    this.target = bytes.toString("latin1");
    this.headers = headers;
  }

  readBody(): Promise<readonly Uint8Array[]> {
    return Promise.resolve(BODY);
  }

  answer(answer: HttpAnswer): void {
    this.sent = answer;
  }
}

const seams = { clock: systemClock, random: systemRandom, log: new RecordingLog(), metrics: createMetrics() };
const routers = new NoRouters({ ...seams, network: tcpNetwork, defer: systemDefer }, "proxy");
routers.apply(snapshot(1, [routeEntry("/digits/v2", { ingressKind: "predict" }), routeEntry("/"), deploymentEntry()]));
const proxy = new Proxy({ ...seams, routers, nodeMetrics: () => Promise.resolve("") });
const target = Buffer.from("/digits/v2");
const headerBytes = HEADERS.map((text) => Buffer.from(text));

async function round(isHandled: boolean): Promise<number> {
  const startedAt = performance.now();
  for (let count = 0; count < REQUESTS_PER_ROUND; count++) {
    const exchange = new FakeExchange(
      target,
      headerBytes.map((bytes) => bytes.toString("latin1")),
    );
    if (isHandled) await proxy.handle(exchange);
    else await exchange.readBody();
  }
  return ((performance.now() - startedAt) * 1e6) / REQUESTS_PER_ROUND;
}

const figures: number[] = [];
for (let count = 0; count < ROUNDS; count++) figures.push((await round(true)) - (await round(false)));
figures.sort((one, other) => one - other);
const [least = 0] = figures;
const median = figures[ROUNDS >> 1] ?? 0;
console.log(`Proxy.handle: ${median.toFixed(0)} ns per request (median of ${ROUNDS}; least ${least.toFixed(0)})`);
