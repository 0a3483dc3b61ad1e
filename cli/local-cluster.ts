/**
 * The supervisor behind `serve run`, `serve start` and the local head of `serve deploy`. It starts a controller and a
 * worker (or a worker alone, which joins another head), starts them again when they die, and holds the lifeline that
 * ends everything when it is gone itself.
 *
 * `idle` → `starting` (lifeline listens, processes spawned) → `ready` (controller and proxy answer) → `stopping` →
 * `ended`. A process that says it cannot work (`failed`, for instance a port in use), or dies three times before it
 * ever was ready, leads to `stopping` from anywhere. Ports that were 0 keep the number they got for its whole life.
 *
 * Stopping: the worker first, which drains what it runs; then the controller; then the lifeline is cut and whoever still
 * holds it is killed. So when `ended` resolves, no process, socket or run file is left.
 */
import path from "node:path";
import type { Clock } from "../core/clock.ts";
import { LIFELINE_EXIT_MS, SUPERVISOR_STOP_MS } from "../core/limits.ts";
import type { Address } from "../core/network.ts";
import type { ControllerConfig, LifelineUp, WorkerConfig } from "../core/process-config.ts";
import { DATA_DIR } from "../core/process-config.ts";
import type { Random } from "../core/random.ts";
import { rmSync } from "node:fs";
import { reachable } from "./address.ts";
import { claimDataDir, forget, lifelinePath, makeDataDir, removeSocketFolder, writePrivateFile } from "./data-dir.ts";
import { CliError, EXIT } from "./exit-code.ts";
import { type LifelineConnection, LifelineServer } from "./lifeline-server.ts";
import { platformOf } from "./platform.ts";
import { type ProcessFiles, killQuietly, processEnv, spawnProcess } from "./spawn-process.ts";
import { describeExit, SupervisedProcess } from "./supervised-process.ts";

/** What a cluster's processes are told. */
export type LocalClusterOptions = {
  /** Absolute. */
  readonly dataDir: string;
  /** Undefined: a worker alone, for the controller that `worker.controller` names. */
  readonly controller: Omit<ControllerConfig, "lifelineSocket"> | undefined;
  readonly worker: Omit<WorkerConfig, "lifelineSocket">;
  /** Begin with nothing, whatever the data directory holds from earlier. */
  readonly isFresh?: boolean;
};

/** What a {@link LocalCluster} works with. */
export type LocalClusterDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly files: ProcessFiles;
  readonly env: NodeJS.ProcessEnv;
  /** What a person should know: a process died and comes back. */
  readonly say: (text: string) => void;
};

/** Why a cluster ended. */
export type ClusterEnd = { readonly kind: "stopped" } | { readonly kind: "failed"; readonly error: CliError };

/** A controller and a worker on this machine; see the head of the file. */
export class LocalCluster {
  readonly #deps: LocalClusterDeps;
  readonly #options: LocalClusterOptions;
  readonly #lifeline: LifelineServer;
  readonly #socketPath: string;
  readonly #controller: SupervisedProcess;
  readonly #worker: SupervisedProcess;
  readonly #admin = Promise.withResolvers<Address>();
  readonly #http = Promise.withResolvers<Address>();
  readonly #ended = Promise.withResolvers<ClusterEnd>();
  #known: { admin?: Address; grpc?: Address; http?: Address } = {};
  #stopping: Promise<void> | undefined;
  #isForced = false;
  /** Whether the data directory is this cluster's, to clean up in the end. */
  #isClaimed = false;
  #startedAt = 0;

