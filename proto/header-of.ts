/** The value of a header among names and values by turns; of several the first. `lowerName` is in lower case. */
export function headerOf(headers: readonly string[], lowerName: string): string | undefined {
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = headers[at] ?? "";
    if (name.length === lowerName.length && name.toLowerCase() === lowerName) return headers[at + 1];
  }
  return undefined;
}
