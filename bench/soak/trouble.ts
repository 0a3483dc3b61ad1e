import { readFileSync } from "node:fs";
import { getStatus, type TestCluster } from "../../test/integration/cluster.ts";

const APP = readFileSync(new URL("app.ts", import.meta.url), "utf8");

/** Deploys the soak's applications; another round is another version. */
export async function deployRound(cluster: TestCluster, round: number): Promise<void> {
  const text = APP.replace("const ROUND = 0;", `const ROUND = ${round};`);
  const { code, err } = await cluster.serve(["deploy", cluster.project.write("soak/app.ts", text)], {
    timeoutMs: 120_000,
  });
  if (code !== 0) throw new Error(`round ${round} could not be deployed: ${err}`);
}

/** Kills replicas with kill -9, one of a whole deployment at a time. */
export class Killer {
  readonly #admin: string;
  readonly #timer: NodeJS.Timeout;
  killCount = 0;

  constructor(admin: string, everyMs: number) {
    this.#admin = admin;
    this.#timer = setInterval(() => void this.#kill(), everyMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #kill(): Promise<void> {
    try {
      const { applications } = await getStatus(this.#admin);
      const whole = applications
        .flatMap(({ deployments }) => deployments)
        .filter(
          ({ replicas }) => replicas.length >= 2 && replicas.every(({ state, pid }) => state === "ready" && pid > 0),
        );
      const { replicas = [] } = whole[Math.floor(Math.random() * whole.length)] ?? {};
      const victim = replicas[Math.floor(Math.random() * replicas.length)];
      if (victim === undefined) return;
      process.kill(victim.pid, "SIGKILL");
      this.killCount += 1;
    } catch (error) {
      console.error(`nobody was killed: ${String(error)}`);
    }
  }
}
