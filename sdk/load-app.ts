import { basename, dirname, extname, resolve } from "node:path";
import type { AccessSpec, CorsSpec } from "../core/access.ts";
import { readDeploymentOptions } from "../core/deployment-options.ts";
import { InvalidSpecError } from "../core/error.ts";
import { checkFallbacks } from "../core/fallback.ts";
import type { ApplicationName, DeploymentName } from "../core/ids.ts";
import { MOST_DEPLOYMENTS, MOST_SPEC_DEPTH } from "../core/limits.ts";
import { isRecord, ProblemList } from "../core/problem-list.ts";
import { readApplicationName, readRoutePrefix } from "../core/spec-validate.ts";
import type { DeploymentOptionsSpec, IngressKind } from "../core/spec.ts";
import { applicationParts } from "./application.ts";
import type { ApplicationParts } from "./application.ts";
import { declaresMember } from "./class-fields.ts";
import type { ControlFunctions } from "./control-functions.ts";
import { boundParts, isClass } from "./deployment.ts";
import type { BoundParts, CodePart, DeploymentClass, FetchFunction } from "./deployment.ts";
import { functionFallback } from "./fallback.ts";

/** A bound deployment among the arguments of another: by now it has a name. */
export class DeploymentReference {
  readonly name: DeploymentName;

  constructor(name: DeploymentName) {
    this.name = name;
  }
}

/** One deployment of an application's graph, with the code itself. */
export type GraphDeployment = {
  readonly name: DeploymentName;
  readonly target: DeploymentClass | FetchFunction;
  /** As given to `bind`, with a {@link DeploymentReference} for each bound deployment. See {@link instantiateArgs}. */
  readonly args: readonly unknown[];
  readonly options: DeploymentOptionsSpec;
  /** As the user wrote them, for settings that are laid over them. */
  readonly rawOptions: Readonly<Record<string, unknown>>;
  /** Those that the control plane asks, in a process of a replica. */
  readonly functions?: ControlFunctions | undefined;
  /** What of the user's `target` was made of; undefined: it is the user's own. */
  readonly sources?: readonly CodePart[] | undefined;
  /** See `DeploymentSpec`: nothing that has none may stand in for it. */
  readonly hasAuthorize?: boolean | undefined;
};

/** An application as a module exports it. */
export type ApplicationGraph = {
  readonly name: ApplicationName;
  readonly routePrefix: string;
  readonly ingress: DeploymentName;
  readonly ingressKind: IngressKind;
  /** The ingress first, then what it depends on. */
  readonly deployments: readonly GraphDeployment[];
  readonly assets: readonly string[];
  readonly nativePackages: readonly string[];
  readonly access: AccessSpec | undefined;
  readonly cors: CorsSpec | undefined;
  /** Name of a bound deployment in this application; undefined when it is no part of it. */
  readonly nameOf: (bound: unknown) => DeploymentName | undefined;
};

/** What loading needs to know beside the module. */
export type LoadOptions = {
  /** File the module was made from; it names the application that has no name of its own. */
  readonly file: string;
  /** Goes before the application's own name; only where the module exports a single one. */
  readonly name?: string | undefined;
  /** Goes before the application's own prefix; only where the module exports a single one. */
  readonly routePrefix?: string | undefined;
};

const WHAT_TO_EXPORT =
  "export default a bound deployment (`export default deployment(MyClass).bind()`), application(…), or an array of them";

/**
 * The applications that a module exports, each walked into a graph.
 *
 * @throws {InvalidSpecError} when the default export is none, or something in a graph is wrong
 */
export function loadApplications(namespace: unknown, options: LoadOptions): readonly ApplicationGraph[] {
  const exported = defaultExport(namespace, options.file);
  const list: readonly unknown[] = Array.isArray(exported) ? exported : [exported];
  const isSingle = list.length === 1;
  if (list.length === 0)
    throw new InvalidSpecError(`${basename(options.file)} exports no application: ${WHAT_TO_EXPORT}`);
  if (!isSingle && (options.name !== undefined || options.routePrefix !== undefined)) {
    const message = `${basename(options.file)} exports ${list.length} applications: name and prefix each in application(ingress, { name, routePrefix })`;
    throw new InvalidSpecError(message);
  }
  const graphs = list.map((item) => {
    const parts = applicationParts(item);
    if (parts === undefined)
      throw new InvalidSpecError(`${basename(options.file)}: ${whatItIs(item)}: ${WHAT_TO_EXPORT}`);
    return buildGraph(parts, options, isSingle);
  });
  refuseClashes(graphs);
  return graphs;
}

/**
 * Finds one deployment in a module, for the replica that is to run it.
 *
 * @throws {InvalidSpecError} when the module has no such application or deployment
 */
