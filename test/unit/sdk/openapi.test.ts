import assert from "node:assert/strict";
import { it } from "node:test";
import { z } from "zod";
import { application } from "../../../sdk/application.ts";
import { deployment } from "../../../sdk/deployment.ts";
import { loadApplications } from "../../../sdk/load-app.ts";
import { openApiDocument } from "../../../sdk/openapi.ts";

type Document = {
  readonly openapi: string;
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Readonly<
    Record<string, { readonly post: { readonly requestBody: Body; readonly responses: Record<string, Body> } }>
  >;
};
type Body = { readonly content: Record<string, { readonly schema: Record<string, unknown> }> };

function documentOf(target: new () => object): Document {
  const [graph] = loadApplications({ default: deployment(target).bind() }, { file: "/x/app.ts", routePrefix: "/x" });
  return openApiDocument(graph ?? assert.fail()) as unknown as Document;
}

it("describes input and output by the schemas of the class", () => {
  class Digits {
    static readonly input = z.object({ pixels: z.array(z.number()).length(64) });
    static readonly output = z.object({ label: z.number().int() });
    predict(): void {}
  }
  const document = documentOf(Digits);
  assert.equal(document.openapi, "3.1.0");
  assert.deepEqual(document.servers, [{ url: "/x" }]);
  const post = document.paths["/"]?.post ?? assert.fail();
  const input = post.requestBody.content["application/json"]?.schema ?? {};
  assert.deepEqual(input["required"], ["pixels"]);
  assert.equal(input["$schema"], undefined);
  assert.deepEqual(post.responses["200"]?.content["application/json"]?.schema["required"], ["label"]);
  assert.ok(post.responses["400"]?.content["application/problem+json"]);
});

it("allows anything where a schema cannot say what it takes", () => {
  class Digits {
    static readonly input = z.object({ when: z.date() });
    static readonly output = { "~standard": { version: 1, vendor: "x", validate: () => ({ value: 1 }) } };
    predict(): void {}
  }
  const post = documentOf(Digits).paths["/"]?.post ?? assert.fail();
  assert.deepEqual(post.requestBody.content["application/json"]?.schema, {});
  assert.deepEqual(post.responses["200"]?.content["application/json"]?.schema, {});
});

it("says that a predict that yields answers events", () => {
  class Words {
    async *predict(): AsyncGenerator<string> {
      yield await Promise.resolve("a");
    }
  }
  const content = documentOf(Words).paths["/"]?.post.responses["200"]?.content;
  assert.deepEqual(Object.keys(content ?? {}), ["text/event-stream"]);
});

it("has no paths for an ingress that routes by itself", () => {
  class Site {
    fetch(): Response {
      return new Response();
    }
  }
  assert.deepEqual(documentOf(Site).paths, {});
});

it("says how a key is sent where one is asked for", () => {
  class Echo {
    predict(): void {}
  }
  const access = { keys: [{ name: "alice", sha256: "ab".repeat(32) }] };
  const [graph] = loadApplications(
    { default: application(deployment(Echo).bind(), { access }) },
    { file: "/x/app.ts" },
  );
  const document = openApiDocument(graph ?? assert.fail());
  assert.deepEqual(document["security"], [{ bearer: [] }, { apiKey: [] }]);
  assert.doesNotMatch(JSON.stringify(document), /alice|abab/);
  assert.match(JSON.stringify(document), /"401".*"429"/s);
});
