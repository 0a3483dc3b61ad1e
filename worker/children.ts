/**
 * The node's child processes and the links they dial, whatever they are for. A child is
 *
 *   spawned (run file, then process) → connected (hello) ⇄ disconnected → gone (process ended, run file removed)
 *
 * or begins as adopted: found by its run file after a restart of the worker. Knows nothing of replicas and proxies
 * but their role; what a child says goes to the listener.
 */
import { timingSafeEqual } from "node:crypto";
import type { Clock, Timer } from "../core/clock.ts";
import { CHILD_HELLO_TIMEOUT_MS } from "../core/limits.ts";
import type { Logger } from "../core/log.ts";
import type { Address } from "../core/network.ts";
import type { Random } from "../core/random.ts";
import { randomSuffix } from "../core/random.ts";
import type { ControlHello, ControlLink, ControlLinkListener } from "../proto/control/link.ts";
import type {
  ChildMessage,
  ChildRole,
  ParentMessage,
  ProxySettings,
  ReplicaOrder,
  RunFile,
} from "../proto/control/message.ts";
import type { ProcessExit } from "./decide/exit-reason.ts";
import type { NodeFiles } from "./node-files.ts";
import type { SpawnedProcess, Spawner } from "./spawner.ts";

/** One child process. What is not readonly is changed by {@link Children} alone. */
export type Child = {
  readonly id: string;
  readonly role: ChildRole;
  /** Started by an earlier worker. */
  readonly isAdopted: boolean;
  /** As it is on disk. */
  run: RunFile;
  process: SpawnedProcess;
  /** Undefined while it is not connected. */
  link: ControlLink | undefined;
  /** It was told to end. */
  isEnding: boolean;
};

/** What the worker wants to hear of its children. */
export interface ChildrenListener {
  /** It said hello and was welcomed. `isFirst`: it never was before, by no worker. */
  onConnected(child: Child, isFirst: boolean): void;
  onMessage(child: Child, message: ChildMessage): void;
  onDisconnected(child: Child): void;
  /** Its process ended and its files are removed; the last that is heard of it. */
  onGone(child: Child, exit: ProcessExit): void;
}

/** What tells one child from others of its role. */
export type SpawnOptions = {
  readonly listen: Address;
  readonly inspect?: Address | undefined;
  readonly proxy?: ProxySettings | undefined;
};

/** What {@link Children} is made from. */
export type ChildrenDeps = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly spawner: Spawner;
  readonly files: NodeFiles;
  /** 32 random bytes in hexadecimal. */
  readonly secret: () => string;
  /** What all run files of the node have in common. */
  readonly common: Pick<RunFile, "controlSocket" | "lifelineSocket" | "dataDir" | "logLevel">;
  readonly listener: ChildrenListener;
};

/** All child processes of the node. */
export class Children {
  readonly #deps: ChildrenDeps;
  readonly #children = new Map<string, Child>();
  /** Of children that have not connected yet. */
  readonly #helloTimers = new Map<string, Timer>();
  /** Why a child was ended, where its exit does not say. */
  readonly #causes = new Map<string, string>();

  constructor(deps: ChildrenDeps) {
    this.#deps = deps;
  }

