/** A promise and what became of it. `value` is NaN where it was not measured. */
export type Verdict = { readonly promise: string; readonly value: number; readonly holds: boolean | undefined };

/** What a value must not go beyond, on one side or both. */
export type Bounds = { readonly least?: number | undefined; readonly most?: number | undefined };

/** Holds a value against its bounds. */
export function verdict(promise: string, value: number, { least, most }: Bounds): Verdict {
  const isWithin = value >= (least ?? Number.NEGATIVE_INFINITY) && value <= (most ?? Number.POSITIVE_INFINITY);
  return { promise, value, holds: Number.isNaN(value) ? undefined : isWithin };
}

/** A verdict as a row of a table. */
export function formatVerdict({ promise, value, holds }: Verdict): readonly string[] {
  const word = holds === undefined ? "not measured" : holds ? "holds" : "FAILS";
  return [word, Number.isNaN(value) ? "-" : value.toFixed(3), promise];
}
