import { HandlerError, InvalidRequestError, type Problem } from "../../core/error.ts";
import { MOST_PROBLEMS } from "../../core/limits.ts";

/** The part of the Standard Schema interface that is used: zod, valibot, arktype and others implement it. */
export type Schema = {
  readonly "~standard": { readonly validate: (value: unknown) => SchemaResult | Promise<SchemaResult> };
};

type SchemaResult =
  | { readonly issues?: undefined; readonly value: unknown }
  | { readonly issues: readonly SchemaIssue[] };

type SchemaIssue = {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
};

/** A class's `static input` or `static output`; undefined without. Anything else there is no schema and is left alone. */
export function schemaOf(target: object, name: "input" | "output"): Schema | undefined {
  const candidate = (target as Record<string, unknown>)[name];
  const isObject = (typeof candidate === "object" && candidate !== null) || typeof candidate === "function";
  return isObject && "~standard" in candidate ? (candidate as Schema) : undefined;
}

/**
 * The input as its schema gives it back: defaults filled in, values converted.
 *
 * @throws {InvalidRequestError} with every problem and its path.
 */
export async function validateInput(schema: Schema, value: unknown, deployment: string): Promise<unknown> {
  const result = await schema["~standard"].validate(value);
  if (result.issues === undefined) return result.value;
  const problems = toProblems(result.issues);
  const count = result.issues.length === 1 ? "1 problem" : `${result.issues.length} problems`;
  throw new InvalidRequestError(`the body does not fit the input of ${deployment}: ${count}: ${describe(problems)}`, {
    details: { problems },
  });
}

/**
 * The output as its schema gives it back.
 *
 * @throws {HandlerError} when user code broke its own promise; what was wrong is for the log, not for the client.
 */
export async function validateOutput(schema: Schema, value: unknown, deployment: string): Promise<unknown> {
  const result = await schema["~standard"].validate(value);
  if (result.issues === undefined) return result.value;
  throw new HandlerError(
    `the result of ${deployment} does not fit its output schema: ${describe(toProblems(result.issues))}`,
  );
}

function toProblems(issues: readonly SchemaIssue[]): Problem[] {
  return issues.slice(0, MOST_PROBLEMS).map(({ message, path }) => ({ path: pathText(path ?? []), message }));
}

function describe(problems: readonly Problem[]): string {
  return problems.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`)).join("; ");
}

/** `pixels[3].value`. */
function pathText(path: readonly (PropertyKey | { readonly key: PropertyKey })[]): string {
  let text = "";
  for (const part of path) {
    const key = typeof part === "object" ? part.key : part;
    if (typeof key === "number") text += `[${key}]`;
    else text += text === "" ? String(key) : `.${String(key)}`;
  }
  return text;
}
