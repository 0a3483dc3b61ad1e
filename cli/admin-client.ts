import { request as httpRequest, type IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { ReadableStream } from "node:stream/web";
import type { ApplicationSpec } from "../core/spec.ts";
import type { ApplicationStatusView, ClusterStatus, DemandView } from "../core/status.ts";
import type { Problem } from "../core/error.ts";
import type { DrainAnswer, Explanation, PutAnswer, ScaleAnswer } from "../sdk/admin-client.ts";
import { CliError, EXIT, withProblems } from "./exit-code.ts";

/** A command waits so long for one answer; uploads are not bounded by it while bytes flow. */
const IDLE_TIMEOUT_MS = 30_000;

/** Bytes to send: in memory, or (a blob of a file) read while they are sent. */
export type UploadBody = Uint8Array | Blob;

/** How many there are. */
export function bodyBytes(body: UploadBody): number {
  return body instanceof Uint8Array ? body.byteLength : body.size;
}

/**
 * Speaks REST to a controller's admin port, and turns what goes wrong into errors for people. Apart from the one of the
 * SDK, whose `fetch` takes 20 ms longer to load and has no bound on an answer that does not come.
 */
export class AdminClient {
  readonly address: string;
  readonly #token: string | undefined;

  constructor(address: string, token: string | undefined) {
    this.address = address;
    this.#token = token;
  }

  status(): Promise<ClusterStatus> {
    return this.#json("GET", "status");
  }

  /** Undefined: there is none of that name. */
  async application(name: string): Promise<ApplicationStatusView | undefined> {
    const answer = await this.#send("GET", `applications/${encodeURIComponent(name)}`);
    if (answer.status === 404) return undefined;
    return this.#parse(answer) as ApplicationStatusView;
  }

  putApplication(spec: ApplicationSpec, secrets: Readonly<Record<string, string>>, plan: boolean): Promise<PutAnswer> {
    const body = Buffer.from(JSON.stringify({ spec, secrets }));
    return this.#json("PUT", `applications/${encodeURIComponent(spec.name)}${plan ? "?plan=true" : ""}`, body);
  }

  async deleteApplication(name: string): Promise<void> {
    await this.#json("DELETE", `applications/${encodeURIComponent(name)}`);
  }

  async hasBlob(digest: string): Promise<boolean> {
    const answer = await this.#send("HEAD", `bundles/${digest}`);
    if (answer.status === 404) return false;
    this.#parse(answer);
    return true;
  }

  async putBlob(digest: string, body: UploadBody): Promise<void> {
    await this.#json("PUT", `bundles/${digest}`, body);
  }

  explain(application: string, deployment: string): Promise<Explanation> {
    const name = `${encodeURIComponent(application)}/deployments/${encodeURIComponent(deployment)}`;
    return this.#json("GET", `applications/${name}/explain`);
  }

  /** Asks for a node to be emptied by a deadline. */
  drainNode(node: string, deadlineMs: number): Promise<DrainAnswer> {
    return this.#json("POST", `nodes/${encodeURIComponent(node)}/drain`, jsonBody({ deadlineMs }));
  }

  async undrainNode(node: string): Promise<void> {
    await this.#json("POST", `nodes/${encodeURIComponent(node)}/undrain`);
  }

  demand(): Promise<DemandView> {
    return this.#json("GET", "demand");
  }

  scale(application: string, deployment: string, replicas: number): Promise<ScaleAnswer> {
    const name = `${encodeURIComponent(application)}/deployments/${encodeURIComponent(deployment)}`;
    return this.#json("POST", `applications/${name}/scale`, jsonBody({ replicas }));
  }

  rollback(application: string, version: string | undefined): Promise<PutAnswer> {
    return this.#json("POST", `applications/${encodeURIComponent(application)}/rollback`, jsonBody({ version }));
  }

  async rollout(application: string, action: string): Promise<void> {
    await this.#json("POST", `applications/${encodeURIComponent(application)}/rollout`, jsonBody({ action }));
  }

  /** The newest log lines, parsed; `deployment` as `application/deployment`, empty for all. */
  async logs(deployment: string, lines: number): Promise<readonly Record<string, unknown>[]> {
    const query = `${deployment === "" ? "" : `deployment=${encodeURIComponent(deployment)}&`}lines=${String(lines)}`;
    const answer: { lines: readonly Record<string, unknown>[] } = await this.#json("GET", `logs?${query}`);
    return answer.lines;
  }

  async shutdown(): Promise<void> {
    await this.#json("POST", "shutdown");
  }

  /** Whether anything answers at the address, whatever it says. */
  async answers(): Promise<boolean> {
    try {
      await this.#send("GET", "status");
      return true;
    } catch (error) {
      if (error instanceof CliError && error.exitCode === EXIT.unavailable) return false;
      throw error;
    }
  }

  async #json<T>(method: string, path: string, body?: UploadBody): Promise<T> {
    return this.#parse(await this.#send(method, path, body)) as T;
  }

  async #send(method: string, path: string, body?: UploadBody): Promise<Answer> {
    const url = new URL(`/api/v1/${path}`, this.address);
    const headers: Record<string, string> = { accept: "application/json" };
    if (this.#token !== undefined) headers["authorization"] = `Bearer ${this.#token}`;
    if (body !== undefined) {
      headers["content-type"] = path.startsWith("bundles/") ? "application/octet-stream" : "application/json";
      headers["content-length"] = String(bodyBytes(body));
    }
    // TLS is loaded only where it is asked for: it costs more than the whole request.
    const request = url.protocol === "https:" ? (await import("node:https")).request : httpRequest;
    try {
      return await exchange((onAnswer) => request(url, { method, headers, timeout: IDLE_TIMEOUT_MS }, onAnswer), body);
    } catch (error) {
      throw unreachable(this.address, error);
    }
  }

  #parse(answer: Answer): unknown {
    const value = parseBody(answer);
    if (answer.status >= 200 && answer.status < 300) return value;
    const problem = (typeof value === "object" && value !== null ? value : {}) as ProblemBody;
    const detail = problem.detail ?? `the controller at ${this.address} answered with status ${String(answer.status)}`;
    const message = withProblems(detail, problem.problems);
    if (answer.status === 401 || answer.status === 403) {
      throw new CliError(EXIT.notAllowed, message, "pass --token-file with the file that holds the cluster's token");
    }
    throw new CliError(EXIT.failed, message);
  }
}

