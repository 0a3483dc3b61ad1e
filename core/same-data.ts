/**
 * Whether two values of plain data (what JSON can carry) say the same: the order of an object's fields does not matter, and
 * a field that is undefined counts as missing. It agrees with comparing `stableJson` of both, without making any text: it
 * is asked for every replica at every turn of the loops, mostly about objects of which nearly all is the very same.
 */
export function isSameData(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) {
    return Number.isNaN(one) && Number.isNaN(other);
  }
  if (Array.isArray(one)) return Array.isArray(other) && hasSameItems(one, other);
  return !Array.isArray(other) && hasSameFields(one as Fields, other as Fields);
}

type Fields = Readonly<Record<string, unknown>>;

function hasSameItems(one: readonly unknown[], other: readonly unknown[]): boolean {
  if (one.length !== other.length) return false;
  for (let at = 0; at < one.length; at++) if (!isSameData(one[at], other[at])) return false;
  return true;
}

/** What every object inherits is no data, so a field that one of them lacks is never taken for the other's. */
function hasSameFields(one: Fields, other: Fields): boolean {
  let surplus = 0;
  for (const name in one) {
    const field = one[name];
    if (field === undefined) continue;
    if (!Object.hasOwn(other, name) || !isSameData(field, other[name])) return false;
    surplus -= 1;
  }
  for (const name in other) if (other[name] !== undefined) surplus += 1;
  return surplus === 0;
}