  constructor(deps: LocalClusterDeps, asked: LocalClusterOptions) {
    const options = withPossibleProxies(asked, deps.say);
    this.#deps = deps;
    this.#options = options;
    this.#socketPath = lifelinePath(options.dataDir);
    this.#lifeline = new LifelineServer({ onMessage: (message, from) => this.#hear(message, from) });
    this.#controller = this.#supervise("controller", () => ({
      ...this.#controllerConfig(),
      lifelineSocket: this.#socketPath,
    }));
    this.#worker = this.#supervise("worker", () => ({ ...this.#workerConfig(), lifelineSocket: this.#socketPath }));
    // Nobody need wait for either; an end says the same once more.
    this.#admin.promise.catch(() => undefined);
    this.#http.promise.catch(() => undefined);
  }

  /** Where REST answers, once it does; rejects when the cluster ends before. */
  get adminReady(): Promise<Address> {
    return this.#admin.promise;
  }

  /** Where the node's proxy answers, once it does; rejects when the cluster ends before. */
  get httpReady(): Promise<Address> {
    return this.#http.promise;
  }

  /** Where workers reach the controller; undefined until it is ready. */
  get grpc(): Address | undefined {
    return this.#known.grpc;
  }

  /** Resolves once everything is gone. */
  get ended(): Promise<ClusterEnd> {
    return this.#ended.promise;
  }

  /** Starts everything and returns at once; readiness is awaited apart. @throws {CliError} when the data directory is in use. */
  async start(): Promise<void> {
    const { dataDir, controller, isFresh } = this.#options;
    makeDataDir(dataDir);
    const listen = (): Promise<void> => this.#lifeline.listen(this.#socketPath);
    await claimDataDir(dataDir, this.#socketPath, { clock: this.#deps.clock, listen });
    this.#isClaimed = true;
    if (isFresh === true) forget(dataDir);
    this.#startedAt = this.#deps.clock.wallTime();
    if (controller !== undefined) this.#controller.start();
    this.#worker.start();
  }

  /** Drains and ends everything. */
  stop(): Promise<void> {
    return this.#endWith({ kind: "stopped" });
  }

  /** Ends everything now, also when it is stopping already. */
  kill(): Promise<void> {
    this.#isForced = true;
    void this.#worker.stop("SIGKILL");
    void this.#controller.stop("SIGKILL");
    return this.stop();
  }

  #supervise(role: "controller" | "worker", config: () => object): SupervisedProcess {
    const { clock, random, files, env, say } = this.#deps;
    const { dataDir } = this.#options;
    const configFile = path.join(dataDir, DATA_DIR.run, `${role}.json`);
    const logFile = path.join(dataDir, DATA_DIR.logs, `${role}.log`);
    return new SupervisedProcess({
      clock,
      random,
      spawn: () => {
        writePrivateFile(configFile, config());
        return spawnProcess({
          file: files[role],
          configFile,
          logFile,
          env: processEnv(env, path.join(dataDir, DATA_DIR.cache)),
        });
      },
      onStart: () => this.#record(),
      onRestart: (exit) => say(`the ${role} ${describeExit(exit)} and is started again (see ${logFile})`),
      onSpawnFailed: (thrown) => say(`the ${role} cannot be started, which is tried again: ${causeOf(thrown)}`),
      onGiveUp: (exit) => {
        const message = `the ${role} ${describeExit(exit)} whenever it was started`;
        this.#fail(new CliError(EXIT.failed, message, `its last words are in ${logFile}`));
      },
    });
  }

  #controllerConfig(): object {
    const { admin, grpc } = this.#known;
    return {
      ...this.#options.controller,
      ...(admin === undefined ? {} : { admin }),
      ...(grpc === undefined ? {} : { grpc }),
    };
  }

  #workerConfig(): object {
    const { http } = this.#known;
    return { ...this.#options.worker, ...(http === undefined ? {} : { http, hasListened: true }) };
  }

  #hear(message: LifelineUp, from: LifelineConnection): void {
    switch (message.kind) {
      case "hello":
        if (from.role === "worker" && this.#known.grpc !== undefined) this.#tellController(from, this.#known.grpc);
        return;
      case "controllerReady":
        this.#controller.markReady();
        this.#known = { ...this.#known, admin: message.admin, grpc: message.grpc };
        for (const holder of this.#lifeline.holders()) {
          if (holder.role === "worker") this.#tellController(holder, message.grpc);
        }
        this.#record();
        this.#admin.resolve(message.admin);
        return;
      case "proxyReady":
        this.#worker.markReady();
        this.#known = { ...this.#known, http: message.address };
        this.#record();
        this.#http.resolve(message.address);
        return;
      case "failed":
        this.#fail(asError(message.reason, from.role));
        return;
      case "shutdown":
        void this.stop();
    }
  }

  #tellController(worker: LifelineConnection, grpc: Address): void {
    worker.send({ kind: "controllerAddress", address: reachable(grpc) });
  }

  #fail(error: CliError): void {
    void this.#endWith({ kind: "failed", error });
  }

  /** The first reason to end counts. */
  #endWith(end: ClusterEnd): Promise<void> {
    this.#stopping ??= this.#stop(end).then(
      () => this.#ended.resolve(end),
      (thrown: unknown) => this.#ended.resolve({ kind: "failed", error: CliError.from(thrown) }),
    );
    return this.#stopping;
  }

  async #stop(end: ClusterEnd): Promise<void> {
    const { clock } = this.#deps;
    const error =
      end.kind === "failed" ? end.error : new CliError(EXIT.interrupted, "the cluster was stopped before it was ready");
    this.#admin.reject(error);
    this.#http.reject(error);
    const force = clock.after(SUPERVISOR_STOP_MS, () => {
      void this.#worker.stop("SIGKILL");
      void this.#controller.stop("SIGKILL");
    });
    await this.#worker.stop(this.#isForced ? "SIGKILL" : "SIGTERM");
    await this.#controller.stop(this.#isForced ? "SIGKILL" : "SIGTERM");
    force.cancel();
    await this.#endHolders();
    if (this.#isClaimed) this.#removeFiles();
  }

  /** Whoever holds the lifeline still is told to exit, and killed when it does not. */
  async #endHolders(): Promise<void> {
    this.#lifeline.cut();
    const killer = this.#deps.clock.after(LIFELINE_EXIT_MS, () => {
      for (const holder of this.#lifeline.holders()) killQuietly(holder.pid, "SIGKILL");
      this.#lifeline.close(this.#socketPath);
    });
    await this.#lifeline.whenEmpty();
    killer.cancel();
  }

  #record(): void {
    const { admin, grpc, http } = this.#known;
    const pids = { pid: process.pid, controllerPid: this.#controller.pid, workerPid: this.#worker.pid };
    const file = path.join(this.#options.dataDir, DATA_DIR.supervisor);
    try {
      writePrivateFile(file, { ...pids, startedAt: this.#startedAt, admin, grpc, http });
    } catch (thrown) {
      // Only other commands read it; a disk that is full must not end what is served.
      this.#deps.say(`${file} could not be written: ${causeOf(thrown)}`);
    }
  }

  #removeFiles(): void {
    const { dataDir } = this.#options;
    this.#lifeline.close(this.#socketPath);
    removeSocketFolder(this.#socketPath, dataDir);
    rmSync(path.join(dataDir, DATA_DIR.run), { recursive: true, force: true });
  }
}

/** As many proxies as this system can have on one port. */
function withPossibleProxies(options: LocalClusterOptions, say: (text: string) => void): LocalClusterOptions {
  const { worker } = options;
  if (worker.proxyCount === 1 || platformOf(process.platform).sharesPorts) return options;
  say(
    `--proxies ${String(worker.proxyCount)}: processes cannot share a port on ${process.platform}; there is one proxy`,
  );
  return { ...options, worker: { ...worker, proxyCount: 1 } };
}

/** Sorts what a process said by what to do about it: another port, another host, or reading on. */
function asError(reason: string, role: string): CliError {
  const message = reason === "" ? `the ${role} cannot start` : reason;
  if (/EADDRINUSE|in use/.test(reason)) {
    const next =
      "a cluster that runs already may be the reason: `thornback status` shows it, `thornback shutdown` ends it";
    return new CliError(EXIT.unavailable, message, next);
  }
  const isRefused = /EADDRNOTAVAIL|EACCES|ENOTFOUND/.test(reason);
  return new CliError(isRefused ? EXIT.refused : EXIT.failed, message);
}

function causeOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
