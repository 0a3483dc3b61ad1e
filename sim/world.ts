import type { Random } from "../core/random.ts";
import type { Check, Violation } from "./check/check.ts";
import type { EventSink, SimEvent } from "./event.ts";
import { streamOf } from "./seed.ts";
import { runSteps, SimClock } from "./sim-clock.ts";
import { SimNet } from "./sim-net.ts";
import { SimProcess } from "./sim-process.ts";
import { CALM, Topology } from "./topology.ts";
import { Transcript } from "./transcript.ts";

/**
 * What everything in a simulated world shares: time, network, processes, and the stream of facts that transcript and
 * checks are fed with. `run` is the loop: one event, then the barrier that lets all microtasks it started come to rest.
 */

/** What a world is made from. */
export type WorldOptions = {
  readonly seed: number;
  readonly checks: readonly Check[];
  /** Gets every line of the transcript, and every line that production code logs. */
  readonly onLine?: ((line: string) => void) | undefined;
};

/** Lines of a stack that are kept: where something was thrown. */
const STACK_LINES = 2;

/** The simulated world. */
export class World {
  readonly seed: number;
  readonly clock = new SimClock();
  readonly topology: Topology;
  readonly net: SimNet;
  readonly transcript: Transcript;
  readonly onLine: ((line: string) => void) | undefined;
  readonly emit: EventSink = (event) => this.#take(event);
  readonly #checks: readonly Check[];
  readonly #violations: Violation[] = [];
  readonly #endListeners: (() => void)[] = [];
  #nextPid = 1_000;

  constructor(options: WorldOptions) {
    const { seed, checks, onLine } = options;
    this.seed = seed;
    this.onLine = onLine;
    this.#checks = checks;
    this.transcript = new Transcript(onLine);
    this.topology = new Topology(this.random("latency"), CALM);
    this.net = new SimNet({ clock: this.clock, random: this.random("net"), topology: this.topology });
  }

  /** What the checks found so far; a run ends with the first. */
  get violations(): readonly Violation[] {
    return this.#violations;
  }

  /** The generator of one concern. */
  random(name: string): Random {
    return streamOf(this.seed, name);
  }

  /** Starts a process on a machine; `role` is for the transcript. */
  createProcess(host: string, role: string): SimProcess {
    const pid = this.#nextPid++;
    const process = new SimProcess({ clock: this.clock, seed: this.seed, name: `${role}-${pid}`, host, pid });
    this.emit({ kind: "processStarted", process: process.name, node: host, role });
    process.onDeath(({ exitCode, signal, isSilent }) => {
      const reason = isSilent
        ? "power lost"
        : exitCode === undefined
          ? `killed by ${signal}`
          : `exited with ${exitCode}`;
      this.emit({ kind: "processEnded", process: process.name, node: host, reason });
    });
    return process;
  }

  /** Runs events until `untilMs`, the first violation, or `isOver`. */
  async run(untilMs: number, isOver: () => boolean = () => false): Promise<void> {
    const onRejection = (reason: unknown): void => this.#uncaught(reason);
    // Errors are a part of normal operation here, and their stacks cost more than all else about them.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = STACK_LINES;
    process.on("unhandledRejection", onRejection);
    try {
      await runSteps(() => this.#violations.length === 0 && !isOver() && this.#step(untilMs));
      if (this.#violations.length === 0 && !isOver()) this.clock.skipTo(untilMs);
    } finally {
      process.off("unhandledRejection", onRejection);
      Error.stackTraceLimit = stackTraceLimit;
    }
  }

  /** Calls back when a run has come to its end, before the checks are asked for the last time. */
  onEnd(listener: () => void): void {
    this.#endListeners.push(listener);
  }

  /** Asks every check for what is wrong in the end. */
  end(): void {
    for (const listener of this.#endListeners) listener();
    const at = this.clock.now();
    for (const check of this.#checks) {
      const message = check.atEnd(at);
      if (message !== undefined) this.#violations.push({ check: check.name, at, message });
    }
  }

  #step(untilMs: number): boolean {
    try {
      return this.clock.step(untilMs);
    } catch (error) {
      this.#uncaught(error);
      return true;
    }
  }

  #uncaught(error: unknown): void {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.onLine?.(stack);
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const where = stack.split("\n").find((line) => line.trim().startsWith("at "));
    this.emit({ kind: "uncaught", message: `${message}${where === undefined ? "" : ` ${where.trim()}`}` });
  }

  #take(event: SimEvent): void {
    const at = this.clock.now();
    this.transcript.write(at, event);
    for (const check of this.#checks) {
      const message = check.observe(at, event);
      if (message !== undefined) this.#violations.push({ check: check.name, at, message });
    }
  }
}
