import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, beforeEach, test } from "node:test";
import { bench, type BenchFlags } from "../../../../cli/command/bench.ts";
import type { CommandContext } from "../../../../cli/command/context.ts";
import { CliError } from "../../../../cli/exit-code.ts";
import { Printer } from "../../../../cli/print.ts";
import type { LoadReport } from "../../../../load/load-report.ts";
import { machineLoadDeps } from "../../../../load/load-deps.ts";

let server: Server;
let url: string;
let last: { readonly request: IncomingMessage; readonly body: string } | undefined;
let out = "";
let interrupt: (() => void) | undefined;

const context: CommandContext = {
  ...machineLoadDeps,
  print: new Printer({ write: (text) => (out += text) }, { write() {} }, {}),
  env: {},
  onInterrupt(callback) {
    interrupt = () => callback("SIGINT");
    return () => (interrupt = undefined);
  },
};

before(async () => {
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (bytes: Buffer) => (body += bytes.toString()));
    request.on("end", () => {
      last = { request, body };
      response.writeHead(request.url === "/broken" ? 500 : 200).end("ok");
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

after(() => {
  server.closeAllConnections();
  server.close();
});

beforeEach(() => {
  out = "";
  process.exitCode = 0;
});

/** Runs the command; its exit code is of no concern to this process. */
async function run(path: string, flags: BenchFlags): Promise<number> {
  try {
    await bench(context, `${url}${path}`, { duration: "100ms", ...flags });
    return Number(process.exitCode);
  } finally {
    process.exitCode = 0;
  }
}

test("it sends what it is told and says what became of it", async () => {
  const flags = { rate: "200", body: '{"a":1}', header: ["x-key: abc"] };
  assert.equal(await run("/", flags), 0);
  assert.deepEqual([last?.request.method, last?.body, last?.request.headers["x-key"]], ["POST", '{"a":1}', "abc"]);
  assert.equal(last?.request.headers["content-type"], "application/json");
  assert.match(out, /^\d+ requests in 0\.\d s; /);
  assert.match(out, /^outcome +count +p50 ms/m);
  assert.match(out, /^200 +\d+ /m);
});

test("without a rate each connection waits for its answer; for a script it prints JSON", async () => {
  assert.equal(await run("/", { connections: "2", json: true }), 0);
  const report = JSON.parse(out) as LoadReport & { isComplete: boolean };
  assert.equal(report.outcomes["200"], report.sent);
  assert.equal(report.isComplete, true);
});

test("no 2xx is a failure, and nobody there is another", async () => {
  assert.equal(await run("/broken", { rate: "100" }), 1);
  const gone = createServer().listen(0, "127.0.0.1");
  await once(gone, "listening");
  const { port } = gone.address() as AddressInfo;
  await new Promise((resolve) => gone.close(resolve));
  const nobody = bench(context, `http://127.0.0.1:${port}`, { duration: "1m", rate: "10" });
  await assert.rejects(nobody, (error) => error instanceof CliError && error.exitCode === 69);
});

test("Ctrl-C ends it with the figures so far", async () => {
  const running = run("/", { duration: "10m", rate: "100" });
  await once(server, "request");
  interrupt?.();
  assert.equal(await running, 130);
  assert.match(out, /^200 /m);
});

test("a wrong flag is named, and nothing is sent", async () => {
  last = undefined;
  const wrong: readonly BenchFlags[] = [
    { rate: "0" },
    { rate: "fast" },
    { duration: "soon" },
    { connections: "1.5" },
    { timeoutMs: "-1" },
    { method: "GE T" },
    { header: ["no colon"] },
    { body: "a", bodyFile: "b" },
    { bodyFile: "missing.json" },
  ];
  for (const flags of wrong) {
    await assert.rejects(run("/", flags), (error) => error instanceof CliError && error.exitCode === 64);
  }
  await assert.rejects(bench(context, "ftp://x", {}), (error) => error instanceof CliError && error.exitCode === 64);
  assert.equal(last, undefined);
});
