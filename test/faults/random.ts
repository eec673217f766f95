/** Chance that a seed repeats: mulberry32, quick and good enough to pick faults by. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** From 0 up to, and without, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number from `low` up to, and without, `high`. */
  below(high: number, low = 0): number {
    return low + Math.floor(this.next() * (high - low));
  }

  /** Fills an array with bytes, and returns it. */
  fill<Bytes extends Uint8Array>(bytes: Bytes): Bytes {
    for (let index = 0; index < bytes.length; index += 4) {
      const word = this.below(4_294_967_296);
      for (let part = 0; part < 4 && index + part < bytes.length; part++)
        bytes[index + part] = word >>> (8 * part);
    }
    return bytes;
  }

  /** True so often. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }
}
