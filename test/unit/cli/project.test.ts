import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { binClash } from "../../../cli/bin-clash.ts";
import { init } from "../../../cli/command/init.ts";
import { diagnose } from "../../../cli/diagnosis.ts";
import { CliError, EXIT } from "../../../cli/exit-code.ts";
import { Printer, table } from "../../../cli/print.ts";
import { whileWaiting } from "../../../cli/progress.ts";
import { resolveSecrets, valueSources } from "../../../cli/secrets.ts";
import { SourceWatch } from "../../../cli/source-watch.ts";
import { systemClock } from "../../../core/clock.ts";
import { systemRandom } from "../../../core/random.ts";
import type { ApplicationSpec } from "../../../core/spec.ts";
import { ManualClock } from "../../fake/manual-clock.ts";

const folder = mkdtempSync(path.join(tmpdir(), "thornback-project-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function printing(isTTY = false): { print: Printer; out: string[]; err: string[] } {
  const out: string[] = [];
  const err: string[] = [];
  const stream = (texts: string[]): { write(text: string): void; isTTY: boolean } => ({
    isTTY,
    write: (text) => void texts.push(text),
  });
  return { print: new Printer(stream(out), stream(err), { NO_COLOR: "1" }), out, err };
}

function initIn(target: string): { out: string[]; err: string[] } {
  const { print, out, err } = printing();
  init({ clock: systemClock, random: systemRandom, print, env: {}, onInterrupt: () => () => {} }, target);
  return { out, err };
}

test("init writes a project whose package, compiler and app fit together, and says how to go on", () => {
  const target = path.join(folder, "My App");
  const { out } = initIn(target);
  const packageFile = JSON.parse(readFileSync(path.join(target, "package.json"), "utf8")) as {
    name: string;
    scripts: { start: string };
  };
  assert.equal(packageFile.name, "my-app");
  assert.match(packageFile.scripts.start, /^thornback run app\.ts/);
  assert.match(readFileSync(path.join(target, "app.ts"), "utf8"), /export default deployment\(Api\)/);
  assert.match(out.join(""), /npm pack \S+ && npm install \.\/thornback-[\d.]+\.tgz && npm start/);
});

test("init writes nothing over a file that is there", () => {
  const target = path.join(folder, "taken");
  mkdirSync(target);
  writeFileSync(path.join(target, "app.ts"), "mine");
  assert.throws(
    () => initIn(target),
    (error: unknown) =>
      error instanceof CliError && error.exitCode === EXIT.failed && /app\.ts already/.test(error.message),
  );
  assert.equal(readFileSync(path.join(target, "app.ts"), "utf8"), "mine");
});

test("another package with a program called serve is found from any folder below, and init warns of it", () => {
  const project = path.join(folder, "clash");
  mkdirSync(path.join(project, "node_modules", "serve"), { recursive: true });
  writeFileSync(path.join(project, "node_modules", "serve", "package.json"), '{"version":"14.2.5"}');
  assert.match(binClash(path.join(project, "src", "deep")) ?? "", /serve@14\.2\.5 .*npx thornback/);
  assert.equal(binClash(path.join(folder, "none")), undefined);
  assert.match(initIn(path.join(project, "app")).err.join(""), /warning: .*serve@14\.2\.5/);
});

test("doctor tells a taken port and a data directory that cannot be made", async () => {
  const { createServer } = await import("node:net");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = { host: "127.0.0.1", port: (server.address() as { port: number }).port };
  const findings = await diagnose({
    projectDir: folder,
    dataDir: path.join(folder, "x", "y"),
    ports: [{ flag: "--http-port", address }],
  });
  server.close();
  const port = findings.find((finding) => finding.name.startsWith("port"));
  assert.deepEqual(
    [port?.state, /in use/.test(port?.detail ?? ""), /--http-port/.test(port?.next ?? "")],
    ["remark", true, true],
  );
  assert.equal(findings.find((finding) => finding.name === "data directory")?.state, "fine");
  assert.equal(findings.find((finding) => finding.name === "onnxruntime-node")?.state, "remark");
});

function specWith(env: Record<string, unknown>): ApplicationSpec {
  return { name: "app", deployments: [{ name: "Gateway", options: { env } }] } as unknown as ApplicationSpec;
}

test("a secret comes from --env before --env-file before the environment, and others are not read", () => {
  const file = path.join(folder, "secrets.env");
  writeFileSync(file, "A=file\nB=file\n# a remark\nQUOTED='x y'\n");
  const values = valueSources({ A: "flag" }, file, { A: "env", B: "env", C: "env", D: "env" });
  const env = { W: { secret: "A" }, X: { secret: "B" }, Y: { secret: "C" }, Z: "plain", Q: { secret: "QUOTED" } };
  assert.deepEqual(resolveSecrets(specWith(env), values), { A: "flag", B: "file", C: "env", QUOTED: "x y" });
});

test("every missing secret is named with its deployment and how to give it, and no value is ever shown", () => {
  const env = { X: { secret: "FIRST" }, Y: { secret: "SECOND" }, Z: { secret: "GIVEN" } };
  assert.throws(
    () => resolveSecrets(specWith(env), { GIVEN: "hidden-value" }),
    (error: unknown) => {
      assert.ok(error instanceof CliError);
      assert.match(error.message, /FIRST, which deployment Gateway needs\n.*SECOND, which deployment Gateway needs/);
      assert.match(error.next, /--env FIRST=…/);
      assert.doesNotMatch(error.message + error.next, /hidden-value/);
      return true;
    },
  );
});

test("progress is a line for every change where nobody looks, and one rewritten line on a terminal", () => {
  const piped = printing();
  for (const text of ["a", "a", "b"]) piped.print.progress(text);
  assert.deepEqual(piped.err, ["a\n", "b\n"]);
  const terminal = printing(true);
  terminal.print.progress("a");
  terminal.print.line("done");
  assert.deepEqual(terminal.err, ["\ra", "\r\u001b[2K"]);
  assert.deepEqual(terminal.out, ["done\n"]);
});

test("waiting is told once it takes longer than half a second, and not before", async () => {
  const clock = new ManualClock();
  const said: string[] = [];
  const print = { progress: (text: string) => void said.push(text) };
  assert.equal(await whileWaiting({ clock, print }, "quick", Promise.resolve(1)), 1);
  assert.equal(clock.pendingCount, 0);
  const slow = Promise.withResolvers<number>();
  const waiting = whileWaiting({ clock, print }, "bundling app.ts", slow.promise);
  clock.advance(499);
  assert.deepEqual(said, []);
  clock.advance(1);
  assert.deepEqual(said, ["bundling app.ts"]);
  slow.resolve(2);
  assert.equal(await waiting, 2);
});

test("columns are as wide as their widest cell", () => {
  assert.equal(
    table([
      ["a", "bb", "c"],
      ["aaa", "b", ""],
    ]),
    "a    bb  c\naaa  b",
  );
});

test("a source that is saved by putting another file in its place is seen, and its neighbours are not", async () => {
  const source = path.join(folder, "app.ts");
  writeFileSync(source, "1");
  const { promise, resolve } = Promise.withResolvers<string>();
  const watching = new SourceWatch({
    clock: systemClock,
    sources: [source],
    onChange: (file) => Promise.resolve(resolve(file)),
  });
  writeFileSync(path.join(folder, "other.ts"), "x");
  writeFileSync(path.join(folder, "app.ts.tmp"), "2");
  renameSync(path.join(folder, "app.ts.tmp"), source);
  assert.equal(await promise, source);
  watching.close();
});