  /** Every child that is not gone, oldest first. */
  all(): readonly Child[] {
    return [...this.#children.values()];
  }

  /** Starts a process. It dials when it has loaded; a failure to start is heard as its end. */
  spawn(role: ChildRole, options: SpawnOptions): Child {
    const { random, files, spawner, secret, common, clock } = this.#deps;
    const id = `${role}-${randomSuffix(random, 10)}`;
    const blank: RunFile = {
      ...common,
      id,
      role,
      pid: 0,
      startTicks: 0,
      controlSecret: secret(),
      listen: options.listen,
      proxy: options.proxy,
      assigned: undefined,
    };
    files.writeRun(blank);
    const process = spawner.spawn({ run: blank, inspect: options.inspect }, (exit) => this.#gone(id, exit));
    const run = { ...blank, pid: process.pid, startTicks: process.startTicks };
    files.writeRun(run);
    const child: Child = { id, role, isAdopted: false, run, process, link: undefined, isEnding: false };
    this.#children.set(id, child);
    const timer = clock.after(CHILD_HELLO_TIMEOUT_MS, () => {
      this.end(child, `did not dial its worker within ${CHILD_HELLO_TIMEOUT_MS} ms of its start`);
    });
    this.#helloTimers.set(id, timer);
    return child;
  }

  /** Takes over the process of a run file that an earlier worker left; false when it is gone or another by now. */
  adopt(run: RunFile): boolean {
    const process = this.#deps.spawner.adopt(run, (exit) => this.#gone(run.id, exit));
    if (process === undefined) return false;
    const known = { ...run, pid: process.pid, startTicks: process.startTicks };
    this.#children.set(run.id, {
      id: run.id,
      role: run.role,
      isAdopted: true,
      run: known,
      process,
      link: undefined,
      isEnding: false,
    });
    return true;
  }

  /** A child dialled. Refuses one that cannot prove to be a child of this node. */
  accept(hello: ControlHello, link: ControlLink): ControlLinkListener | undefined {
    const child = this.#children.get(hello.id);
    if (child === undefined || child.run.pid !== hello.pid || !isEqual(child.run.controlSecret, hello.secret)) {
      this.#deps.log.warn(
        { child: hello.id, pid: hello.pid },
        "a process that is not a child of this worker dialled and was refused",
      );
      return undefined;
    }
    // A child that redials before its old link was seen to close goes on with the new one.
    child.link?.close();
    child.link = link;
    this.#helloTimers.get(child.id)?.cancel();
    // A child that was spawned here has a timer until its first hello; an adopted one never has.
    const isFirst = this.#helloTimers.delete(child.id);
    link.send({ kind: "welcome" });
    if (child.run.assigned !== undefined) link.send({ kind: "order", order: child.run.assigned });
    this.#deps.listener.onConnected(child, isFirst);
    return {
      onMessage: (message) => {
        if (child.link === link) this.#deps.listener.onMessage(child, message);
      },
      onClose: () => {
        if (child.link !== link) return;
        child.link = undefined;
        child.process.check();
        if (this.#children.has(child.id)) this.#deps.listener.onDisconnected(child);
      },
    };
  }

  /** Makes a blank a replica; the order is on disk before it is sent. */
  order(child: Child, order: ReplicaOrder): void {
    this.#remember(child, order);
    child.link?.send({ kind: "order", order });
  }

  /** Gives a running replica other options; false when it is not connected just now. */
  reconfigure(child: Child, order: ReplicaOrder): boolean {
    if (child.link === undefined) return false;
    this.#remember(child, order);
    child.link.send({ kind: "reconfigure", options: order.launch.options });
    return true;
  }

  /** Sends to a child that is connected. */
  send(child: Child, message: ParentMessage): void {
    child.link?.send(message);
  }

  /** Ends a process: SIGTERM, then SIGKILL, KILL_AFTER_MS later where nothing else is said. `cause` is reported in place of the signal. */
  end(child: Child, cause?: string, killAfterMs?: number): void {
    if (cause !== undefined && !this.#causes.has(child.id)) this.#causes.set(child.id, cause);
    child.isEnding = true;
    child.process.terminate(killAfterMs);
  }

  #remember(child: Child, assigned: ReplicaOrder): void {
    child.run = { ...child.run, assigned };
    this.#deps.files.writeRun(child.run);
  }

  #gone(id: string, exit: ProcessExit): void {
    const child = this.#children.get(id);
    if (child === undefined) return;
    this.#children.delete(id);
    this.#helloTimers.get(id)?.cancel();
    this.#helloTimers.delete(id);
    const cause = this.#causes.get(id);
    this.#causes.delete(id);
    this.#deps.files.removeRun(id);
    child.isEnding = true;
    child.link?.close();
    child.link = undefined;
    this.#deps.listener.onGone(child, cause === undefined ? exit : { kind: "lost", cause });
  }
}

function isEqual(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