export function findDeployment(
  namespace: unknown,
  application: ApplicationName,
  deployment: DeploymentName,
): { readonly graph: ApplicationGraph; readonly deployment: GraphDeployment } {
  const exported = defaultExport(namespace, "app.mjs");
  // A single application may have been named by its file or by --name, neither of which is known here.
  const isSingle = !Array.isArray(exported) || exported.length === 1;
  const graphs = loadApplications(namespace, { file: "app.mjs", ...(isSingle ? { name: application } : {}) });
  const graph = graphs.find(({ name }) => name === application);
  if (graph === undefined)
    throw new InvalidSpecError(`the bundle exports no application ${application}; deploy it again`);
  const found = graph.deployments.find(({ name }) => name === deployment);
  if (found === undefined) {
    const names = graph.deployments.map(({ name }) => name).join(", ");
    throw new InvalidSpecError(`application ${application} has no deployment ${deployment}; it has ${names}`);
  }
  return { graph, deployment: found };
}

/** Arguments for a constructor: those of the graph, with a handle for each deployment among them. */
export function instantiateArgs(
  args: readonly unknown[],
  toHandle: (deployment: DeploymentName) => unknown,
): readonly unknown[] {
  return args.map((arg) =>
    replaceNested(arg, (value) => (value instanceof DeploymentReference ? toHandle(value.name) : undefined)),
  );
}

/** Name of the application that a file defines and that has no name of its own. */
export function defaultApplicationName(file: string): string {
  const stem = basename(file, extname(file));
  const source = stem === "app" || stem === "index" ? basename(dirname(resolve(file))) : stem;
  const name = source
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, 63)
    .replaceAll(/^-+|-+$/g, "");
  return name === "" ? "default" : name;
}

function defaultExport(namespace: unknown, file: string): unknown {
  const exported =
    typeof namespace === "object" && namespace !== null ? (namespace as { default?: unknown }).default : undefined;
  if (exported === undefined) {
    throw new InvalidSpecError(`${basename(file)} has no default export: ${WHAT_TO_EXPORT}`);
  }
  // A CommonJS module's exports arrive as the default export, with the real one inside.
  if (isRecord(exported) && applicationParts(exported) === undefined && exported["default"] !== undefined) {
    return exported["default"];
  }
  return exported;
}

function whatItIs(exported: unknown): string {
  if (isRecord(exported) && typeof exported["bind"] === "function")
    return "the default export is a deployment without .bind()";
  if (typeof exported === "function")
    return `the default export is ${exported.name || "a function"}, not a deployment of it`;
  return "the default export is no application";
}

/** Walks from the ingress to every bound deployment among arguments, names them, and replaces them by references. */
class GraphWalk {
  readonly deployments: GraphDeployment[] = [];
  readonly #names = new Map<BoundParts, DeploymentName>();
  readonly #taken = new Map<string, BoundParts>();
  readonly #problems: ProblemList;

  constructor(problems: ProblemList) {
    this.#problems = problems;
  }

  visit(parts: BoundParts): DeploymentName {
    const known = this.#names.get(parts);
    if (known !== undefined) return known;
    const name = this.#nameFor(parts);
    this.#names.set(parts, name);
    this.#taken.set(name, parts);
    if (this.#names.size > MOST_DEPLOYMENTS) {
      throw new InvalidSpecError(`the application has more than ${MOST_DEPLOYMENTS} deployments`);
    }
    // Its place is taken before its arguments are walked, so that the ingress comes first.
    const index = this.deployments.length;
    const options = readDeploymentOptions(this.#problems, `deployments.${name}`, parts.options);
    const { target, sources, functions } = parts;
    const hasAuthorize = isClass(target) && declaresMember(target, "authorize");
    const placed = { name, target, args: [], options, rawOptions: parts.options, sources, functions, hasAuthorize };
    this.deployments.push(placed);
    const args = parts.args.map((arg) =>
      replaceNested(arg, (value) => {
        const inner = boundParts(value);
        return inner === undefined ? undefined : new DeploymentReference(this.visit(inner));
      }),
    );
    const fallback = this.#fallbackOf(name, parts);
    const rest =
      fallback === undefined
        ? {}
        : { options: { ...options, fallback }, rawOptions: { ...parts.options, fallback: fallback as string } };
    this.deployments[index] = { ...placed, args, ...rest };
    return name;
  }

  nameOf(bound: unknown): DeploymentName | undefined {
    const parts = boundParts(bound);
    return parts === undefined ? undefined : this.#names.get(parts);
  }

  #fallbackOf(name: DeploymentName, parts: BoundParts): DeploymentName | undefined {
    const { fallback } = parts;
    if (fallback === undefined) return undefined;
    const other = typeof fallback === "function" ? functionFallback(name, parts, fallback) : fallback;
    return this.visit(other);
  }

