import type { Chance } from './chance.ts';

/** From this rank on the sum of shares is as good as their integral. */
const SUMMED = 1_000;

/**
 * Zipf's law over the ranks 0 to `count - 1`: the share of rank r goes with (r + 1)^-exponent. Draws by rejection-inversion
 * (Hörmann and Derflinger, 1996), which needs no table, however many ranks there are.
 */
export class Zipf {
  readonly #count: number;
  readonly #exponent: number;
  readonly #sum: number;
  readonly #from: number;
  readonly #to: number;
  readonly #acceptedAtOnce: number;

  constructor(count: number, exponent: number) {
    this.#count = count;
    this.#exponent = exponent;
    const summed = Math.min(count, SUMMED);
    let sum = 0;
    for (let rank = 1; rank <= summed; rank++) sum += this.#weight(rank);
    this.#sum = sum + this.#integral(count + 0.5) - this.#integral(summed + 0.5);
    this.#from = this.#integral(1.5) - 1;
    this.#to = this.#integral(count + 0.5);
    this.#acceptedAtOnce = 2 - this.#inverse(this.#integral(2.5) - this.#weight(2));
  }

  /** What part of all draws a rank is; together they are 1. */
  share(rank: number): number {
    return this.#weight(rank + 1) / this.#sum;
  }

  draw(chance: Chance): number {
    for (;;) {
      const drawn = this.#to + chance.next() * (this.#from - this.#to);
      const place = this.#inverse(drawn);
      const rank = Math.min(this.#count, Math.max(1, Math.round(place)));
      if (rank - place <= this.#acceptedAtOnce) return rank - 1;
      if (drawn >= this.#integral(rank + 0.5) - this.#weight(rank)) return rank - 1;
    }
  }

  #weight(rank: number): number {
    return rank ** -this.#exponent;
  }

  /** Of the weight, from 1. */
  #integral(rank: number): number {
    const power = 1 - this.#exponent;
    return power === 0 ? Math.log(rank) : (rank ** power - 1) / power;
  }

  #inverse(area: number): number {
    const power = 1 - this.#exponent;
    return power === 0 ? Math.exp(area) : (1 + area * power) ** (1 / power);
  }
}
