import { KV_EDGE_CACHE_TTL_SECONDS, KV_WRITE_INTERVAL_MS } from '../../src/core/constants.ts';
import type { Snapshot } from '../../src/core/knowledge.ts';
import { drawnFor } from './chance.ts';

export const GENERATION = 'simulated';
/** How often the schedule puts a snapshot into KV. */
const SCHEDULE_MS = 60_000;
/** KV shows a city what it showed it so long ago, at worst: what was read there is kept for as long. */
const KV_LATE_MS = KV_EDGE_CACHE_TTL_SECONDS * 1_000;
/** The number of the change at time 0: there were others before. */
const FIRST_SEQ = 100_000_000;

/** Those that are asked for all the time are made once. */
const subjects: string[] = [];
const MADE_ONCE = 200_000;

/** What `changes` calls a key. */
export function subjectOf(key: number): string {
  return key < MADE_ONCE ? (subjects[key] ??= `key_${key}`) : `key_${key}`;
}

/**
 * The table `changes`: one change of one key after the other, at a constant pace, each of a key that is as likely as any
 * other, and each taking something away. Times are milliseconds.
 */
export class Changes {
  /** Changes in one answer of D1, and in the snapshot. */
  readonly told: number;
  readonly #keys: number;
  readonly #perMs: number;
  #inKv: Snapshot | null = null;

  constructor(keys: number, perSecond: number, told: number) {
    this.#keys = keys;
    this.#perMs = perSecond / 1_000;
    this.told = told;
  }

  newestAt(time: number): number {
    return FIRST_SEQ + Math.floor(this.#perMs * time + 0.5);
  }

  timeOf(seq: number): number {
    return (seq - FIRST_SEQ) / this.#perMs;
  }

  keyOf(seq: number): number {
    return Math.floor(drawnFor(seq) * this.#keys);
  }

  /** How long so many changes take. */
  spanOf(changes: number): number {
    return changes / this.#perMs;
  }

  /** What D1 answers to who knows all up to `after`: as `toSnapshot` has it, the newest alone where they are too many. */
  since(after: number, now: number): Snapshot {
    const newest = this.newestAt(now);
    const from = Math.max(after, newest - this.told);
    const changes: [string, number][] = [];
    for (let seq = from + 1; seq <= newest; seq++) changes.push([subjectOf(this.keyOf(seq)), seq]);
    return { generation: GENERATION, from, newest, changes, knownAt: now };
  }

  /** What KV has of it: put by the schedule and at each change, once a second at most, and seen late. */
  inKv(now: number): Snapshot {
    const seen = now - KV_LATE_MS;
    const changed = this.timeOf(this.newestAt(seen));
    const putAt = seen - changed < SCHEDULE_MS ? changed + KV_WRITE_INTERVAL_MS : -Infinity;
    const latest = Math.max(Math.floor(seen / SCHEDULE_MS) * SCHEDULE_MS, Math.min(putAt, seen));
    if (this.#inKv?.knownAt !== latest) this.#inKv = this.since(0, latest);
    return this.#inKv;
  }
}
