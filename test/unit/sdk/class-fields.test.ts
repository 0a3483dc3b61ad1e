import assert from "node:assert/strict";
import { it } from "node:test";
import { declaresField, declaresMember } from "../../../sdk/class-fields.ts";

const yes: Readonly<Record<string, string>> = {
  "a field": "class A { fetch = app.fetch; }",
  "a field after methods": "class A {\n  run() { return { a: 1 }; }\n  fetch = x;\n}",
  "a field after a field without semicolons": "class A {\n  other = [1]\n  fetch = 2\n}",
  "a field after a regular expression": "class A {\n  re = /[{/]fetch/g;\n  fetch = x;\n}",
  "a field after a template": "class A {\n  t = `}${`{${1}`}`;\n  fetch = x;\n}",
  "a field lowered into the constructor": "class A { constructor() { this.fetch = x; } }",
  "a field lowered by esbuild": 'class A { constructor() { __publicField(this, "fetch", x); } }',
  "a field after a comment with a brace": "class A {\n  // {\n  /* { */ a = 1;\n  fetch = x;\n}",
};
const no: Readonly<Record<string, string>> = {
  "a local variable": "class A { predict() { const fetch = 1; return fetch; } }",
  "an assignment inside a method": "class A { predict() { let fetch; fetch = 1; } }",
  "the word in a string": "class A { a = \"fetch = 1\"; b = '\\n fetch = 2'; }",
  "the word in a comment": "class A {\n  // fetch = 1\n  /*\n fetch = 2 */ a = 1;\n}",
  "another field's name that ends so": "class A { prefetch = 1; fetchAll = 2; $fetch = 3; }",
  "a call in a field": "class A { load = () => { fetch(1); }; }",
  "a private field": "class A { #fetch = 1; }",
  "a comparison": "class A {\n  a = (x) =>\n    fetch == x;\n}",
};
for (const [what, source] of Object.entries(yes)) it(`sees ${what}`, () => assert.ok(declaresField(source, "fetch")));
for (const [what, source] of Object.entries(no))
  it(`does not take ${what} for a field`, () => assert.ok(!declaresField(source, "fetch")));

it("sees inherited methods and fields", () => {
  class Base {
    fetch = () => new Response();
    predict(): void {}
  }
  class Derived extends Base {}
  assert.ok(declaresMember(Derived, "fetch"));
  assert.ok(declaresMember(Derived, "predict"));
  assert.ok(!declaresMember(Derived, "websocket"));
});
