import { readFileSync } from "node:fs";
import path from "node:path";
import { parse, YAMLParseError } from "yaml";
import { readAccess, readCors, type AccessSpec, type CorsSpec } from "../core/access.ts";
import { joinPath, ProblemList, type UnknownRecord } from "../core/problem-list.ts";
import { readApplicationName, readRoutePrefix } from "../core/spec-validate.ts";
import { CliError, EXIT } from "./exit-code.ts";

/** One application of a deploy: where its code is, and what is said about it beside its code. */
export type ServeEntry = {
  /** Absolute path of app.ts. */
  readonly file: string;
  readonly name?: string | undefined;
  readonly routePrefix?: string | undefined;
  /** In place of what the code says; undefined: as the code says. */
  readonly access?: AccessSpec | undefined;
  /** As `access`. */
  readonly cors?: CorsSpec | undefined;
  /** For every deployment of the application; a deployment's own come over them. */
  readonly env: UnknownRecord;
  /** Options by deployment name, as they are written; checked together with the code's own. */
  readonly deployments: Readonly<Record<string, UnknownRecord>>;
};

type Values = Readonly<Record<string, string | undefined>>;

const ENTRY_KEYS = ["import", "name", "routePrefix", "access", "cors", "env", "deployments"];

/**
 * Reads a `serve.yaml`: one application at its top level, or a list `applications`. `${NAME}` and `${NAME:-default}`
 * stand for values of the deploy; `$${` is a plain `${`.
 *
 * @throws {CliError} (78) with every problem and its path.
 */
export function readServeFile(
  file: string,
  values: Values,
  named: { name: string | undefined; routePrefix: string | undefined },
): readonly ServeEntry[] {
  const problems = new ProblemList();
  const document = problems.readRecord("", substitute(problems, "", parseYaml(file), values));
  const folder = path.dirname(file);
  let entries: readonly ServeEntry[];
  if (document["applications"] === undefined) {
    problems.refuseUnknown("", document, ["$schema", ...ENTRY_KEYS, "applications"]);
    entries = [readEntry(problems, "", document, folder)];
  } else {
    problems.refuseUnknown("", document, ["$schema", "applications"]);
    const list = problems.readList("applications", document["applications"]);
    entries = list.map((entry, i) => {
      const at = joinPath("applications", i);
      const record = problems.readRecord(at, entry);
      problems.refuseUnknown(at, record, ENTRY_KEYS);
      return readEntry(problems, at, record, folder);
    });
    if ((named.name ?? named.routePrefix) !== undefined && entries.length > 1) {
      problems.add("applications", "lists several, so --name and --route-prefix cannot say which is meant");
    }
  }
  refuse(file, problems);
  return entries.map((entry) => ({
    ...entry,
    name: named.name ?? entry.name,
    routePrefix: named.routePrefix ?? entry.routePrefix,
  }));
}

function parseYaml(file: string): unknown {
  const shown = path.relative(process.cwd(), file);
  try {
    return parse(readFileSync(file, "utf8"));
  } catch (error) {
    if (error instanceof YAMLParseError) {
      throw new CliError(EXIT.refused, `${shown} is not YAML: ${error.message.trim()}`, "", { cause: error });
    }
    const cause = error instanceof Error ? error.message : String(error);
    throw new CliError(EXIT.failed, `${shown} cannot be read: ${cause}`, "", { cause: error });
  }
}

function readEntry(problems: ProblemList, at: string, record: UnknownRecord, folder: string): ServeEntry {
  const file = problems.readText(joinPath(at, "import"), record["import"], /./, "the path of an app.ts");
  const { name, routePrefix, env, deployments } = record;
  return {
    file: path.resolve(folder, file),
    name: name === undefined ? undefined : readApplicationName(problems, joinPath(at, "name"), name),
    routePrefix:
      routePrefix === undefined ? undefined : readRoutePrefix(problems, joinPath(at, "routePrefix"), routePrefix),
    access: readAccess(problems, joinPath(at, "access"), record["access"]),
    cors: readCors(problems, joinPath(at, "cors"), record["cors"]),
    env: readEnv(problems, joinPath(at, "env"), env),
    deployments: readDeployments(problems, joinPath(at, "deployments"), deployments),
  };
}

function readDeployments(problems: ProblemList, at: string, value: unknown): Readonly<Record<string, UnknownRecord>> {
  const given = value === undefined || value === null ? {} : problems.readRecord(at, value);
  const entries = Object.entries(given).map(([name, options]) => {
    const record = options === null ? {} : problems.readRecord(joinPath(at, name), options);
    if (record["env"] === undefined) return [name, record];
    return [name, { ...record, env: readEnv(problems, joinPath(joinPath(at, name), "env"), record["env"]) }];
  });
  return Object.fromEntries(entries) as Readonly<Record<string, UnknownRecord>>;
}

/** YAML reads `PORT: 80` as a number; in an environment everything is text. */
function readEnv(problems: ProblemList, at: string, value: unknown): UnknownRecord {
  const given = value === undefined || value === null ? {} : problems.readRecord(at, value);
  const entries = Object.entries(given).map(([name, one]) => {
    return [name, typeof one === "number" || typeof one === "boolean" ? String(one) : one];
  });
  return Object.fromEntries(entries) as UnknownRecord;
}

/** The document with its variables filled in. A text that is one variable alone becomes a number or boolean if it reads as one. */
function substitute(problems: ProblemList, at: string, value: unknown, values: Values): unknown {
  if (typeof value === "string") return substituteText(problems, at, value, values);
  if (Array.isArray(value)) return value.map((item, i) => substitute(problems, joinPath(at, i), item, values));
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).map(([key, field]) => [
    key,
    substitute(problems, joinPath(at, key), field, values),
  ]);
  return Object.fromEntries(fields);
}

const VARIABLE = /\$?\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}/g;

function substituteText(problems: ProblemList, at: string, text: string, values: Values): unknown {
  const filled = text.replaceAll(VARIABLE, (whole, name: string, byDefault: string | undefined) => {
    if (whole.startsWith("$$")) return whole.slice(1);
    const found = values[name] ?? byDefault;
    if (found === undefined)
      problems.add(at, `uses \${${name}}, which has no value; pass --env ${name}=…, or write \${${name}:-default}`);
    return found ?? "";
  });
  const isAlone = filled !== text && /^\$\{[^}]*\}$/.test(text);
  return isAlone && /^(-?\d+(\.\d+)?(e\d+)?|true|false)$/.test(filled) ? (JSON.parse(filled) as unknown) : filled;
}

function refuse(file: string, problems: ProblemList): void {
  if (problems.all.length === 0) return;
  const lines = problems.all.map(({ path: at, message }) => `${at} ${message}`.trim());
  throw new CliError(EXIT.refused, `${path.relative(process.cwd(), file)} is refused:\n  ${lines.join("\n  ")}`);
}
