import type { CorsSpec } from "../../core/access.ts";
import type { RouteEntry } from "../../core/table.ts";
import type * as wire from "./worker-wire.ts";

/** Who may ask a route, for the wire. */
export function accessToWire({ access, cors }: Pick<RouteEntry, "access" | "cors">): wire.RouteAccessIn {
  return {
    accessKeys: (access?.keys ?? []).map((key) => ({ ...key })),
    cors: cors === undefined ? null : corsToWire(cors),
  };
}

/** The reverse of {@link accessToWire}; what is open has neither field. */
export function accessFromWire({ accessKeys, cors }: wire.RouteAccessOut): Pick<RouteEntry, "access" | "cors"> {
  return {
    ...(accessKeys.length === 0 ? {} : { access: { keys: accessKeys.map((key) => ({ ...key })) } }),
    ...(cors === null ? {} : { cors: corsFromWire(cors) }),
  };
}

function corsToWire({ origins, methods, headers, exposedHeaders, ...rest }: CorsSpec): wire.CorsIn {
  return {
    ...rest,
    origins: origins === "*" ? ["*"] : [...origins],
    methods: [...methods],
    headers: [...headers],
    exposedHeaders: [...exposedHeaders],
  };
}

function corsFromWire({ origins, ...rest }: wire.CorsOut): CorsSpec {
  return { ...rest, origins: origins[0] === "*" ? "*" : origins };
}
