import { readFileSync } from "node:fs";
import path from "node:path";
import { MOST_PROXIES, WARM_POOL_SIZE } from "../core/limits.ts";
import type { Address } from "../core/network.ts";
import { DEFAULT_HTTP_FRONT, HTTP_FRONTS, type HttpFrontKind } from "../core/process-config.ts";
import { isLoopback, isWildcard, localUrl, outwardHost, parseAddress, parseAdminUrl } from "./address.ts";
import { CliError, EXIT } from "./exit-code.ts";
import type { LocalClusterOptions } from "./local-cluster.ts";
import { parseTrustedProxies } from "./trusted-proxies.ts";

/** Ports of a head, as the documentation names them. */
export const DEFAULT_PORTS = { http: 8000, admin: 8265, grpc: 8266 } as const;
/** Levels of our own log lines, most talkative first. */
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error"] as const;
/** Where a cluster keeps its things unless it is told otherwise; in the current folder. */
export const DATA_FOLDER = ".thornback";
/** Where `serve run` keeps its things, so that it and a head in the background never meet. */
export const RUN_DATA_FOLDER = path.join(DATA_FOLDER, "dev");
/** Where `serve run --inspect` opens the inspector of the first replica: Node's own default. */
export const INSPECTOR: Address = { host: "127.0.0.1", port: 9229 };
/** A shorter token could be guessed over a network. */
const LEAST_TOKEN_LENGTH = 16;

type Env = Readonly<Record<string, string | undefined>>;

/** Flags of `run`, `deploy` and `start` as they were written; undefined: not given, nor as `THORNBACK_…`. */
export type ClusterFlags = {
  readonly httpPort?: string;
  readonly adminPort?: string;
  readonly grpcPort?: string;
  readonly httpHost?: string;
  readonly adminHost?: string;
  readonly grpcHost?: string;
  readonly dataDir?: string;
  readonly resources?: string;
  readonly labels?: string;
  readonly tokenFile?: string;
  readonly logLevel?: string;
  readonly proxies?: string;
  readonly httpFront?: string;
  readonly trustedProxies?: string;
  readonly join?: string;
  readonly inspect?: boolean;
};

/** Flags of the commands that only talk to a controller. */
export type ClientFlags = { readonly address?: string; readonly adminPort?: string; readonly tokenFile?: string };

/**
 * What a cluster on this machine is started with.
 *
 * @throws {CliError} when a flag is wrong (64), or what it asks for is refused (78).
 */
export function clusterOptions(flags: ClusterFlags, env: Env): LocalClusterOptions {
  const dataDir = path.resolve(flags.dataDir ?? DATA_FOLDER);
  const token = readToken(flags.tokenFile);
  const logLevel = parseLogLevel(flags.logLevel ?? "info");
  const admin = {
    host: flags.adminHost ?? "127.0.0.1",
    port: parsePort(flags.adminPort, DEFAULT_PORTS.admin, "--admin-port"),
  };
  const grpc = {
    host: flags.grpcHost ?? "127.0.0.1",
    port: parsePort(flags.grpcPort, DEFAULT_PORTS.grpc, "--grpc-port"),
  };
  const http = {
    host: flags.httpHost ?? "127.0.0.1",
    port: parsePort(flags.httpPort ?? nonEmpty(env["PORT"]), DEFAULT_PORTS.http, "--http-port"),
  };
  const join = flags.join === undefined ? undefined : parseAddress(flags.join, "--join");
  const isHead = join === undefined;
  if (token === undefined) {
    if (isHead) refusePublic(admin.host, "admin");
    refusePublic(grpc.host, "grpc");
  }
  return {
    dataDir,
    controller: isHead ? { dataDir, admin, grpc, token, logLevel } : undefined,
    worker: {
      dataDir,
      controller: join,
      token,
      nodeHost: join === undefined || flags.grpcHost !== undefined ? ownHost(grpc.host) : memberHost(join.host),
      http,
      hasListened: false,
      proxyCount: parseProxyCount(flags.proxies ?? "1"),
      httpFront: parseHttpFront(flags.httpFront ?? DEFAULT_HTTP_FRONT),
      trustedProxies: parseTrustedProxies(flags.trustedProxies ?? ""),
      resources: parseResources(flags.resources ?? ""),
      labels: parseLabels(flags.labels ?? ""),
      logLevel,
      warmPoolSize: WARM_POOL_SIZE,
      inspect: flags.inspect === true ? INSPECTOR : undefined,
    },
  };
}

/** Where a command finds the controller. */
export function adminUrl(flags: ClientFlags & Pick<ClusterFlags, "adminHost">): string {
  if (flags.address !== undefined) return parseAdminUrl(flags.address);
  const port = parsePort(flags.adminPort, DEFAULT_PORTS.admin, "--admin-port");
  return localUrl({ host: flags.adminHost ?? "127.0.0.1", port });
}

