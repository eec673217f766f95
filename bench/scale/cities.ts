import type { Chance } from './chance.ts';
import { Zipf } from './zipf.ts';

/** Where requests come from: cities by Zipf's law, and in each as many isolates as its share of the traffic needs. */
export class Cities {
  readonly #upTo: Float64Array;
  readonly #firstPlaces: Uint32Array;
  /** Requests a second that each isolate of a city gets. */
  readonly #rates: Float64Array;

  /** `isolateRate`: how many requests a second one isolate is given before a city has another. */
  constructor(count: number, exponent: number, rate: number, isolateRate: number) {
    this.#upTo = new Float64Array(count);
    this.#firstPlaces = new Uint32Array(count + 1);
    this.#rates = new Float64Array(count);
    const law = new Zipf(count, exponent);
    let upTo = 0;
    for (let city = 0; city < count; city++) {
      const ownRate = rate * law.share(city);
      const isolates = Math.max(1, Math.ceil(ownRate / isolateRate));
      upTo += law.share(city);
      this.#upTo[city] = upTo;
      this.#firstPlaces[city + 1] = (this.#firstPlaces[city] ?? 0) + isolates;
      this.#rates[city] = ownRate / isolates;
    }
  }

  /** Places for isolates, in all cities together. */
  get places(): number {
    return this.#firstPlaces.at(-1) ?? 0;
  }

  /** The place of the isolate that gets a request, and the requests a second that it gets. */
  draw(chance: Chance): { readonly place: number; readonly rate: number } {
    const city = this.#cityAt(chance.next());
    const first = this.#firstPlaces[city] ?? 0;
    const isolates = (this.#firstPlaces[city + 1] ?? 0) - first;
    return { place: first + Math.floor(chance.next() * isolates), rate: this.#rates[city] ?? 0 };
  }

  #cityAt(drawn: number): number {
    let low = 0;
    let high = this.#upTo.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (drawn < (this.#upTo[middle] ?? 1)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
