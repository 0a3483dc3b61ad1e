import type { ApplicationSpec } from "../core/spec.ts";
import type { Random } from "../core/random.ts";
import type { Behaviour, SimApplication, SimDeployment } from "./application.ts";
import { desiredOf, specOf } from "./application.ts";
import type { EventSink } from "./event.ts";
import { between, chance, oneOf } from "./seed.ts";

/**
 * A user who deploys, redeploys, breaks, scales, rolls back and deletes applications, and empties nodes, as the seed says.
 * What nobody acknowledged is tried again until somebody does, as a person would. When the time for changes is over, every
 * node is in use again and every application is deployed once more in a version that works.
 */

/** What the operator does beside deploying and deleting. */
export type HandCommand =
  | { readonly kind: "scale"; readonly application: string; readonly deployment: string; readonly count: number }
  | { readonly kind: "drain"; readonly node: string; readonly deadlineMs: number }
  | { readonly kind: "undrain"; readonly node: string }
  | { readonly kind: "pause" | "resume" | "promote" | "abort" | "rollback"; readonly application: string };

/** How it reaches the controller. Rejects when nothing answers; the outcome of such a call is open. */
export type OperatorPort = {
  deploy(application: SimApplication): Promise<void>;
  remove(name: string): Promise<void>;
  /** What is refused is answered too. Resolves with what a rollback deployed. */
  byHand(command: HandCommand): Promise<ApplicationSpec | undefined>;
};

/** What the operator runs on. */
export type OperatorDeps = {
  readonly random: Random;
  readonly after: (delayMs: number, callback: () => void) => void;
  readonly now: () => number;
  readonly port: OperatorPort;
  readonly sink: EventSink;
};

/** When it acts. */
export type OperatorOptions = {
  readonly applications: readonly SimApplication[];
  readonly nodes: readonly string[];
  /** Time from one change to the next, on average; 0: it only deploys once. */
  readonly everyMs: number;
  readonly untilMs: number;
};

const RETRY_MS = 300;
/** Of a machine that is taken away soon, and of one that has time. */
const DRAIN_MS = [3_000, 120_000] as const;

type Change =
  | "redeploy"
  | "break"
  | "err"
  | "slow"
  | "refuse"
  | "limits"
  | "slowStart"
  | "delete"
  | "same"
  | "scale"
  | "node"
  | "rollout"
  | "rollback";
/** Most changes are new versions. */
const CHANGES: readonly Change[] = [
  ...(["redeploy", "redeploy", "redeploy", "redeploy", "break", "err", "slow", "refuse"] as const),
  ...(["limits", "slowStart", "delete", "same", "scale", "node", "node", "rollout", "rollout", "rollback"] as const),
];

function withBehaviour(
  application: SimApplication,
  change: (deployment: SimDeployment) => Partial<Behaviour>,
): SimApplication {
  const deployments = application.deployments.map((deployment) => ({
    ...deployment,
    behaviour: { ...deployment.behaviour, ...change(deployment) },
  }));
  return { ...application, deployments };
}

/** An application whose starts and requests do not fail by chance, and that no gate refuses for what came before. */
function calm(application: SimApplication): SimApplication {
  const { deployments, ...rest } = withBehaviour(application, ({ behaviour: { run } }) => ({
    startFailureShare: 0,
    run: { ...run, failureShare: 0 },
  }));
  return { ...rest, deployments: deployments.map((one) => ({ ...one, rollout: { ...one.rollout, gates: [] } })) };
}

/** The user of one run. */
export class Operator {
  readonly #deps: OperatorDeps;
  readonly #options: OperatorOptions;
  readonly #current = new Map<string, SimApplication>();
  readonly #drained = new Set<string>();
  #codeVersion = 1;
  #isBusy = false;
  #isDone = false;

