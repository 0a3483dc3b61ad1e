import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { CliError, EXIT } from "../../../cli/exit-code.ts";
import { DEFAULT_HTTP_FRONT, HTTP_FRONTS } from "../../../core/process-config.ts";
import { adminUrl, clusterOptions, parseAssignments, parseLabels, parseResources } from "../../../cli/settings.ts";

const folder = mkdtempSync(path.join(tmpdir(), "thornback-settings-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function tokenFile(text: string): string {
  const file = path.join(folder, "token");
  writeFileSync(file, text);
  return file;
}

function exitCode(code: number, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof CliError);
    assert.equal(error.exitCode, code);
    assert.match(error.message, message);
    return true;
  };
}

test("without flags a head listens on loopback at the documented ports", () => {
  const { controller, worker } = clusterOptions({}, {});
  assert.deepEqual(controller?.admin, { host: "127.0.0.1", port: 8265 });
  assert.deepEqual(controller?.grpc, { host: "127.0.0.1", port: 8266 });
  assert.deepEqual(worker.http, { host: "127.0.0.1", port: 8000 });
  assert.equal(worker.nodeHost, "127.0.0.1");
  assert.equal(path.isAbsolute(worker.dataDir), true);
});

test("PORT is the port for requests, and a flag wins over it", () => {
  assert.equal(clusterOptions({}, { PORT: "9100" }).worker.http.port, 9_100);
  assert.equal(clusterOptions({ httpPort: "9200" }, { PORT: "9100" }).worker.http.port, 9_200);
  assert.equal(clusterOptions({}, { PORT: "" }).worker.http.port, 8_000);
});

test("a public admin or control port without a token is refused with 78, a public port for requests is not", () => {
  assert.throws(() => clusterOptions({ adminHost: "0.0.0.0" }, {}), exitCode(EXIT.refused, /--admin-host 0\.0\.0\.0/));
  assert.throws(() => clusterOptions({ grpcHost: "10.0.0.5" }, {}), exitCode(EXIT.refused, /--grpc-host 10\.0\.0\.5/));
  assert.throws(() => clusterOptions({ adminHost: "::" }, {}), exitCode(EXIT.refused, /--admin-host ::/));
  assert.equal(clusterOptions({ httpHost: "0.0.0.0" }, {}).worker.http.host, "0.0.0.0");
  const withToken = clusterOptions({ adminHost: "0.0.0.0", tokenFile: tokenFile("0123456789abcdef\n") }, {});
  assert.equal(withToken.controller?.token, "0123456789abcdef");
  assert.equal(withToken.worker.token, "0123456789abcdef");
});

test("a token that could be guessed, or is missing, is refused", () => {
  assert.throws(() => clusterOptions({ tokenFile: tokenFile("short") }, {}), exitCode(EXIT.refused, /16 characters/));
  assert.throws(
    () => clusterOptions({ tokenFile: path.join(folder, "none") }, {}),
    exitCode(EXIT.refused, /cannot be read/),
  );
});

test("a node that joins has no controller of its own and needs no token of its own choosing", () => {
  const options = clusterOptions({ join: "127.0.0.1:8266" }, {});
  assert.equal(options.controller, undefined);
  assert.deepEqual(options.worker.controller, { host: "127.0.0.1", port: 8_266 });
  assert.throws(() => clusterOptions({ join: "10.0.0.1" }, {}), exitCode(EXIT.usage, /HOST:PORT/));
});

test("the replicas of a node that joins listen where --grpc-host says, which needs the token too", () => {
  const flags = { join: "127.0.0.1:8266", grpcHost: "10.0.0.2" };
  assert.throws(() => clusterOptions(flags, {}), exitCode(EXIT.refused, /--grpc-host 10\.0\.0\.2/));
  const file = tokenFile("0123456789abcdef\n");
  assert.equal(clusterOptions({ ...flags, tokenFile: file }, {}).worker.nodeHost, "10.0.0.2");
  assert.equal(clusterOptions({ join: "127.0.0.1:8266" }, {}).worker.nodeHost, "127.0.0.1");
});

test("ports and levels that are none are usage errors that name the flag", () => {
  assert.throws(() => clusterOptions({ grpcPort: "65536" }, {}), exitCode(EXIT.usage, /--grpc-port/));
  assert.throws(() => clusterOptions({ httpPort: "-1" }, {}), exitCode(EXIT.usage, /--http-port/));
  assert.throws(() => clusterOptions({ logLevel: "loud" }, {}), exitCode(EXIT.usage, /--log-level/));
  assert.deepEqual(clusterOptions({ inspect: true }, {}).worker.inspect, { host: "127.0.0.1", port: 9_229 });
});

test("resources keep our own names apart from custom ones, and are checked", () => {
  assert.deepEqual(parseResources("cpus=4,gpus=2, memoryBytes=8e9,license=1.5"), {
    cpus: 4,
    gpus: 2,
    memoryBytes: 8e9,
    custom: { license: 1.5 },
  });
  assert.deepEqual(parseResources(""), { cpus: undefined, gpus: undefined, memoryBytes: undefined, custom: {} });
  assert.throws(() => parseResources("cpus=lots"), exitCode(EXIT.usage, /not an amount/));
  assert.throws(() => parseResources("gpus=0.5"), exitCode(EXIT.usage, /whole number/));
  assert.throws(() => parseResources("gpus"), exitCode(EXIT.usage, /NAME=VALUE/));
  assert.deepEqual(parseLabels("zone=a,disk=fast"), { zone: "a", disk: "fast" });
});

test("values of --env may hold anything, an equals sign too", () => {
  assert.deepEqual(parseAssignments(["A=1", "URL=https://x?y=z", "EMPTY="]), {
    A: "1",
    URL: "https://x?y=z",
    EMPTY: "",
  });
  assert.throws(() => parseAssignments(["=x"]), exitCode(EXIT.usage, /NAME=VALUE/));
});

test("the admin address is the default one, a local port, or a URL with or without its scheme", () => {
  assert.equal(adminUrl({}), "http://127.0.0.1:8265");
  assert.equal(adminUrl({ adminPort: "9000" }), "http://127.0.0.1:9000");
  assert.equal(adminUrl({ adminHost: "10.0.0.1", adminPort: "9000" }), "http://10.0.0.1:9000");
  assert.equal(adminUrl({ adminHost: "0.0.0.0" }), "http://127.0.0.1:8265");
  assert.equal(adminUrl({ address: "head.example:8265" }), "http://head.example:8265");
  assert.equal(adminUrl({ address: "https://head.example/" }), "https://head.example");
  assert.throws(() => adminUrl({ address: "ftp://x" }), exitCode(EXIT.usage, /--address/));
});

test("there is one proxy, as many as --proxies says, or an error", () => {
  assert.equal(clusterOptions({}, {}).worker.proxyCount, 1);
  assert.equal(clusterOptions({ proxies: "4" }, {}).worker.proxyCount, 4);
  for (const proxies of ["0", "-1", "1.5", "65", "many", ""]) {
    assert.throws(() => clusterOptions({ proxies }, {}), exitCode(EXIT.usage, /--proxies/));
  }
});

test("a front is one of those there are", () => {
  assert.equal(clusterOptions({}, {}).worker.httpFront, DEFAULT_HTTP_FRONT);
  for (const httpFront of HTTP_FRONTS) assert.equal(clusterOptions({ httpFront }, {}).worker.httpFront, httpFront);
  assert.throws(() => clusterOptions({ httpFront: "apache" }, {}), exitCode(EXIT.usage, /--http-front "apache"/));
});
