import { dirname, join, resolve } from "node:path";
import type { Application } from "../application.ts";
import type { Bound } from "../deployment.ts";
import { loadApplications } from "../load-app.ts";
import { loadFile } from "./load-file.ts";
import { TestApplication } from "./test-application.ts";
import type { TestApplicationOptions } from "./test-application.ts";

/** What users import as `thornback/testing`: applications in-process, without a port, with a clock that tests move. */
export { ManualClock } from "./manual-clock.ts";
export { TestApplication } from "./test-application.ts";
export type { TestApplicationOptions } from "./test-application.ts";

/** Options of {@link load}. */
export type LoadOptions = Omit<TestApplicationOptions, "dir"> & {
  /** Which application, where the file exports several. */
  readonly application?: string | undefined;
};

/**
 * Starts an application in this process: one replica of each deployment, the runtime's own proxy, queues and batches
 * around them, no port. Close it when done.
 *
 * @throws {InvalidSpecError} when the application is wrong
 * @throws {Error} naming the step and its cause when a deployment does not start
 *
 * @example
 * ```ts
 * import { deployment } from "thornback";
 * import { createTestApplication } from "thornback/testing";
 *
 * class Doubler {
 *   async predict(input: { value: number }): Promise<{ doubled: number }> {
 *     return { doubled: input.value * 2 };
 *   }
 * }
 *
 * const app = deployment(Doubler).bind();
 * const running = await createTestApplication(app);
 * console.log(await running.client.predict({ value: 21 })); // { doubled: 42 }
 * await running.close();
 * export default app;
 * ```
 */
export async function createTestApplication<T>(
  exported: Bound<T> | Application<T>,
  options: TestApplicationOptions = {},
): Promise<TestApplication<T>> {
  const dir = resolve(options.dir ?? ".");
  const [graph] = loadApplications({ default: exported }, { file: join(dir, "app.ts") });
  if (graph === undefined) throw new TypeError("createTestApplication takes a bound deployment or an application");
  const onClosed = async (): Promise<void> => {};
  return TestApplication.start<T>({ graph, applicationDir: dir, packageDirs: [dir], options, onClosed });
}

/**
 * Bundles a file as `serve deploy` does, and starts its application in this process: what the bundle leaves out, or asks
 * of TypeScript that only the bundler gives, shows here.
 *
 * @throws {InvalidSpecError} when the file or the application is wrong, as the deploy would say it
 *
 * @example
 * ```ts
 * import { load } from "thornback/testing";
 *
 * export async function tryOut(): Promise<void> {
 *   const running = await load("./app.ts");
 *   console.log((await running.fetch("/", { method: "POST", body: "{}" })).status);
 *   await running.close();
 * }
 * ```
 */
export async function load<T = unknown>(file: string, options: LoadOptions = {}): Promise<TestApplication<T>> {
  const { graph, applicationDir, remove } = await loadFile(file, options.application);
  const packageDirs = [dirname(resolve(file)), process.cwd()];
  return TestApplication.start<T>({ graph, applicationDir, packageDirs, options, onClosed: remove });
}
