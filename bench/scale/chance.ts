/** Chance that a seed repeats: mulberry32, quick and good enough to draw traffic by. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** From 0 up to, and without, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    return mixed(this.#state);
  }

  /** How long until what happens so often, on average, happens; infinite where it never does. */
  wait(mean: number): number {
    return -mean * Math.log(1 - this.next());
  }
}

/** A number always drawn for the same whole number: from 0 up to, and without, 1. */
export function drawnFor(number: number): number {
  return mixed(Math.imul(number + 1, 0x9e3779b1));
}

function mixed(state: number): number {
  let word = Math.imul(state ^ (state >>> 15), 1 | state);
  word = (word + Math.imul(word ^ (word >>> 7), 61 | word)) ^ word;
  return ((word ^ (word >>> 14)) >>> 0) / 4_294_967_296;
}
