import type { AccessSpec, CorsSpec } from "../core/access.ts";
import type { Problem } from "../core/error.ts";
import type { IngressKind } from "../core/spec.ts";

/**
 * What `serve deploy` and the process that evaluates app.ts say to each other: one request as JSON on its standard
 * input, one result as JSON on file descriptor 3, so that nothing the user's code prints can be taken for it.
 */
export type EvaluateRequest = {
  /** Folder that holds app.mjs, its source map and the assets that were found. */
  readonly bundleDir: string;
  readonly projectDir: string;
  /** The user's file, for names and messages. */
  readonly file: string;
  readonly name: string | undefined;
  readonly routePrefix: string | undefined;
};

/** One deployment, without its version: that is computed by who holds the modules. */
export type EvaluatedDeployment = {
  readonly name: string;
  /** As the user wrote them; validated already. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly args: string;
  /** Source that defines its class, as the bundle's source map names it; undefined: any module may be part of it. */
  readonly module: string | undefined;
  readonly hasAuthorize: boolean;
};

/** One application that the module exports. */
export type EvaluatedApplication = {
  readonly name: string;
  readonly routePrefix: string;
  readonly ingress: string;
  readonly ingressKind: IngressKind;
  readonly assets: readonly string[];
  readonly nativePackages: readonly string[];
  readonly openapi: unknown;
  readonly access: AccessSpec | undefined;
  readonly cors: CorsSpec | undefined;
  readonly deployments: readonly EvaluatedDeployment[];
};

/** A place in the user's sources; the file is relative to the folder of app.ts. */
export type EvaluatePlace = { readonly file: string; readonly line: number; readonly column: number };

/** What became of it. */
export type EvaluateResult =
  | { readonly kind: "evaluated"; readonly applications: readonly EvaluatedApplication[] }
  | {
      readonly kind: "failed";
      readonly message: string;
      readonly problems: readonly Problem[];
      /** Where in the user's code; undefined where the message says all. */
      readonly at: EvaluatePlace | undefined;
      /** Stack in terms of the user's sources; empty for errors of ours, which need none. */
      readonly stack: string;
    };

/** File descriptor of the result. */
export const RESULT_FD = 3;
