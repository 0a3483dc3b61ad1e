import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cancellation } from "../../core/cancellation.ts";
import { systemClock, systemDefer } from "../../core/clock.ts";
import { readDeploymentOptions } from "../../core/deployment-options.ts";
import type {
  ApplicationName,
  DeploymentId,
  DeploymentName,
  Digest,
  NodeId,
  ReplicaId,
  RequestId,
  Version,
} from "../../core/ids.ts";
import type { Logger } from "../../core/log.ts";
import { createMetrics } from "../../core/metric-registry.ts";
import { ProblemList } from "../../core/problem-list.ts";
import { systemRandom } from "../../core/random.ts";
import { listenControl, type ControlLink, type ControlServer } from "../../proto/control/link.ts";
import type {
  ChildMessage,
  ParentMessage,
  ReplicaOrder,
  ReplicaProcessReport,
  RunFile,
} from "../../proto/control/message.ts";
import { decodeValue, encodeValue } from "../../proto/codec/value.ts";
import { tcpNetwork } from "../../proto/tcp-network.ts";
import { Routers } from "../../routing/routers.ts";
import { gatherBody } from "../fake/gather-body.ts";

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const PROGRAM = new URL("../../worker/replica/main.ts", import.meta.url).pathname;

const DEPLOYMENT = "app/Main" as DeploymentId;
const COMMON = { requestId: "request-1" as RequestId, depth: 0, traceparent: "" };

type HttpHead = {
  readonly method: string;
  readonly path: string;
  readonly prefix: string;
  readonly headers: readonly string[];
  readonly timeoutMs: number;
};

/** A replica process under a stand-in for its worker. */
export class ReplicaHarness {
  readonly dataDir = mkdtempSync(join(tmpdir(), "thornback-replica-"));
  readonly messages: ChildMessage[] = [];
  /** Who it is, once ordered. */
  replicaId = "app-Main-abc";
  version = "000000000000";
  #server: ControlServer | undefined;
  #link: ControlLink | undefined;
  #child: ChildProcess | undefined;
  #watchers: (() => void)[] = [];
  #routers: Routers | undefined;
  exit: { readonly code: number | null; readonly signal: string | null } | undefined;

