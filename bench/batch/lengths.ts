import { seededRandom } from "../../core/random.ts";

/** Lengths as texts have them: log-normal, half of them below `MEDIAN`, cut off at both ends by drawing again. */
const MEDIAN = 64;
const SIGMA = 1;
const LEAST = 8;
const MOST = 512;

/** Draws lengths, the same for the same seed. */
export function drawLengths(count: number, seed: number): readonly number[] {
  const random = seededRandom(seed);
  const lengths: number[] = [];
  while (lengths.length < count) {
    // Box and Muller: two evenly spread numbers make a normal one.
    const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
    const length = Math.round(MEDIAN * Math.exp(SIGMA * normal));
    if (length >= LEAST && length <= MOST) lengths.push(length);
  }
  return lengths;
}
