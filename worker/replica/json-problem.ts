import { MOST_JSON_DEPTH } from "../../core/limits.ts";

/**
 * Finds what is wrong with JSON text, and where. Only asked when `JSON.parse` refused the text or it is suspicious:
 * the engine's own messages repeat the text, which must not reach logs or other people, and often have no position.
 *
 * A recursive descent over the grammar of RFC 8259 that builds nothing, and no deeper than MOST_JSON_DEPTH.
 */

/** What is wrong, and at which character (from 0). */
export type JsonProblem = { readonly position: number; readonly message: string };

const SPACE = /[ \t\n\r]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const LITERAL = /true|false|null/y;
const SPACE_CODE = 0x20;
const QUOTE_CODE = 0x22;
const BACKSLASH_CODE = 0x5c;

class Found extends Error {
  readonly problem: JsonProblem;
  constructor(position: number, message: string) {
    super(message);
    this.problem = { position, message };
  }
}

/** The first problem of `text`; undefined when it is JSON within our bounds. */
export function findJsonProblem(text: string): JsonProblem | undefined {
  const scanner = new Scanner(text);
  try {
    scanner.document();
    return undefined;
  } catch (error) {
    if (error instanceof Found) return error.problem;
    throw error;
  }
}

class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): void {
    this.#value(0);
    if (this.#at < this.#text.length) this.#fail("nothing may follow the value");
  }

  #value(depth: number): void {
    this.#match(SPACE);
    const first = this.#text[this.#at];
    if (first === undefined) this.#fail("the text ends where a value should be");
    if (first === "{" || first === "[") {
      if (depth >= MOST_JSON_DEPTH) this.#fail(`nesting is deeper than ${MOST_JSON_DEPTH} levels`);
      this.#at++;
      if (first === "{") this.#members(depth + 1);
      else this.#elements(depth + 1);
    } else if (first === '"') this.#string();
    else if (!this.#match(LITERAL)) this.#number();
    this.#match(SPACE);
  }

  #members(depth: number): void {
    this.#match(SPACE);
    if (this.#take("}")) return;
    for (;;) {
      this.#match(SPACE);
      if (this.#text[this.#at] !== '"') this.#fail("expected a key in double quotes");
      this.#string();
      this.#match(SPACE);
      if (!this.#take(":")) this.#fail("expected a colon after the key");
      this.#value(depth);
      if (this.#take("}")) return;
      if (!this.#take(",")) this.#fail("expected a comma or a closing brace");
    }
  }

  #elements(depth: number): void {
    this.#match(SPACE);
    if (this.#take("]")) return;
    for (;;) {
      this.#value(depth);
      if (this.#take("]")) return;
      if (!this.#take(",")) this.#fail("expected a comma or a closing bracket");
    }
  }

  /** Character by character: a pattern would run out of stack on a string of megabytes. */
  #string(): void {
    const text = this.#text;
    this.#at++;
    while (this.#at < text.length) {
      const code = text.charCodeAt(this.#at);
      if (code < SPACE_CODE) this.#fail("a string holds a control character that is not escaped");
      if (code === BACKSLASH_CODE) {
        if (!this.#match(ESCAPE)) this.#fail("a string holds a wrong escape");
        continue;
      }
      this.#at++;
      if (code === QUOTE_CODE) return;
    }
    this.#fail("the text ends inside a string");
  }

  #number(): void {
    const start = this.#at;
    if (!this.#match(NUMBER)) this.#fail("expected a value (NaN, Infinity, undefined and comments are not JSON)");
    if (Number.isFinite(Number(this.#text.slice(start, this.#at)))) return;
    this.#at = start;
    this.#fail("the number is too large");
  }

  #match(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    if (!pattern.test(this.#text)) return false;
    this.#at = pattern.lastIndex;
    return true;
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #fail(message: string): never {
    throw new Found(this.#at, message);
  }
}
