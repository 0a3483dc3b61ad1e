/** A source of randomness. Handed in like the clock, so that a decision is repeatable from its inputs. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
}

/** The runtime's own generator, for production. */
export const systemRandom: Random = { next: () => Math.random() };

/** A generator that gives the same draws for the same seed (mulberry32: 32 bits of state, good enough for simulation). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    next() {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
    },
  };
}

const ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789";

/** `length` lower-case letters and digits: enough to tell names apart, never a secret. */
export function randomSuffix(random: Random, length: number): string {
  let text = "";
  for (let i = 0; i < length; i++) text += ALPHABET.charAt(Math.floor(random.next() * ALPHABET.length));
  return text;
}
