/**
 * llhttp, the HTTP parser of Node itself, as the WebAssembly module that undici ships. Its path is not part of undici's
 * public API: undici is pinned to one version, and what is missing from another is said at the start, by name.
 */
import { createRequire } from "node:module";

/** What llhttp tells while it executes; offsets are addresses in its memory. They may only note it, see parser.ts. */
export type LlhttpCallbacks = {
  onUrl(address: number, bytes: number): number;
  onHeaderName(address: number, bytes: number): number;
  onHeaderValue(address: number, bytes: number): number;
  onHeadersComplete(isUpgrade: boolean, isKeepAlive: boolean): number;
  onBody(address: number, bytes: number): number;
  onMessageComplete(): number;
};

/** The functions of the module that are used here. */
export type Llhttp = {
  readonly memory: WebAssembly.Memory;
  malloc(bytes: number): number;
  llhttp_alloc(type: number): number;
  llhttp_free(parser: number): void;
  llhttp_reset(parser: number): void;
  llhttp_resume(parser: number): void;
  llhttp_execute(parser: number, address: number, bytes: number): number;
  llhttp_get_error_pos(parser: number): number;
  llhttp_get_method(parser: number): number;
  llhttp_should_keep_alive(parser: number): number;
};

const FUNCTIONS = [
  "malloc",
  "llhttp_alloc",
  "llhttp_free",
  "llhttp_reset",
  "llhttp_resume",
  "llhttp_execute",
  "llhttp_get_error_pos",
  "llhttp_get_method",
  "llhttp_should_keep_alive",
] as const;

const require = createRequire(import.meta.url);

/**
 * Makes an instance with a memory of its own.
 * @throws {Error} when undici is not the version this was written for.
 */
export function instantiateLlhttp(callbacks: LlhttpCallbacks): Llhttp {
  const imports = {
    wasm_on_message_begin: () => 0,
    wasm_on_status: () => 0,
    wasm_on_url: (_parser: number, address: number, bytes: number) => callbacks.onUrl(address, bytes),
    wasm_on_header_field: (_parser: number, address: number, bytes: number) => callbacks.onHeaderName(address, bytes),
    wasm_on_header_value: (_parser: number, address: number, bytes: number) => callbacks.onHeaderValue(address, bytes),
    wasm_on_headers_complete: (_parser: number, _status: number, upgrade: number, keepAlive: number) =>
      callbacks.onHeadersComplete(upgrade === 1, keepAlive === 1),
    wasm_on_body: (_parser: number, address: number, bytes: number) => callbacks.onBody(address, bytes),
    wasm_on_message_complete: () => callbacks.onMessageComplete(),
  };
  const { exports } = new WebAssembly.Instance(compile(), { env: imports });
  const missing = FUNCTIONS.filter((name) => typeof exports[name] !== "function");
  if (!(exports["memory"] instanceof WebAssembly.Memory) || missing.length > 0) throw unfit(missing.join(", "));
  return exports as unknown as Llhttp;
}

/** Names of the methods llhttp knows, at their numbers. */
export function methodNames(): readonly string[] {
  const { METHODS } = require("undici/lib/llhttp/constants.js") as {
    readonly METHODS?: Readonly<Record<string, number>>;
  };
  if (METHODS?.["GET"] === undefined) throw unfit("METHODS");
  const names: string[] = [];
  for (const [name, number] of Object.entries(METHODS)) names[number] = name;
  return names;
}

/** With SIMD where the machine has it. */
function compile(): WebAssembly.Module {
  const simd = moduleBytes(require("undici/lib/llhttp/llhttp_simd-wasm.js"));
  if (WebAssembly.validate(simd)) return new WebAssembly.Module(simd);
  return new WebAssembly.Module(moduleBytes(require("undici/lib/llhttp/llhttp-wasm.js")));
}

function moduleBytes(bytes: unknown): Uint8Array<ArrayBuffer> {
  if (!(bytes instanceof Uint8Array)) throw unfit("the module");
  return bytes as Uint8Array<ArrayBuffer>;
}

function unfit(what: string): Error {
  return new Error(
    `the installed undici is not the version the HTTP front needs (missing: ${what || "memory"}): reinstall, or use --http-front node`,
  );
}
