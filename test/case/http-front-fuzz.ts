/**
 * Sends the same bytes to the front on node:http and to the one on llhttp, and compares what each made of them: the requests
 * its handler got, whole, and the classes of the statuses it answered. They must agree, or the llhttp front be stricter: it
 * may refuse where the other goes on, and it may never hand on what the other does not.
 *
 * Each case is one connection per front. What was generated may leave a parser in the midst of something; a last request
 * that asks to close ends the others, and short time-outs end those. A case that disagrees is tried again by itself with
 * longer ones, so that a slow machine is not taken for a difference.
 */
import { connect } from "node:net";
import { seededRandom } from "../../core/random.ts";
import { errorAnswer } from "../../proxy/error-response.ts";
import {
  DEFAULT_FRONT_LIMITS,
  type ExchangeHandler,
  type FrontLimits,
  type HttpFront,
} from "../../proxy/http-front.ts";
import { createLlhttpFront } from "../../proxy/llhttp-front.ts";
import { createNodeFront } from "../../proxy/node-front.ts";
import { ServeError } from "../../core/error.ts";
import { RecordingLog } from "../fake/recording-log.ts";
import { requestBytes, type RequestBytes } from "../fake/request-bytes.ts";
import type { MakeFront } from "../fake/front-bed.ts";
import { gatherBody } from "../fake/gather-body.ts";

/** A case over which the fronts disagree. */
export type Disagreement = {
  /** Makes the same bytes again. */
  readonly seed: number;
  readonly hex: string;
  readonly node: Verdict;
  readonly llhttp: Verdict;
};

/** What a front made of some bytes. */
export type Verdict = { readonly requests: readonly string[]; readonly statusClasses: readonly string[] };

/** What was found. */
export type FuzzResult = {
  readonly sameCount: number;
  readonly stricterCount: number;
  /** Requests that both handed on. */
  readonly requestCount: number;
  /** Cases that at least one front refused. */
  readonly refusedCount: number;
  readonly disagreements: readonly Disagreement[];
};

