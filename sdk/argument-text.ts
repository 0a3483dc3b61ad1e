import { createHash } from "node:crypto";
import { isRecord } from "../core/problem-list.ts";
import { DeploymentReference } from "./load-app.ts";
import { MOST_SPEC_DEPTH } from "../core/limits.ts";

/** Arguments of `bind` as text: equal arguments give equal text, on every machine. */
export type ArgumentText = {
  readonly text: string;
  /** Whether something among them cannot be told apart by its content: a function, an instance of a class. */
  readonly isOpaque: boolean;
};

/** Renders the arguments of a graph's deployment for its version. */
export function argumentText(args: readonly unknown[]): ArgumentText {
  const state = { isOpaque: false };
  const text = render(args, state, 0);
  return { text, isOpaque: state.isOpaque };
}

function render(value: unknown, state: { isOpaque: boolean }, depth: number): string {
  if (depth > MOST_SPEC_DEPTH) return opaque("nested", state);
  const inner = (item: unknown): string => render(item, state, depth + 1);
  if (value instanceof DeploymentReference) return `handle(${value.name})`;
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return opaque(`function ${value.toString()}`, state);
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return `[${value.map(inner).join(",")}]`;
  if (value instanceof Date) return `Date(${value.getTime()})`;
  if (value instanceof RegExp || value instanceof URL) return `${value.constructor.name}(${value.toString()})`;
  if (value instanceof Map) return `Map(${[...value].map(([key, item]) => `${inner(key)}:${inner(item)}`).join(",")})`;
  if (value instanceof Set) return `Set(${[...value].map(inner).join(",")})`;
  if (ArrayBuffer.isView(value)) return bytesText(value.constructor.name, value);
  if (value instanceof ArrayBuffer) return bytesText("ArrayBuffer", new Uint8Array(value));
  if (!isRecord(value)) return opaque(`instance of ${value.constructor.name}`, state);
  const fields = Object.keys(value).sort();
  return `{${fields.map((key) => `${JSON.stringify(key)}:${inner(value[key])}`).join(",")}}`;
}

function bytesText(kind: string, view: ArrayBufferView): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return `${kind}(${createHash("sha256").update(bytes).digest("hex")})`;
}

function opaque(text: string, state: { isOpaque: boolean }): string {
  state.isOpaque = true;
  return text;
}