  constructor(deps: OperatorDeps, options: OperatorOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Whether it wants nothing more. */
  get isDone(): boolean {
    return this.#isDone;
  }

  start(): void {
    const { after } = this.#deps;
    void this.#deployAll();
    const { everyMs, untilMs } = this.#options;
    if (everyMs === 0) return;
    this.#schedule();
    after(untilMs, () => void this.#finish());
  }

  async #deployAll(): Promise<void> {
    this.#isBusy = true;
    for (const application of this.#options.applications) await this.#deploy(application);
    this.#isBusy = false;
    if (this.#options.everyMs === 0) this.#isDone = true;
  }

  #schedule(): void {
    const { random, after, now } = this.#deps;
    const { everyMs, untilMs } = this.#options;
    after(between(random, everyMs / 2, everyMs * 1.5), () => {
      if (now() >= untilMs) return;
      if (!this.#isBusy) void this.#change();
      this.#schedule();
    });
  }

  async #change(): Promise<void> {
    const { random } = this.#deps;
    const original = oneOf(random, this.#options.applications);
    const kind = oneOf(random, CHANGES);
    if (original === undefined || kind === undefined) return;
    this.#isBusy = true;
    const application = this.#current.get(original.name) ?? original;
    const command = this.#command(kind, original);
    if (command !== undefined) await this.#byHand(command);
    else if (kind === "delete" && chance(random, 0.7)) await this.#remove(application.name);
    else await this.#deploy(this.#changed(application, original, kind));
    this.#isBusy = false;
  }

  #command(kind: Change, { name, deployments }: SimApplication): HandCommand | undefined {
    const { random } = this.#deps;
    switch (kind) {
      case "rollback":
        return { kind, application: name };
      case "rollout":
        return { kind: oneOf(random, ["pause", "resume", "promote", "abort"] as const) ?? "resume", application: name };
      case "scale": {
        const deployment = oneOf(random, deployments)?.name ?? "";
        return { kind, application: name, deployment, count: 1 + Math.floor(random.next() * 4) };
      }
      case "node": {
        const [drained] = this.#drained;
        // At most one is out at a time: two are not enough for everything.
        if (drained !== undefined) return { kind: "undrain", node: drained };
        const node = oneOf(random, this.#options.nodes) ?? "";
        return { kind: "drain", node, deadlineMs: oneOf(random, DRAIN_MS) ?? DRAIN_MS[0] };
      }
      default:
        return undefined;
    }
  }

  #changed(application: SimApplication, original: SimApplication, kind: Change): SimApplication {
    const { random } = this.#deps;
    switch (kind) {
      case "break":
        return this.#next(withBehaviour(original, () => ({ isPermanent: true, startFailureShare: 1 })));
      case "err":
        return this.#next(
          withBehaviour(original, ({ behaviour: { run } }) => ({ run: { ...run, failureShare: 0.25 } })),
        );
      case "slow": {
        const slow = ({ behaviour: { run } }: SimDeployment): Partial<Behaviour> => ({
          run: { ...run, fixedMs: 10 * run.fixedMs, perItemMs: 10 * run.perItemMs },
        });
        return this.#next(withBehaviour(original, slow));
      }
      case "refuse":
        return this.#next(
          withBehaviour(original, ({ behaviour: { verify } }) => ({ verify: verify === "none" ? "none" : "refuses" })),
        );
      case "limits": {
        const changed = (deployment: SimDeployment): SimDeployment => {
          const count = 1 + Math.floor(random.next() * 4);
          const { autoscaling } = deployment;
          if (autoscaling === undefined) return { ...deployment, replicas: count };
          const minReplicas = Math.min(count - 1, 2);
          return {
            ...deployment,
            autoscaling: { ...autoscaling, minReplicas, initialReplicas: count, maxReplicas: count + 2 },
          };
        };
        return { ...application, deployments: application.deployments.map(changed) };
      }
      case "slowStart":
        return this.#next(withBehaviour(original, () => ({ loadMs: 800 })));
      case "same":
        return application;
      default:
        return this.#next(original);
    }
  }

  #next(application: SimApplication): SimApplication {
    this.#codeVersion += 1;
    return { ...application, codeVersion: this.#codeVersion };
  }

  /** Whatever happened before, in the end everything is asked for in a version that works, on all nodes. */
  async #finish(): Promise<void> {
    const { after } = this.#deps;
    if (this.#isBusy) {
      after(RETRY_MS, () => void this.#finish());
      return;
    }
    this.#isBusy = true;
    for (const node of this.#drained) await this.#byHand({ kind: "undrain", node });
    for (const application of this.#options.applications) {
      // Three unlucky starts in a row would rightly fail the deploy, and there is nobody left to try again.
      await this.#deploy(this.#next(calm(application)));
      const { name } = application;
      await this.#byHand({ kind: "resume", application: name });
      for (const { name: deployment, replicas: count, autoscaling } of application.deployments) {
        if (autoscaling === undefined) await this.#byHand({ kind: "scale", application: name, deployment, count });
      }
    }
    this.#isDone = true;
  }

  async #deploy(application: SimApplication): Promise<void> {
    const { port, sink } = this.#deps;
    const deployed = { application: application.name as never, deployments: desiredOf(specOf(application)) };
    sink({ kind: "deployAsked", ...deployed });
    await this.#untilAcknowledged(() => port.deploy(application));
    this.#current.set(application.name, application);
    sink({ kind: "deployed", ...deployed });
  }

  async #remove(name: string): Promise<void> {
    const { port, sink } = this.#deps;
    sink({ kind: "deleteAsked", application: name as never });
    await this.#untilAcknowledged(() => port.remove(name));
    this.#current.delete(name);
    sink({ kind: "deleted", application: name as never });
  }

  async #byHand(command: HandCommand): Promise<void> {
    const { port, sink } = this.#deps;
    sink({ kind: "handAsked", ...aboutOf(command), command: command.kind });
    if (command.kind === "drain") this.#drained.add(command.node);
    const spec = await this.#untilAcknowledged(() => port.byHand(command));
    if (command.kind === "undrain") this.#drained.delete(command.node);
    if (spec !== undefined) sink({ kind: "deployed", application: spec.name, deployments: desiredOf(spec) });
  }

  async #untilAcknowledged<T>(attempt: () => Promise<T>): Promise<T> {
    const { after } = this.#deps;
    for (;;) {
      const outcome = await attempt().then(
        (value) => ({ value }),
        () => undefined,
      );
      if (outcome !== undefined) return outcome.value;
      await new Promise<void>((resolve) => after(RETRY_MS, resolve));
    }
  }
}

function aboutOf(command: HandCommand): { readonly about: string; readonly amount: number } {
  switch (command.kind) {
    case "scale":
      return { about: `${command.application}/${command.deployment}`, amount: command.count };
    case "drain":
      return { about: command.node, amount: command.deadlineMs };
    case "undrain":
      return { about: command.node, amount: 0 };
    default:
      return { about: command.application, amount: 0 };
  }
}