const QUICK: FrontLimits = {
  ...DEFAULT_FRONT_LIMITS,
  headersTimeoutMs: 150,
  requestReadTimeoutMs: 150,
  slowBodySpanMs: 150,
  drainIdleMs: 40,
  sweepMs: 20,
};
const PATIENT: FrontLimits = { ...QUICK, headersTimeoutMs: 600, requestReadTimeoutMs: 600, slowBodySpanMs: 600 };
const MOST_BODY_BYTES = 100_000;
const LAST = Buffer.from("GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
/** A connection on which nothing happens for so long was forgotten by its front. */
const MOST_CASE_MS = 5_000;
const CASE_OF_SEED = 1_000_003;
/** More are not worth reading. */
const MOST_DISAGREEMENTS = 10;

/** Tries `count` cases made from `seed`, so many at once. */
export async function fuzzHttpFronts(
  { seed, count, concurrency }: { readonly seed: number; readonly count: number; readonly concurrency: number },
  onProgress: (done: number) => void = () => {},
): Promise<FuzzResult> {
  const quick = await Fronts.open(QUICK);
  const patient = await Fronts.open(PATIENT);
  const result = { sameCount: 0, stricterCount: 0, requestCount: 0, refusedCount: 0 };
  const disagreements: Disagreement[] = [];
  let next = 0;
  let done = 0;
  const worker = async (): Promise<void> => {
    while (next < count && disagreements.length < MOST_DISAGREEMENTS) {
      const caseSeed = (Math.imul(seed, CASE_OF_SEED) + next++) >>> 0;
      const bytes = requestBytes(seededRandom(caseSeed));
      let verdicts = await quick.judge(bytes);
      let relation = compare(verdicts);
      for (let again = 0; again < 2 && relation !== "same"; again++) {
        verdicts = await patient.judge(bytes);
        relation = compare(verdicts);
      }
      if (relation === "same") result.sameCount++;
      else if (relation === "stricter") result.stricterCount++;
      else disagreements.push({ seed: caseSeed, hex: Buffer.concat(bytes).toString("hex"), ...verdicts });
      result.requestCount += verdicts.llhttp.requests.length;
      if (verdicts.node.statusClasses.includes("4")) result.refusedCount++;
      onProgress(++done);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  quick.close();
  patient.close();
  return { ...result, disagreements };
}

/** How the llhttp front's verdict stands to the other's. */
function compare(verdicts: { node: Verdict; llhttp: Verdict }): "same" | "stricter" | "different" {
  const { node, llhttp } = verdicts;
  const isPrefix = llhttp.requests.every((request, i) => request === node.requests[i]);
  if (!isPrefix) return isClosedEarly(verdicts) ? "same" : "different";
  const isSameCount = llhttp.requests.length === node.requests.length;
  if (isSameCount && llhttp.statusClasses.join() === node.statusClasses.join()) return "same";
  const kept = llhttp.statusClasses.slice(0, -1);
  const isRefusal = llhttp.statusClasses.at(-1) === "4";
  return isRefusal && kept.every((status, i) => status === node.statusClasses[i]) ? "stricter" : "different";
}

/**
 * The front on node:http closes after a request that asked for an upgrade it does not get, and after one that asked for a
 * 100 and got none, even where there was no body to wait for: what comes behind those is not compared.
 */
function isClosedEarly({ node, llhttp }: { node: Verdict; llhttp: Verdict }): boolean {
  const isPrefix = node.requests.every((request, i) => request === llhttp.requests[i]);
  const isAnswered = node.requests.length === node.statusClasses.length;
  return isPrefix && isAnswered && /"(expect","100-continue"|upgrade",)/i.test(node.requests.at(-1) ?? "");
}

/** One front of each kind. */
class Fronts {
  readonly #node: JudgedFront;
  readonly #llhttp: JudgedFront;

  private constructor(node: JudgedFront, llhttp: JudgedFront) {
    this.#node = node;
    this.#llhttp = llhttp;
  }

  static async open(limits: FrontLimits): Promise<Fronts> {
    return new Fronts(
      await JudgedFront.open(createNodeFront, limits),
      await JudgedFront.open(createLlhttpFront, limits),
    );
  }

  async judge(bytes: RequestBytes): Promise<{ node: Verdict; llhttp: Verdict }> {
    const [node, llhttp] = await Promise.all([this.#node.judge(bytes), this.#llhttp.judge(bytes)]);
    return { node, llhttp };
  }

  close(): void {
    this.#node.close();
    this.#llhttp.close();
  }
}

/** A front, and a handler that knows by a request's connection which case it belongs to. */
class JudgedFront implements ExchangeHandler {
  readonly #front: HttpFront;
  #port = 0;
  /** By the client's address, of which each case has its own. */
  readonly #requests = new Map<string, string[]>();
  #nextAddress = 0;

  private constructor(makeFront: MakeFront, limits: FrontLimits) {
    this.#front = makeFront(this, new RecordingLog(), limits);
  }

  static async open(makeFront: MakeFront, limits: FrontLimits): Promise<JudgedFront> {
    const judged = new JudgedFront(makeFront, limits);
    const { port } = await judged.#front.listen({ address: { host: "127.0.0.1", port: 0 }, isShared: false });
    judged.#port = port;
    return judged;
  }

  async judge(bytes: RequestBytes): Promise<Verdict> {
    const localAddress = this.#takeAddress();
    const requests: string[] = [];
    this.#requests.set(localAddress, requests);
    const socket = connect({ port: this.#port, host: "127.0.0.1", localAddress, noDelay: true });
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
    // A server may reset a client that goes on after it was refused.
    socket.on("error", () => {});
    for (const piece of bytes) {
      socket.write(piece);
      // Each piece is a read of its own, as far as the kernel lets that be said.
      if (bytes.length > 1) await new Promise(setImmediate);
    }
    socket.write(LAST);
    let hasHung = false;
    socket.setTimeout(MOST_CASE_MS, () => {
      hasHung = true;
      socket.destroy();
    });
    if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
    this.#requests.delete(localAddress);
    const statusClasses = [...text.matchAll(/HTTP\/1\.1 ([2-5])\d\d /g)].map(([, status]) => status ?? "");
    if (hasHung) statusClasses.push("hung");
    return { requests, statusClasses };
  }

  async handle(exchange: Parameters<ExchangeHandler["handle"]>[0]): Promise<void> {
    const requests = this.#requests.get(exchange.remoteAddress);
    try {
      if (exchange.refusal !== undefined) throw exchange.refusal;
      const body = Buffer.concat(await gatherBody(await exchange.readBody(MOST_BODY_BYTES), MOST_BODY_BYTES));
      const { method, target, headers } = exchange;
      requests?.push(JSON.stringify({ method, target, headers, body: body.toString("latin1") }));
      exchange.answer({ status: 200, headers: [], body: [] });
    } catch (thrown) {
      exchange.answer(errorAnswer(ServeError.from(thrown), ""));
    }
  }

  handleUpgrade(exchange: Parameters<ExchangeHandler["handleUpgrade"]>[0]): Promise<void> {
    const { target, headers, refusal } = exchange;
    if (refusal !== undefined) {
      exchange.refuse(errorAnswer(refusal, ""));
      return Promise.resolve();
    }
    this.#requests.get(exchange.remoteAddress)?.push(JSON.stringify({ upgrade: true, target, headers }));
    exchange.refuse({ status: 404, headers: [], body: [] });
    return Promise.resolve();
  }

  onRefused(): void {}

  close(): void {
    this.#front.close();
  }

  /** Linux has all of 127.0.0.0/8; where there is only one address, cases are told apart no more. */
  #takeAddress(): string {
    const next = this.#nextAddress++ % (250 * 250);
    return `127.0.${1 + Math.floor(next / 250)}.${1 + (next % 250)}`;
  }
}
