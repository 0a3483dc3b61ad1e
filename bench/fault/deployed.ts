import { startCluster, type TestCluster } from "../../test/integration/cluster.ts";

/** A cluster of its own, by the real command line, with one application deployed; its caller closes it. */
export async function deployed(app: string, flags: readonly string[] = []): Promise<TestCluster> {
  const cluster = await startCluster(["--log-level", "warn", ...flags]);
  const { code, err } = await cluster.serve(["deploy", cluster.project.write("app/app.ts", app)]);
  if (code === 0) return cluster;
  await cluster.close();
  throw new Error(`the application could not be deployed: ${err}`);
}