  #nameFor(parts: BoundParts): DeploymentName {
    const other = this.#taken.get(parts.name);
    if (other === undefined) return parts.name as DeploymentName;
    if (parts.isNamed && other.isNamed) {
      throw new InvalidSpecError(`two deployments are named ${parts.name}; give one of them another name option`);
    }
    let number = 2;
    while (this.#taken.has(numbered(parts.name, number))) number++;
    return numbered(parts.name, number) as DeploymentName;
  }
}

function numbered(name: string, number: number): string {
  const suffix = `_${number}`;
  return name.slice(0, 63 - suffix.length) + suffix;
}

function buildGraph(parts: ApplicationParts, options: LoadOptions, isSingle: boolean): ApplicationGraph {
  const problems = new ProblemList();
  const givenName = options.name ?? parts.name;
  if (givenName === undefined && !isSingle) {
    const message = "several applications in one file need a name each: application(ingress, { name, routePrefix })";
    throw new InvalidSpecError(`${basename(options.file)}: ${message}`);
  }
  const name = readApplicationName(problems, "name", givenName ?? defaultApplicationName(options.file));
  const routePrefix = readRoutePrefix(problems, "routePrefix", options.routePrefix ?? parts.routePrefix ?? "/");
  const root = boundParts(parts.ingress);
  if (root === undefined) throw new InvalidSpecError(`application ${name}: the ingress is not a bound deployment`);
  const walk = new GraphWalk(problems);
  const ingress = walk.visit(root);
  checkFallbacks(problems, walk.deployments);
  problems.throwIfAny(`application ${name}`);
  refuseSilentFallbacks(ingress, walk.deployments);
  return {
    name,
    routePrefix,
    ingress,
    ingressKind: ingressKindOf(ingress, root.target),
    deployments: walk.deployments,
    assets: parts.assets,
    nativePackages: parts.nativePackages,
    access: parts.access,
    cors: parts.cors,
    nameOf: (bound) => walk.nameOf(bound),
  };
}

function ingressKindOf(name: string, target: DeploymentClass | FetchFunction): IngressKind {
  const kind = answerKindOf(target);
  if (kind !== undefined) return kind;
  throw new InvalidSpecError(
    `deployment ${name} cannot be an ingress: its class has neither fetch(request) nor predict(input) nor websocket(socket, request); add one, or pass it to the bind of another deployment`,
  );
}

function answerKindOf(target: DeploymentClass | FetchFunction): IngressKind | undefined {
  if (!isClass(target) || declaresMember(target, "fetch")) return "fetch";
  if (declaresMember(target, "predict")) return "predict";
  // One that takes WebSockets alone answers everything else itself, with 404.
  return declaresMember(target, "websocket") ? "fetch" : undefined;
}

/** What stands in for an ingress gets HTTP requests. Fallbacks end: there are no circles of them. */
function refuseSilentFallbacks(ingress: DeploymentName, deployments: readonly GraphDeployment[]): void {
  const find = (name: DeploymentName | undefined): GraphDeployment | undefined =>
    deployments.find((each) => each.name === name);
  for (let at = find(find(ingress)?.options.fallback); at !== undefined; at = find(at.options.fallback)) {
    if (answerKindOf(at.target) !== undefined) continue;
    throw new InvalidSpecError(
      `deployment ${at.name} cannot be the fallback of the ingress ${ingress}: its class has neither fetch(request) nor predict(input); add one`,
    );
  }
}

function refuseClashes(graphs: readonly ApplicationGraph[]): void {
  for (const key of ["name", "routePrefix"] as const) {
    const seen = new Map<string, string>();
    for (const graph of graphs) {
      const other = seen.get(graph[key]);
      if (other !== undefined) {
        throw new InvalidSpecError(`applications ${other} and ${graph.name} have the same ${key} ${graph[key]}`);
      }
      seen.set(graph[key], graph.name);
    }
  }
}

/** Copies arrays and plain records on the way to a replaced value; everything else stays the same object. */
function replaceNested(value: unknown, replace: (value: unknown) => unknown, depth = 0): unknown {
  const replaced = replace(value);
  if (replaced !== undefined) return replaced;
  if (depth > MOST_SPEC_DEPTH) {
    throw new InvalidSpecError(
      `an argument of bind is nested deeper than ${MOST_SPEC_DEPTH} levels, or contains itself`,
    );
  }
  if (Array.isArray(value)) return (value as unknown[]).map((item) => replaceNested(item, replace, depth + 1));
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, replaceNested(item, replace, depth + 1)]));
}
