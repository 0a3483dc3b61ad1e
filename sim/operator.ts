import type { Random } from "../core/random.ts";
import type { Behaviour, SimApplication, SimDeployment } from "./application.ts";
import { desiredOf } from "./application.ts";
import type { EventSink } from "./event.ts";
import { between, chance, oneOf } from "./seed.ts";

/**
 * A user who deploys, redeploys, breaks, scales and deletes applications, as the seed says. A deploy that nobody
 * acknowledged is tried again until somebody does, as a person would. When the time for changes is over, every
 * application is deployed once more in a version that works.
 */

/** How it reaches the controller. Rejects when nothing answers; the outcome of such a call is open. */
export type OperatorPort = {
  deploy(application: SimApplication): Promise<void>;
  remove(name: string): Promise<void>;
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
  /** Time from one change to the next, on average; 0: it only deploys once. */
  readonly everyMs: number;
  readonly untilMs: number;
};

const RETRY_MS = 300;

type Change = "redeploy" | "break" | "scale" | "slower" | "delete" | "same";
/** Most changes are new versions. */
const CHANGES: readonly Change[] = ["redeploy", "redeploy", "redeploy", "break", "scale", "slower", "delete", "same"];

function withBehaviour(application: SimApplication, change: Partial<Behaviour>): SimApplication {
  const deployments = application.deployments.map((deployment) => ({
    ...deployment,
    behaviour: { ...deployment.behaviour, ...change },
  }));
  return { ...application, deployments };
}

/** The user of one run. */
export class Operator {
  readonly #deps: OperatorDeps;
  readonly #options: OperatorOptions;
  readonly #current = new Map<string, SimApplication>();
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
    if (everyMs > 0) this.#schedule();
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
    if (kind === "delete" && chance(random, 0.7)) await this.#remove(application.name);
    else await this.#deploy(this.#changed(application, original, kind));
    this.#isBusy = false;
  }

  #changed(application: SimApplication, original: SimApplication, kind: Change): SimApplication {
    const { random } = this.#deps;
    switch (kind) {
      case "break":
        return this.#next(withBehaviour(original, { isPermanent: true, startFailureShare: 1 }));
      case "scale": {
        const scaled = (deployment: SimDeployment): SimDeployment => ({
          ...deployment,
          replicas: 1 + Math.floor(random.next() * 4),
        });
        return { ...application, deployments: application.deployments.map(scaled) };
      }
      case "slower":
        return this.#next(withBehaviour(original, { loadMs: 800 }));
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

  /** Whatever happened before, in the end everything is asked for in a version that works. */
  async #finish(): Promise<void> {
    const { after } = this.#deps;
    if (this.#isBusy) {
      after(RETRY_MS, () => void this.#finish());
      return;
    }
    this.#isBusy = true;
    for (const application of this.#options.applications) {
      // Three unlucky starts in a row would rightly fail the deploy, and there is nobody left to try again.
      await this.#deploy(this.#next(withBehaviour(application, { startFailureShare: 0 })));
    }
    this.#isDone = true;
  }

  async #deploy(application: SimApplication): Promise<void> {
    const { port, sink } = this.#deps;
    await this.#untilAcknowledged(() => port.deploy(application));
    this.#current.set(application.name, application);
    sink({ kind: "deployed", application: application.name as never, deployments: desiredOf(application) });
  }

  async #remove(name: string): Promise<void> {
    const { port, sink } = this.#deps;
    sink({ kind: "deleteAsked", application: name as never });
    await this.#untilAcknowledged(() => port.remove(name));
    this.#current.delete(name);
    sink({ kind: "deleted", application: name as never });
  }

  async #untilAcknowledged(attempt: () => Promise<void>): Promise<void> {
    const { after } = this.#deps;
    for (;;) {
      const isAcknowledged = await attempt().then(
        () => true,
        () => false,
      );
      if (isAcknowledged) return;
      await new Promise<void>((resolve) => after(RETRY_MS, resolve));
    }
  }
}
