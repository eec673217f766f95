import {
  DEFAULT_MAX_STALENESS_SECONDS,
  DEFAULT_SYNC_INTERVAL_SECONDS,
  MAX_FLOORS,
  MAX_PENDING_USES,
  SYNC_JITTER,
  USAGE_GATHER_MS,
} from '../../src/core/constants.ts';
import { Knowledge } from '../../src/core/knowledge.ts';
import { timingOf } from '../../src/verifier/feed.ts';
import type { Chance } from './chance.ts';
import { type Changes, GENERATION, subjectOf } from './changes.ts';
import type { RecordsInKv } from './records_in_kv.ts';
import { ROWS, type Tally } from './tally.ts';

const { usableMs, intervalMs } = timingOf(DEFAULT_MAX_STALENESS_SECONDS, DEFAULT_SYNC_INTERVAL_SECONDS);

/** What isolates share. */
export interface Surroundings {
  readonly changes: Changes;
  readonly kv: RecordsInKv;
  readonly chance: Chance;
  /** How many records an isolate remembers. */
  readonly memoryRecords: number;
  /** How often it writes the last uses that it saw. */
  readonly usesEachMs: number;
}

/**
 * One isolate, as `Verifier`, `Caches`, `Feed`, `Memory` and `Uses` have it, without the waiting: every answer is there at
 * once. What it knows of changes, and which records may be used, is the production code's own. Times are milliseconds.
 */
export class Isolate {
  readonly endsAt: number;
  lastUsedAt: number;
  readonly #shared: Surroundings;
  readonly #knowledge = new Knowledge(MAX_FLOORS);
  /** Up to which change each record is good; what was used last stands last. */
  readonly #memory = new Map<number, number>();
  readonly #uses = new Set<number>();
  #usesDueAt = Infinity;
  #usesWrittenAt = -Infinity;
  #syncDueAt = -Infinity;

  constructor(now: number, lifetimeMs: number, shared: Surroundings) {
    this.endsAt = now + lifetimeMs;
    this.lastUsedAt = now;
    this.#shared = shared;
  }

  /** Makes it one that has served for so long: it knows what such a one knows, and remembers the keys that it was asked for. */
  age(ageMs: number, asked: number, draw: () => number, now: number): void {
    const { changes, chance, memoryRecords, usesEachMs } = this.#shared;
    const firstMs = Math.min(ageMs, changes.spanOf(MAX_FLOORS) + intervalMs);
    this.#knowledge.accept(changes.inKv(now - firstMs));
    const stepMs = Math.max(intervalMs, changes.spanOf(changes.told / 2));
    for (let leftMs = firstMs; leftMs > 0;) {
      leftMs = Math.max(0, leftMs - stepMs);
      this.#learn(now - leftMs);
    }
    const writtenMs = Math.min(ageMs, chance.next() * usesEachMs);
    const latestFirst = new Map<number, number>();
    for (let back = 0; back < asked && latestFirst.size < memoryRecords; back++) {
      const key = draw();
      const agoMs = (ageMs * back) / asked;
      if (!latestFirst.has(key)) latestFirst.set(key, changes.newestAt(now - agoMs));
      if (agoMs < writtenMs) this.#uses.add(key);
    }
    for (const [key, asOf] of [...latestFirst].toReversed()) this.#remember(key, asOf);
    this.#usesDueAt = now - writtenMs + usesEachMs;
  }

  verify(key: number, now: number, tally: Tally): void {
    this.lastUsedAt = now;
    this.writeUses(now, tally);
    tally.verifications += 1;
    tally[this.#find(key, now, tally)] += 1;
    if (now >= this.#syncDueAt) {
      tally.feedQueries += 1;
      this.#sync(now, tally);
    }
    this.#use(key, now, tally);
  }

  /** Writes the last uses that it has gathered, if their time has come. */
  writeUses(now: number, tally: Tally): void {
    if (this.#uses.size === 0 || now < this.#usesDueAt) return;
    tally.useQueries += 1;
    this.#usesWrittenAt = this.#usesDueAt;
    this.#usesDueAt = Infinity;
    this.#uses.clear();
  }

  /** Where the record was that answered. */
  #find(key: number, now: number, tally: Tally): 'memory' | 'kv' | 'd1Absent' | 'd1TooOld' {
    const { changes, kv } = this.#shared;
    if (!this.#isYoung(now)) {
      tally.kvReads += 1;
      if (this.#knowledge.accept(changes.inKv(now))) this.#postpone();
    }
    const isYoung = this.#isYoung(now);
    const held = this.#memory.get(key);
    if (isYoung && held !== undefined && this.#covers(key, held)) {
      this.#remember(key, held);
      return 'memory';
    }
    tally.kvReads += 1;
    const putAt = kv.putAt(key, now);
    if (isYoung && putAt !== null) {
      const asOf = changes.newestAt(putAt);
      if (this.#covers(key, asOf)) {
        this.#remember(key, asOf);
        return 'kv';
      }
    }
    tally.missQueries += 1;
    tally.rowsRead += ROWS.miss;
    // Where KV can't tell what has changed, the same round trip asks for that.
    if (!isYoung) this.#sync(now, tally);
    tally.kvWrites += 1;
    kv.put(key, now);
    this.#remember(key, changes.newestAt(now));
    return putAt === null ? 'd1Absent' : 'd1TooOld';
  }

  #isYoung(now: number): boolean {
    return now - this.#knowledge.knownAt <= usableMs;
  }

  #covers(key: number, asOf: number): boolean {
    return this.#knowledge.coversSubject({ generation: GENERATION, asOf, readAt: 0 }, subjectOf(key));
  }

  #remember(key: number, asOf: number): void {
    this.#memory.delete(key);
    this.#memory.set(key, asOf);
    if (this.#memory.size <= this.#shared.memoryRecords) return;
    const [oldest] = this.#memory.keys();
    if (oldest !== undefined) this.#memory.delete(oldest);
  }

  #sync(now: number, tally: Tally): void {
    tally.rowsRead += ROWS.sync + this.#learn(now);
  }

  /** From D1; returns how many changes it told. */
  #learn(now: number): number {
    const { position } = this.#knowledge;
    const snapshot = this.#shared.changes.since(position.seq, now);
    this.#knowledge.learn(snapshot, position);
    this.#postpone();
    return snapshot.changes.length;
  }

  #postpone(): void {
    const jitter = 1 + SYNC_JITTER * (2 * this.#shared.chance.next() - 1);
    this.#syncDueAt = this.#knowledge.knownAt + intervalMs * jitter;
  }

  /** A row that will be written is counted now, so that it does not matter whether its minute ends within what is counted. */
  #use(key: number, now: number, tally: Tally): void {
    if (!this.#uses.has(key) && this.#uses.size < MAX_PENDING_USES) {
      this.#uses.add(key);
      tally.rowsRead += ROWS.use.read;
      tally.rowsWritten += ROWS.use.written;
    }
    if (this.#usesDueAt === Infinity) {
      this.#usesDueAt = Math.max(now + USAGE_GATHER_MS, this.#usesWrittenAt + this.#shared.usesEachMs);
    }
  }
}
