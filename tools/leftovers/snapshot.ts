/** What there is at one moment, one line a thing. */
export type Snapshot = {
  readonly processes: readonly string[];
  readonly ports: readonly string[];
  readonly files: readonly string[];
  readonly temporary: readonly string[];
};

/** What stands in `after` and not in `before`, labelled by kind. */
export function newIn(after: Snapshot, before: Snapshot): string[] {
  const kinds = ["processes", "ports", "files", "temporary"] as const;
  return kinds.flatMap((kind) => {
    const known = new Set(before[kind]);
    return after[kind].filter((each) => !known.has(each)).map((each) => `${kind}: ${each}`);
  });
}

/** Programs that look at the checkout, not programs that it started. */
const ONLOOKERS = /^(\S*\/)?(bash|sh|zsh|npm|git|less|vim?|nano|tail|cat|code)( |$)|^npm /;

/** Whether a process lies in one of the places with its arguments or its folder. */
export function isOurs(
  process: { readonly text: string; readonly folder: string },
  places: readonly string[],
): boolean {
  if (process.text === "" || ONLOOKERS.test(process.text)) return false;
  return places.some((place) => process.text.includes(place) || process.folder.startsWith(place));
}

/** Listening sockets in a table as of /proc/net/tcp. */
export function parseListening(table: string): { readonly port: number; readonly inode: string }[] {
  const rows = table
    .split("\n")
    .slice(1)
    .map((row) => row.trim().split(/\s+/));
  return rows.flatMap((columns) => {
    const [, local, , state] = columns;
    const inode = columns[9];
    const port = local?.split(":")[1];
    return state === "0A" && port !== undefined && inode !== undefined
      ? [{ port: Number.parseInt(port, 16), inode }]
      : [];
  });
}
