import { ModelError } from "../core/error.ts";
import type { Feeds, Tensor, TensorData } from "./session.ts";
import { arrayOf, type CheckedFeeds } from "./tensor.ts";

/** Rows of feeds: their common size along dimension 0; undefined when they have none, so that they cannot be stacked. */
export function rowsOf(feeds: CheckedFeeds): number | undefined {
  let rows: number | undefined;
  for (const { dims } of Object.values(feeds)) {
    if (dims[0] === undefined || (rows !== undefined && dims[0] !== rows)) return undefined;
    rows = dims[0];
  }
  return rows;
}

/** Feeds with equal keys can be stacked: they differ in dimension 0 alone. */
export function stackKey(feeds: CheckedFeeds): string {
  return Object.entries(feeds)
    .map(([name, { dims }]) => `${name}:${dims.slice(1).join("x")}`)
    .join("|");
}

/** One set of feeds with the rows of all, in order. All have the same {@link stackKey}. Always new buffers. */
export function stack(items: readonly CheckedFeeds[]): CheckedFeeds {
  const stacked: Record<string, Required<Tensor>> = {};
  for (const [name, first] of Object.entries(items[0] ?? {})) {
    const tensors = items.map((item) => item[name] as Required<Tensor>);
    const rows = tensors.reduce((total, { dims }) => total + (dims[0] ?? 0), 0);
    stacked[name] = { type: first.type, dims: [rows, ...first.dims.slice(1)], data: concatenate(tensors) };
  }
  return stacked;
}

function concatenate(tensors: readonly Required<Tensor>[]): TensorData {
  const type = tensors[0]?.type ?? "float32";
  if (type === "string") return tensors.flatMap(({ data }) => data as string[]);
  const length = tensors.reduce((total, { data }) => total + data.length, 0);
  const joined = new (arrayOf(type))(length);
  let at = 0;
  for (const { data } of tensors) {
    // Elements of one type go into an array of that type; TypeScript cannot know that they are the same.
    (joined as Float32Array).set(data as Float32Array, at);
    at += data.length;
  }
  return joined;
}

/**
 * Takes outputs apart again: `rows[i]` rows for item i, in buffers of its own, so that no caller can see or keep alive
 * another's.
 *
 * @throws {ModelError} when an output does not have one row per row of input, so that it belongs to nobody.
 */
export function split(outputs: Feeds, rows: readonly number[]): Feeds[] {
  const total = rows.reduce((sum, count) => sum + count, 0);
  const items: Record<string, Tensor>[] = rows.map(() => ({}));
  for (const [name, { data, dims, type }] of Object.entries(outputs)) {
    if (dims[0] !== total) {
      throw new ModelError(
        `output "${name}" has dims [${dims.join(", ")}] for ${total} rows of input, so it cannot be split among the ` +
          "callers of a batch; leave out the model's batch option",
      );
    }
    const rowLength = data.length / total;
    let at = 0;
    for (const [index, count] of rows.entries()) {
      const end = at + count * rowLength;
      const item = items[index] as Record<string, Tensor>;
      item[name] = {
        data: data.slice(at, end),
        dims: [count, ...dims.slice(1)],
        ...(type === undefined ? {} : { type }),
      };
      at = end;
    }
  }
  return items;
}
