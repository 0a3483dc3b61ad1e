import type { NodeResources } from "../core/assignment.ts";
import type { RunFile } from "../proto/control/message.ts";
import { createChecks } from "./check/all.ts";
import type { Check, Violation } from "./check/check.ts";
import type { SimEvent } from "./event.ts";
import { type FaultKinds, FaultSchedule } from "./faults.ts";
import { Operator } from "./operator.ts";
import { type Scenario, scenarioOf } from "./scenario.ts";
import { between, oneOf, streamOf } from "./seed.ts";
import { SimControl } from "./sim-control.ts";
import { faultKinds } from "./sim-faults.ts";
import { SimHead, type SimHeadDeps } from "./sim-head.ts";
import { SimLinks } from "./sim-link.ts";
import { SimMachine, type SimMachineDeps } from "./sim-machine.ts";
import type { SimProcess } from "./sim-process.ts";
import { SimProxy, type SimProxyDeps } from "./sim-proxy.ts";
import { type SimReplicaDeps, startSimReplica } from "./sim-replica.ts";
import { type CrashAtWrite, SimDisk } from "./sim-store.ts";
import { type ClientRequest, type SourceOptions, Workload } from "./workload.ts";
import { World } from "./world.ts";

/**
 * A whole cluster built from one seed: a controller, nodes with a proxy each, applications, clients, an operator and
 * faults. A run has three parts: everything at once until `faultMs`; then faults and changes stop while load goes
 * on for a while; then load stops, and what is left must come to rest within CONVERGE_MS.
 */

/** What a run is made from. */
export type SimulationOptions = {
  readonly seed: number;
  /** Virtual time during which faults and changes happen; as long without faults. */
  readonly faultMs: number;
  readonly hasFaults: boolean;
  /** Kinds of faults to show, by name; undefined: all. */
  readonly faultKinds?: readonly string[] | undefined;
  /** undefined: as the seed says. */
  readonly scenario?: Scenario | undefined;
  /** Sees every event too. */
  readonly observe?: Check["observe"] | undefined;
  /** Ends the controller at one of its writes, once. */
  readonly crashAtWrite?: CrashAtWrite | undefined;
  /** How many times the usual load; 1 without. */
  readonly load?: number | undefined;
  readonly onLine?: ((line: string) => void) | undefined;
  /** Parts to replace by broken ones, to see that the checks find out. */
  readonly doubles?: SimulationDoubles;
};

/** See {@link SimulationOptions.doubles}. */
export type SimulationDoubles = {
  /** What a worker says its node has. */
  readonly claimedResources?: (real: NodeResources) => NodeResources;
  /** What worker and controller tell each other. */
  readonly filterControl?: SimMachineDeps["filterControl"];
  /** What the controller gets of what is deployed. */
  readonly filterSpec?: SimHeadDeps["filterSpec"];
  readonly createRouters?: SimProxyDeps["createRouters"];
  readonly filterReplicaMessages?: SimReplicaDeps["filter"];
};

/** What a run came to. */
export type RunResult = {
  readonly seed: number;
  readonly hash: string;
  readonly steps: number;
  readonly virtualMs: number;
  readonly requests: number;
  /** Of the controller to its disk. */
  readonly writes: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly violations: readonly Violation[];
  /** Last lines of the transcript. */
  readonly tail: readonly string[];
};

/** Load goes on for so long after the last fault. */
const CALM_LOAD_MS = 3_000;
/** Desired = ready and queues empty within this after the last fault. */
const CONVERGE_MS = 60_000;
/** What has come to rest must stay so for a while. */
const STEADY_MS = 2_000;
/** Faults begin once the first deploy had time to come up. */
const FIRST_FAULT_MS = 2_000;
const LINES_IN_RESULT = 200;

/** Counts what a result says. */
class Tally {
  readonly outcomes: Record<string, number> = {};
  count(event: SimEvent): void {
    if (event.kind === "requestEnded") this.outcomes[event.outcome] = (this.outcomes[event.outcome] ?? 0) + 1;
  }
}

function kindsOf(all: FaultKinds, wanted: readonly string[] | undefined): FaultKinds {
  if (wanted === undefined) return all;
  return Object.fromEntries(Object.entries(all).filter(([name]) => wanted.includes(name)));
}

/** One world. */
class Cluster {
  readonly world: World;
  readonly #options: SimulationOptions;
  readonly #tally = new Tally();
  readonly #isAtRest: () => boolean;
  readonly #proxies = new Set<SimProxy>();
  readonly #machines: readonly SimMachine[];
  readonly #slowdowns = new Map<SimProcess, number>();
  readonly #links: SimLinks;
  readonly #workload: Workload;
  readonly #operator: Operator;
  readonly #faults: FaultSchedule;
  readonly #disk: SimDisk;
  readonly #head: SimHead;
  readonly #sources: readonly SourceOptions[];

