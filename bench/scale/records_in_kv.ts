import { KV_RECORD_TTL_SECONDS } from '../../src/core/constants.ts';
import type { Chance } from './chance.ts';

const TTL_MS = KV_RECORD_TTL_SECONDS * 1_000;

/** Who comes for a record, and when it is too old for them. */
export interface Readers {
  /** A record that is younger is good for everyone. */
  readonly allReachMs: number;
  /** How much further back than that a reader reaches, on average; how far differs as lifetimes do. */
  readonly furtherMs: number;
  /** How long a key is not asked for, on average. */
  readonly waitMsOf: (key: number) => number;
}

/**
 * When KV was last given each key's record. A put shows everywhere at once. How old a record was at time 0 is drawn when its
 * key is first looked at, by the renewal argument: it stays until a reader comes for whom it is too old, and is put again,
 * so that any age is as likely as that a record gets that old. Times are milliseconds.
 */
export class RecordsInKv {
  readonly #putAt: Float64Array;
  readonly #readers: Readers;
  readonly #chance: Chance;

  constructor(keys: number, readers: Readers, chance: Chance) {
    this.#putAt = new Float64Array(keys).fill(Number.NaN);
    this.#readers = readers;
    this.#chance = chance;
  }

  put(key: number, now: number): void {
    this.#putAt[key] = now;
  }

  /** When the record that KV has was put; null: it has none. */
  putAt(key: number, now: number): number | null {
    const known = this.#putAt[key] ?? Number.NaN;
    // Nobody has come for it since the beginning: it has aged from then on.
    const putAt = Number.isNaN(known) ? -this.#age(this.#readers.waitMsOf(key)) : known;
    this.#putAt[key] = putAt;
    return now - putAt < TTL_MS ? putAt : null;
  }

  /** Drawn by rejection, from what is as likely at first and then falls off as fast as half of the readers would have it. */
  #age(waitMs: number): number {
    const allReachMs = Math.min(TTL_MS, this.#readers.allReachMs);
    const furtherMs = Math.min(TTL_MS - allReachMs, this.#readers.furtherMs);
    const flatMs = allReachMs + furtherMs;
    const fallMs = 2 * waitMs;
    for (;;) {
      const isFlat = this.#chance.next() < flatMs / (flatMs + fallMs);
      const beyondMs = isFlat ? 0 : this.#chance.wait(fallMs);
      const age = isFlat ? this.#chance.next() * flatMs : flatMs + beyondMs;
      const olderMs = Math.max(0, age - allReachMs);
      // For how much of that time there were readers for whom it was too old.
      const tooOldMs = olderMs - (furtherMs === 0 ? 0 : -furtherMs * Math.expm1(-olderMs / furtherMs));
      if (this.#chance.next() < Math.exp(beyondMs / fallMs - tooOldMs / waitMs)) return age;
    }
  }
}