/** The token in a file; undefined without one. @throws {CliError} when the file is missing, or holds no token. */
export function readToken(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  let token: string;
  try {
    token = readFileSync(file, "utf8").trim();
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new CliError(EXIT.refused, `the token file ${file} cannot be read: ${cause}`, "", { cause: error });
  }
  if (token.length < LEAST_TOKEN_LENGTH || /\s/.test(token)) {
    const next = `write one with: openssl rand -hex 32 > ${file}`;
    throw new CliError(
      EXIT.refused,
      `the token in ${file} is not one word of ${String(LEAST_TOKEN_LENGTH)} characters or more`,
      next,
    );
  }
  return token;
}

/** Parses `cpus=4,gpus=2,memoryBytes=8e9,name=1`; what is not our own name is a custom resource. */
export function parseResources(text: string): LocalClusterOptions["worker"]["resources"] {
  const amounts = new Map<string, number>();
  for (const [name, value] of parsePairs(text, "--resources", "cpus=4,gpus=2,name=1")) {
    const amount = Number(value);
    if (value === "" || !Number.isFinite(amount) || amount < 0) {
      throw new CliError(
        EXIT.usage,
        `--resources ${name}="${value}" is not an amount`,
        "give a number, 0 or more, such as gpus=2",
      );
    }
    if (name === "gpus" && !Number.isInteger(amount)) {
      throw new CliError(
        EXIT.usage,
        `--resources gpus="${value}" is not a whole number`,
        "a node has whole GPUs; deployments may ask for shares",
      );
    }
    amounts.set(name, amount);
  }
  const [cpus, memoryBytes, gpus] = [amounts.get("cpus"), amounts.get("memoryBytes"), amounts.get("gpus")];
  for (const own of ["cpus", "memoryBytes", "gpus"]) amounts.delete(own);
  return { cpus, memoryBytes, gpus, custom: Object.fromEntries(amounts) };
}

/** Parses `zone=a,disk=fast`. */
export function parseLabels(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(parsePairs(text, "--labels", "zone=a,disk=fast"));
}

/** Parses `NAME=VALUE` given any number of times; the value may hold anything. */
export function parseAssignments(pairs: readonly string[]): Readonly<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const pair of pairs) {
    const at = pair.indexOf("=");
    if (at <= 0)
      throw new CliError(EXIT.usage, `--env "${pair}" is not NAME=VALUE`, "for example --env MODEL_NAME=small");
    values[pair.slice(0, at)] = pair.slice(at + 1);
  }
  return values;
}

function parsePort(text: string | undefined, byDefault: number, flag: string): number {
  if (text === undefined) return byDefault;
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) {
    throw new CliError(EXIT.usage, `${flag} "${text}" is not a port`, "give a number from 0 (any free port) to 65535");
  }
  return port;
}

function parsePairs(text: string, flag: string, example: string): readonly [string, string][] {
  const parts = text.split(",").map((part) => part.trim());
  return parts
    .filter((part) => part !== "")
    .map((part) => {
      const at = part.indexOf("=");
      const name = part.slice(0, at);
      if (at <= 0 || !/^[A-Za-z][\w.-]*$/.test(name)) {
        throw new CliError(EXIT.usage, `${flag} "${part}" is not NAME=VALUE`, `for example ${flag} ${example}`);
      }
      return [name, part.slice(at + 1)];
    });
}

function parseProxyCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= MOST_PROXIES) return count;
  const next = `give a number from 1 to ${String(MOST_PROXIES)}; one per two cores is plenty`;
  throw new CliError(EXIT.usage, `--proxies "${text}" is not a number of proxies`, next);
}

function parseHttpFront(text: string): HttpFrontKind {
  const kind = HTTP_FRONTS.find((one) => one === text);
  if (kind !== undefined) return kind;
  throw new CliError(EXIT.usage, `--http-front "${text}" is not a front`, `use one of ${HTTP_FRONTS.join(", ")}`);
}

function parseLogLevel(text: string): string {
  if (LOG_LEVELS.some((level) => level === text)) return text;
  throw new CliError(EXIT.usage, `--log-level "${text}" is not a level`, `use one of ${LOG_LEVELS.join(", ")}`);
}

/** An empty variable is how shells and compose files say that it is not set. */
function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}

function refusePublic(host: string, what: "admin" | "grpc"): void {
  if (isLoopback(host)) return;
  const message = `--${what}-host ${host} would let anyone who can reach this machine run code on it`;
  const next = "pass --token-file too (openssl rand -hex 32 > token), or leave the host at 127.0.0.1";
  throw new CliError(EXIT.refused, message, next);
}

/** Replicas listen where the cluster's other nodes reach them: on loopback, unless this node is open to others. */
function ownHost(grpcHost: string): string {
  if (isLoopback(grpcHost)) return "127.0.0.1";
  return isWildcard(grpcHost) ? outwardHost() : grpcHost;
}

/** A node that joins a head on this machine needs no more than loopback. Where there are several interfaces, the first. */
function memberHost(joinHost: string): string {
  return isLoopback(joinHost) ? "127.0.0.1" : outwardHost();
}
