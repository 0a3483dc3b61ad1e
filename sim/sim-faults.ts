import type { Random } from "../core/random.ts";
import { between, oneOf } from "./seed.ts";
import type { Fault, FaultKinds } from "./faults.ts";
import type { SimControl } from "./sim-control.ts";
import type { SimHead } from "./sim-head.ts";
import type { SimMachine } from "./sim-machine.ts";
import { KILLED, type SimProcess } from "./sim-process.ts";
import { type SimDisk, USUAL_WRITE_MS } from "./sim-store.ts";
import { CALM, ROUGH } from "./topology.ts";
import type { World } from "./world.ts";

/** What faults can hit. */
export type FaultTargets = {
  readonly world: World;
  readonly head: SimHead;
  readonly control: SimControl;
  readonly machines: readonly SimMachine[];
  readonly disk: SimDisk;
  /** Processes whose model is slower, and by how much. */
  readonly slowdowns: Map<SimProcess, number>;
};

/** Latency of a disk that struggles. */
const SLOW_WRITE_MS = 600;

function childrenOf(targets: FaultTargets, role: "replica" | "proxy"): readonly SimProcess[] {
  return targets.machines
    .flatMap(({ children }) => children)
    .filter(({ name, isPaused }) => name.startsWith(role) && !isPaused);
}

function crash(process: SimProcess | undefined): Fault | undefined {
  if (process === undefined) return undefined;
  return { targets: [process.name], begin: () => void process.die(KILLED) };
}

function stop(process: SimProcess | undefined): Fault | undefined {
  if (process === undefined || process.isPaused) return undefined;
  return {
    targets: [process.name],
    begin: () => {
      process.pause();
      return () => process.resume();
    },
  };
}

/** Cuts two hosts off from each other, or only one from the other. */
function partition(world: World, random: Random, one: string, other: string): Fault {
  const directions = oneOf(random, ["both", "both", "there", "back"]) ?? "both";
  return {
    targets: [one, other],
    begin: () => {
      if (directions !== "back") world.topology.cut(one, other);
      if (directions !== "there") world.topology.cut(other, one);
      return () => {
        world.topology.repair(one, other);
        world.topology.repair(other, one);
      };
    },
  };
}

/** How often workers lose their connection while two controllers are there. */
const RECONNECT_EVERY_MS = 700;

/** Two controllers for a while: the one that was replaced says what it said, and workers reach either. */
function replaceController({ world, head, control }: FaultTargets): (() => void) | undefined {
  const old = head.replace();
  if (old === undefined) return undefined;
  let isOver = false;
  const reconnect = (): void => {
    if (isOver) return;
    control.resetAll();
    world.clock.after(RECONNECT_EVERY_MS, reconnect);
  };
  reconnect();
  return () => {
    isOver = true;
    old.die(KILLED);
  };
}

function twoOf(random: Random, machines: readonly SimMachine[]): readonly [SimMachine, SimMachine] | undefined {
  const one = oneOf(random, machines);
  const other = oneOf(
    random,
    machines.filter((machine) => machine !== one),
  );
  return one === undefined || other === undefined ? undefined : [one, other];
}

/** Every kind of fault there is. */
export function faultKinds(targets: FaultTargets): FaultKinds {
  const { world, head, machines, disk, slowdowns } = targets;
  return {
    crashReplica: (random) => crash(oneOf(random, childrenOf(targets, "replica"))),
    crashProxy: (random) => crash(oneOf(random, childrenOf(targets, "proxy"))),
    crashWorker: (random) => crash(oneOf(random, machines)?.worker),
    crashController: () => crash(head.process),
    replaceController: () => {
      const { process } = head;
      if (process === undefined || process.isPaused) return undefined;
      return { targets: [process.name, head.host], begin: () => replaceController(targets) };
    },
    stopReplica: (random) => stop(oneOf(random, childrenOf(targets, "replica"))),
    stopProxy: (random) => stop(oneOf(random, childrenOf(targets, "proxy"))),
    stopWorker: (random) => stop(oneOf(random, machines)?.worker),
    stopController: () => stop(head.process),
    partitionControl: (random) => {
      const machine = oneOf(random, machines);
      return machine === undefined ? undefined : partition(world, random, head.host, machine.name);
    },
    partitionData: (random) => {
      const pair = twoOf(random, machines);
      return pair === undefined ? undefined : partition(world, random, pair[0].name, pair[1].name);
    },
    resetData: (random) => {
      const pair = twoOf(random, machines);
      if (pair === undefined) return undefined;
      const [one, other] = pair;
      return { targets: [one.name, other.name], begin: () => void world.net.resetBetween(one.name, other.name) };
    },
    slowReplica: (random) => {
      const process = oneOf(random, childrenOf(targets, "replica"));
      if (process === undefined) return undefined;
      return {
        targets: [process.name],
        begin: () => {
          slowdowns.set(process, between(random, 3, 20));
          return () => void slowdowns.delete(process);
        },
      };
    },
    powerLoss: (random) => {
      const machine = oneOf(random, machines);
      if (machine === undefined || !machine.hasPower) return undefined;
      return {
        targets: [machine.name],
        begin: () => {
          machine.losePower();
          return () => machine.regainPower();
        },
      };
    },
    roughNetwork: () => ({
      targets: [],
      begin: () => {
        world.topology.latencies = ROUGH;
        return () => {
          world.topology.latencies = CALM;
        };
      },
    }),
    slowStore: () => ({
      targets: [],
      begin: () => {
        disk.mostWriteMs = SLOW_WRITE_MS;
        return () => {
          disk.mostWriteMs = USUAL_WRITE_MS;
        };
      },
    }),
  };
}