  /** Starts a blank and waits for its hello. */
  async start(): Promise<void> {
    for (const folder of ["run", "logs", "blobs", "bundle"]) mkdirSync(join(this.dataDir, folder));
    const controlSocket = join(this.dataDir, "run/worker.sock");
    this.#server = await listenControl(
      { clock: systemClock, random: systemRandom, log: silent },
      controlSocket,
      (_hello, link) => {
        this.#link = link;
        link.send({ kind: "welcome" });
        this.#changed();
        return { onMessage: (message) => this.#took(message), onClose: () => {} };
      },
    );
    const run: RunFile = {
      id: "blank-1",
      role: "replica",
      pid: 0,
      startTicks: 0,
      controlSocket,
      controlSecret: "secret",
      lifelineSocket: "",
      dataDir: this.dataDir,
      logLevel: "info",
      listen: { host: "127.0.0.1", port: 0 },
      proxy: undefined,
      assigned: undefined,
    };
    const file = join(this.dataDir, "run/blank-1.json");
    writeFileSync(file, JSON.stringify(run));
    const output = openSync(this.logFile, "a");
    this.#child = spawn(process.execPath, [PROGRAM, file], { stdio: ["ignore", output, output] });
    closeSync(output);
    this.#child.on("exit", (code, signal) => {
      this.exit = { code, signal };
      this.#changed();
    });
    await this.until(() => this.#link !== undefined);
  }

  get logFile(): string {
    return join(this.dataDir, "logs/replica.log");
  }

  get log(): string {
    return readFileSync(this.logFile, "utf8");
  }

  get reports(): ReplicaProcessReport[] {
    return this.messages.flatMap((message) => (message.kind === "replica" ? [message.report] : []));
  }

  /** Makes the blank a replica of `deployment` in a bundle whose app.mjs is `source`. */
  order(source: string, options: Record<string, unknown> = {}, deployment = "Main"): void {
    const bundleDir = join(this.dataDir, "bundle");
    writeFileSync(join(bundleDir, "app.mjs"), source);
    const order: ReplicaOrder = {
      replicaId: this.replicaId,
      version: this.version,
      node: "node-1",
      callSecret: "call",
      bundleDir,
      projectDir: this.dataDir,
      launch: {
        application: "app" as ApplicationName,
        deployment: deployment as DeploymentName,
        bundle: "0".repeat(64) as Digest,
        nativePackages: [],
        options: readDeploymentOptions(new ProblemList(), "", options),
        secrets: {},
        gpus: [],
      },
    };
    this.send({ kind: "order", order });
  }

  send(message: ParentMessage): void {
    this.#link?.send(message);
  }

  /** The first report in `state`. */
  async reported(state: ReplicaProcessReport["state"]): Promise<ReplicaProcessReport> {
    await this.until(() => this.reports.some((report) => report.state === state) || this.exit !== undefined);
    const report = this.reports.find((candidate) => candidate.state === state);
    if (report === undefined) throw new Error(`never ${state}: ${JSON.stringify(this.reports)} ${this.log}`);
    return report;
  }

  /** Sends an HTTP request as a proxy would, once the replica is ready. */
  async http(
    body: string | Uint8Array,
    head: Partial<HttpHead> = {},
  ): Promise<{ status: number; text: string; headers: readonly string[] }> {
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
    const headers = ["host", "example.com", "content-type", "application/json"];
    const full = { kind: "http", method: "POST", path: "/", prefix: "/", headers, ...COMMON, ...head } as const;
    const { answer } = await this.#send(full, [bytes], head.timeoutMs ?? 5_000);
    const text = Buffer.concat(await gatherBody(answer.body, Number.POSITIVE_INFINITY)).toString();
    return { status: answer.status, text, headers: answer.headers };
  }

  /** Calls a method as a handle would. */
  async call(method: string, ...args: unknown[]): Promise<unknown> {
    const head = { kind: "call", method, key: "", modelId: "", priority: 0, ...COMMON } as const;
    const { answer } = await this.#send(head, encodeValue(args), 5_000);
    return decodeValue(Buffer.concat(await gatherBody(answer.body, Number.POSITIVE_INFINITY)));
  }

  async #send(
    head: Parameters<Routers["send"]>[1]["head"],
    body: readonly Uint8Array[],
    timeoutMs: number,
  ): ReturnType<Routers["send"]> {
    const { address, maxOngoingRequests } = await this.reported("ready");
    this.#routers ??= this.#connect(address ?? { host: "", port: 0 }, maxOngoingRequests);
    const deadlineAt = systemClock.now() + timeoutMs;
    const cancellation = new Cancellation();
    const plain = { isIdempotent: false, priority: 0, key: "", modelId: "", cancellation };
    return this.#routers.send(DEPLOYMENT, { head, body: [...body], deadlineAt, ...plain });
  }

  #connect(address: { host: string; port: number }, maxOngoingRequests: number): Routers {
    const routers = new Routers(
      {
        clock: systemClock,
        random: systemRandom,
        log: silent,
        metrics: createMetrics(),
        network: tcpNetwork,
        defer: systemDefer,
      },
      "proxy",
    );
    const [id, version] = ["app-Main-abc" as ReplicaId, "000000000000" as Version];
    const where = { node: "node-1" as NodeId, zone: "", weight: 1, address };
    routers.apply({
      epoch: 1,
      version: 1,
      kind: "snapshot",
      baseVersion: 0,
      upserts: [
        {
          kind: "deployment",
          id: DEPLOYMENT,
          availability: "available",
          reason: "",
          maxQueuedRequests: 1_000,
          requestTimeoutMs: 5_000,
          maxRequestBodyBytes: 1e7,
          idempotent: false,
          routing: "leastOngoing",
        },
        { kind: "replica", id, deployment: DEPLOYMENT, version, ...where, callSecret: "call", maxOngoingRequests },
      ],
      removals: [],
    });
    return routers;
  }

  async ended(): Promise<{ readonly code: number | null; readonly signal: string | null }> {
    await this.until(() => this.exit !== undefined);
    return this.exit ?? { code: null, signal: null };
  }

  /** Resolves when `condition` holds, looked at after every event. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#watchers.push(resolve));
  }

  async close(): Promise<void> {
    this.#routers?.close();
    if (this.exit === undefined && this.#child?.pid !== undefined) {
      this.#child.kill("SIGKILL");
      await this.ended();
    }
    await this.#server?.close();
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  #took(message: ChildMessage): void {
    this.messages.push(message);
    this.#changed();
  }

  #changed(): void {
    const watchers = this.#watchers;
    this.#watchers = [];
    for (const watcher of watchers) watcher();
  }
}