function jsonBody(value: unknown): UploadBody {
  return Buffer.from(JSON.stringify(value));
}

type Answer = { readonly status: number; readonly body: Buffer };

type ProblemBody = {
  readonly detail?: string;
  readonly problems?: readonly Problem[];
};

function parseBody(answer: Answer): unknown {
  if (answer.body.length === 0) return undefined;
  try {
    return JSON.parse(answer.body.toString("utf8"));
  } catch (error) {
    // Something else than a controller answers there; the status says enough.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function exchange(
  start: (onAnswer: (incoming: IncomingMessage) => void) => ReturnType<typeof httpRequest>,
  body: UploadBody | undefined,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = start((incoming) => {
      buffer(incoming).then((bytes) => resolve({ status: incoming.statusCode ?? 0, body: bytes }), reject);
    });
    request.on("error", reject);
    request.on("timeout", () => request.destroy(new Error(`no answer for ${String(IDLE_TIMEOUT_MS / 1_000)} seconds`)));
    if (body === undefined || body instanceof Uint8Array) {
      request.end(body);
      return;
    }
    Readable.fromWeb(body.stream() as ReadableStream)
      .on("error", reject)
      .pipe(request);
  });
}

function unreachable(address: string, error: unknown): CliError {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  const cause = error instanceof Error && error.message !== "" ? error.message : code;
  const next = "start a cluster with `thornback start` or `thornback run app.ts`, or pass --address with its admin URL";
  return new CliError(EXIT.unavailable, `nothing answers at ${address} (${cause})`, next, { cause: error });
}
