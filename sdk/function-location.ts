import { readFileSync } from "node:fs";
import { Session } from "node:inspector";
import { SourceMap } from "node:module";

/** Key under which a function is shown to the inspector, which takes expressions, not values. */
const SLOT = "thornback.functionLocation";

type ScriptPlace = { readonly lineNumber: number; readonly columnNumber?: number };
type AnyFunction = (...args: never[]) => unknown;

/**
 * Finds the source files that functions and classes of a bundle were written in: V8 knows line and column at which each
 * begins, and the bundle's source map says which module that was. Scripts are told apart by their text, because turning
 * the debugger on to learn their names costs 80 ms.
 */
export class FunctionLocator {
  readonly #session = new Session();
  readonly #code: string;
  readonly #lineStarts: readonly number[];
  readonly #map: SourceMap;

  /** @param bundleFile - path of the bundle; its source map lies beside it */
  constructor(bundleFile: string) {
    this.#code = readFileSync(bundleFile, "utf8");
    this.#lineStarts = [0, ...[...this.#code.matchAll(/\n/g)].map(({ index }) => index + 1)];
    this.#map = new SourceMap(JSON.parse(readFileSync(`${bundleFile}.map`, "utf8")));
    this.#session.connect();
  }

  /** The source, as the map names it; undefined for native, bound and foreign functions. */
  sourceOf(target: AnyFunction): string | undefined {
    const place = this.#placeOf(target);
    if (place === undefined || !this.#isHere(target, place)) return undefined;
    const entry = this.#map.findEntry(place.lineNumber, place.columnNumber ?? 0);
    return "originalSource" in entry ? entry.originalSource : undefined;
  }

  close(): void {
    this.#session.disconnect();
  }

  /** Whether the text of a function surrounds its place in the bundle. */
  #isHere(target: AnyFunction, place: ScriptPlace): boolean {
    const text = Function.prototype.toString.call(target);
    const offset = (this.#lineStarts[place.lineNumber] ?? 0) + (place.columnNumber ?? 0);
    // The place of a class is that of its constructor, anywhere in its text; that of a function is before its arguments.
    const start = this.#code.lastIndexOf(text, offset);
    return start >= 0 && offset <= start + text.length;
  }

  /** The session answers before `post` returns, because it runs on the same thread. */
  #placeOf(target: AnyFunction): ScriptPlace | undefined {
    const key = Symbol.for(SLOT);
    const holder = globalThis as { [key]?: unknown };
    holder[key] = target;
    let place: ScriptPlace | undefined;
    const expression = `globalThis[Symbol.for(${JSON.stringify(SLOT)})]`;
    this.#session.post("Runtime.evaluate", { expression }, (_error, evaluated) => {
      const objectId = evaluated?.result.objectId;
      if (objectId === undefined) return;
      this.#session.post("Runtime.getProperties", { objectId, ownProperties: true }, (_failed, properties) => {
        const found = properties?.internalProperties?.find(({ name }) => name === "[[FunctionLocation]]");
        place = found?.value?.value as ScriptPlace | undefined;
      });
    });
    delete holder[key];
    return place;
  }
}