  constructor(options: SimulationOptions) {
    const { seed, faultMs, hasFaults } = options;
    this.#options = options;
    const scenario = options.scenario ?? scenarioOf(streamOf(seed, "scenario"));
    const { nodes, applications } = scenario;
    const { load = 1 } = options;
    this.#sources = scenario.sources.map((source) => ({
      ...source,
      requestsPerSecond: source.requestsPerSecond * load,
    }));
    const { checks, isAtRest } = createChecks(nodes);
    this.#isAtRest = isAtRest;
    const tally: Check = {
      name: "tally",
      observe: (at, event) => {
        this.#tally.count(event);
        return options.observe?.(at, event);
      },
      atEnd: () => undefined,
    };
    this.world = new World({ seed, checks: [...checks, tally], onLine: options.onLine });
    const { world } = this;
    const { clock, topology } = world;
    const after = (delayMs: number, callback: () => void): void => void clock.after(delayMs, callback);
    const now = (): number => clock.now();
    this.#links = new SimLinks({ clock, topology });
    const control = new SimControl({ clock, topology });
    const disk = new SimDisk(world.random("disk"), options.crashAtWrite);
    this.#disk = disk;
    this.#head = new SimHead({ world, control, disk, host: "head", filterSpec: options.doubles?.filterSpec });
    this.#machines = [...nodes].map(
      ([name, resources], at) =>
        new SimMachine({
          // Where proxies may die, every other node has two.
          proxyCount: options.hasFaults && at % 2 === 1 ? 2 : 1,
          ...{ world, control, name, links: this.#links, filterControl: options.doubles?.filterControl },
          resources: options.doubles?.claimedResources?.(resources) ?? resources,
          program: (process, run, exit) => this.#program(process, run, exit),
        }),
    );
    const workloadDeps = { random: world.random("workload"), after, now, send: (r: ClientRequest) => this.#send(r) };
    this.#workload = new Workload(workloadDeps, faultMs + CALM_LOAD_MS);
    const operatorDeps = { random: world.random("operator"), after, now, port: this.#head, sink: world.emit };
    this.#operator = new Operator(operatorDeps, {
      ...{ applications, nodes: [...nodes.keys()] },
      ...{ everyMs: scenario.changeEveryMs, untilMs: faultMs },
    });
    const targets = { world, head: this.#head, control, machines: this.#machines, disk, slowdowns: this.#slowdowns };
    this.#faults = new FaultSchedule(
      {
        ...{ random: world.random("faults"), after, now },
        onFault: (fault, target, action) => world.emit({ kind: "fault", fault, target, action }),
      },
      {
        kinds: hasFaults ? kindsOf(faultKinds(targets), options.faultKinds) : {},
        ...{
          fromMs: FIRST_FAULT_MS,
          untilMs: faultMs,
          everyMs: scenario.faultEveryMs,
          leastMs: 100,
          mostMs: scenario.longestFaultMs,
        },
      },
    );
  }

  async run(): Promise<RunResult> {
    const { world } = this;
    const { faultMs } = this.#options;
    this.#head.start();
    for (const machine of this.#machines) machine.start();
    this.#operator.start();
    this.#faults.start();
    for (const source of this.#sources) this.#workload.start(source);
    await world.run(faultMs + CALM_LOAD_MS);
    let steadySince: number | undefined;
    const isOver = (): boolean => {
      if (!this.#operator.isDone || !this.#isAtRest()) steadySince = undefined;
      else steadySince ??= world.clock.now();
      return steadySince !== undefined && world.clock.now() - steadySince >= STEADY_MS;
    };
    if (world.violations.length === 0) await world.run(faultMs + CONVERGE_MS, isOver);
    if (world.violations.length === 0) world.end();
    return this.#result();
  }

  #result(): RunResult {
    const { world } = this;
    return {
      seed: this.#options.seed,
      hash: world.transcript.digest(),
      steps: world.clock.steps,
      virtualMs: world.clock.now(),
      requests: this.#workload.count,
      writes: this.#disk.writeCount,
      outcomes: this.#tally.outcomes,
      faults: Object.fromEntries(this.#faults.counts),
      violations: world.violations,
      tail: world.transcript.tail(LINES_IN_RESULT),
    };
  }

  /** What a child process of a node does once it runs. */
  #program(process: SimProcess, run: RunFile, exit: (code: number) => void): void {
    const { world } = this;
    const links = this.#links;
    if (run.role === "proxy") {
      const machine = this.#machines.find(({ name }) => name === process.host);
      const createRouters = this.#options.doubles?.createRouters;
      const stored = machine?.files.readTable();
      const proxy = new SimProxy({ world, process, links, run, stored, exit, createRouters });
      this.#proxies.add(proxy);
      process.onDeath(() => this.#proxies.delete(proxy));
      return;
    }
    const slowdown = (): number => this.#slowdowns.get(process) ?? 1;
    const filter = this.#options.doubles?.filterReplicaMessages;
    startSimReplica({ world, process, links, run, exit, slowdown, filter });
  }

  /** A client picks a proxy that answers; without one its connection is refused, and there is no request. */
  #send(request: ClientRequest): void {
    const { world } = this;
    const open = [...this.#proxies].filter((proxy) => proxy.isOpen && !proxy.process.isPaused);
    const proxy = oneOf(this.#clients, open);
    if (proxy === undefined) return;
    const delayMs = between(this.#clients, 0, 1);
    world.clock.after(delayMs, () => proxy.process.run(() => void proxy.send(request)));
  }

  get #clients(): ReturnType<World["random"]> {
    return (this.#clientRandom ??= this.world.random("clients"));
  }

  #clientRandom: ReturnType<World["random"]> | undefined;
}

/** Runs one world to its end, or to its first violation. */
export function simulate(options: SimulationOptions): Promise<RunResult> {
  return new Cluster(options).run();
}
