import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { after, test } from "node:test";
import { AdminClient } from "../../../cli/admin-client.ts";
import { CliError, EXIT } from "../../../cli/exit-code.ts";

const servers: Server[] = [];
after(() => {
  for (const server of servers) server.close();
});

async function serving(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  token?: string,
): Promise<AdminClient> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return new AdminClient(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}`, token);
}

function problem(status: number, body: object): (request: IncomingMessage, response: ServerResponse) => void {
  return (_request, response) => {
    response.writeHead(status, { "content-type": "application/problem+json" }).end(JSON.stringify(body));
  };
}

async function failure(run: Promise<unknown>): Promise<CliError> {
  const error: unknown = await run.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof CliError);
  return error;
}

test("nothing at the address ends with 69 and says how to start something", async () => {
  const error = await failure(new AdminClient("http://127.0.0.1:1", undefined).status());
  assert.equal(error.exitCode, EXIT.unavailable);
  assert.match(error.message, /nothing answers at http:\/\/127\.0\.0\.1:1/);
  assert.match(error.next, /thornback start/);
});

test("a missing or wrong token ends with 77 and names the flag", async () => {
  for (const status of [401, 403]) {
    const error = await failure((await serving(problem(status, { detail: "no token" }))).status());
    assert.equal(error.exitCode, EXIT.notAllowed);
    assert.match(error.next, /--token-file/);
  }
});

test("a problem is told in the controller's words with everything it lists, each thing once", async () => {
  const problems = [
    { path: "deployments.A.numReplicas", message: "must be a whole number" },
    { path: "routePrefix", message: "must be a path" },
  ];
  const client = await serving(problem(400, { detail: "application a: routePrefix must be a path", problems }));
  const error = await failure(client.deleteApplication("a"));
  assert.equal(error.exitCode, EXIT.failed);
  assert.equal(
    error.message,
    "application a: routePrefix must be a path\n  deployments.A.numReplicas must be a whole number",
  );
});

test("an answer that is no JSON is told by its status", async () => {
  const client = await serving((_request, response) => response.writeHead(502).end("<html>"));
  assert.match((await failure(client.status())).message, /answered with status 502/);
});

test("the token goes with every request, and an upload arrives byte for byte with its length", async () => {
  const seen: { method?: string; authorization?: string; length?: string; body: string }[] = [];
  const client = await serving((request, response) => {
    void buffer(request).then((bytes) => {
      const { authorization = "", "content-length": length = "" } = request.headers;
      seen.push({ method: request.method ?? "", authorization, length, body: bytes.toString() });
      response.writeHead(request.method === "HEAD" ? 404 : 201).end();
    });
  }, "a-token-of-some-length");
  assert.equal(await client.hasBlob("abc"), false);
  await client.putBlob("abc", new TextEncoder().encode("bytes"));
  await client.putBlob("abc", new Blob(["from a ", "file"]));
  assert.deepEqual(
    seen.map((one) => one.authorization),
    Array.from({ length: 3 }, () => "Bearer a-token-of-some-length"),
  );
  assert.deepEqual(
    seen.slice(1).map(({ length, body }) => [length, body]),
    [
      ["5", "bytes"],
      ["11", "from a file"],
    ],
  );
});

test("an application that is not there is no error to ask for", async () => {
  const client = await serving(problem(404, { code: "deployment_not_found", detail: "none" }));
  assert.equal(await client.application("none"), undefined);
});
