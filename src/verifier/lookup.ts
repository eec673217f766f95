import {
  CACHE_PATIENCE_MS,
  CLOCK_TOLERANCE_MS,
  DATABASE_PATIENCE_MS,
  MAX_LOOKUP_ATTEMPTS,
} from '../core/constants.ts';
import { Unavailable } from '../core/faults.ts';
import type { Floods } from '../core/floods.ts';
import type { OrganizationId } from '../core/id.ts';
import type { Knowledge } from '../core/knowledge.ts';
import type { News } from '../core/news.ts';
import type { Platform } from '../core/platform.ts';
import type { KeyRecord } from '../core/records.ts';
import type { Digest } from '../core/secret.ts';
import { within } from '../core/within.ts';
import type { RecordCache } from '../store/cache.ts';
import type { LookupStore } from '../store/lookups.ts';
import type { Absences } from './absences.ts';
import type { Feed } from './feed.ts';
import type { Memory } from './memory.ts';
import type { Outage } from './outage.ts';

/** What is looked for. */
export interface Wanted {
  readonly digest: Digest;
  /** Whose key it must be; null: anyone's. Another organization's is as one that never was, in cost as well. */
  readonly organizationId: OrganizationId | null;
  /** The oldest, in milliseconds, that the knowledge behind the answer may be; null: as the deployment allows. */
  readonly maxAgeMs: number | null;
  /** Who is counted, and refused in the end, when there is no such key: see {@link Floods}. */
  readonly source: string;
}

export interface Found {
  /** Null: there is no such key. */
  readonly record: KeyRecord | null;
  readonly source: 'memory' | 'kv' | 'd1';
  /** How old the knowledge behind this is, in milliseconds. */
  readonly ageMs: number;
  /** Older than the bound allows, since D1 can't be reached. */
  readonly isDegraded: boolean;
}

/** What D1 said to a query that started then; null: there is no such key. */
interface DatabaseAnswer {
  readonly record: KeyRecord | null;
  readonly startedAt: number;
}

const NONE: ReadonlyMap<Digest, KeyRecord> = new Map();

/** `limited`: D1 would have to be asked, and the source has asked it in vain too often. */
export type Answer = Found | 'limited';

export interface Limits {
  /** How old knowledge may be, in milliseconds. With 0 D1 is asked every time, and no cache. */
  readonly usableMs: number;
  /** How much older it may be while D1 can't be reached. */
  readonly graceMs: number;
}

/**
 * From a digest to a record: memory, else KV, else D1's primary. A cached record is used only if it covers every change
 * that the isolate knows of, and only if that knowledge is young enough. Both are judged after the last wait.
 */
export class Lookup {
  readonly #memory: Memory;
  readonly #absences: Absences;
  readonly #knowledge: Knowledge;
  readonly #feed: Feed;
  readonly #cache: RecordCache;
  readonly #store: LookupStore;
  readonly #floods: Floods;
  readonly #outage: Outage;
  readonly #limits: Limits;
  readonly #platform: Platform;

  constructor(
    memory: Memory,
    absences: Absences,
    knowledge: Knowledge,
    feed: Feed,
    cache: RecordCache,
    store: LookupStore,
    floods: Floods,
    outage: Outage,
    limits: Limits,
    platform: Platform,
  ) {
    this.#memory = memory;
    this.#absences = absences;
    this.#knowledge = knowledge;
    this.#feed = feed;
    this.#cache = cache;
    this.#store = store;
    this.#floods = floods;
    this.#outage = outage;
    this.#limits = limits;
    this.#platform = platform;
  }

  /** What memory answers, without a wait and without I/O; null where it does not. */
  recall(wanted: Wanted): Found | null {
    if (!this.#feed.isYoung) return null;
    this.#feed.keepUp();
    const held = this.#memory.get(wanted.digest);
    return this.#judged(held, 'memory', wanted) ?? this.#absence(wanted);
  }

  /**
   * An answer for each, in the order of asking, at the cost of one: a KV read of records, one of the snapshot where too
   * little is known, and a round trip to D1; each again only for what turns out to have changed. Throws `Unavailable` when one of them needs D1, and it is out of
   * reach.
   */
  async find(wanted: readonly Wanted[]): Promise<Answer[]> {
    const known = wanted.map((one) => this.recall(one) ?? this.#withoutDatabase(one, NONE));
    if (known.every((answer) => answer !== null)) return known;

    const cached = await this.#readCaches(wanted.filter((_, index) => known[index] === null));
    const read = new Map<Wanted, DatabaseAnswer>();
    for (let attempt = 0; attempt < MAX_LOOKUP_ATTEMPTS; attempt++) {
      // All of them anew: while one was waited for, another may have been overtaken.
      const answers = wanted.map(
        (one) => this.#answer(one, cached, read) ?? this.#withoutDatabase(one, cached),
      );
      if (answers.every((answer) => answer !== null)) return answers;
      this.#outage.trying();
      try {
        const open = wanted.filter((_, index) => answers[index] === null);
        await this.#readDatabase(open, attempt > 0, read);
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error;
        this.#outage.failed();
        const degraded = wanted.map((one) => this.#answer(one, cached, read) ?? this.#degraded(one, cached));
        if (degraded.every((answer) => answer !== null)) return degraded;
        throw error;
      }
    }
    const answers = wanted.map((one) => this.#answer(one, cached, read));
    if (answers.every((answer) => answer !== null)) return answers;
    throw new Unavailable('other changes kept overtaking the look-up');
  }

  /** Whether a cache knows a key, whatever it says of it: such keys are looked up in D1 even for whom floods are stopped. */
  async knows(digest: Digest): Promise<boolean> {
    if (this.#memory.get(digest) !== undefined) return true;
    return this.#limits.usableMs > 0 && (await this.#readRecords([digest])).size > 0;
  }

  /** Learns of a change that this isolate made, and passes it on. */
  tell(news: News): void {
    this.#feed.raise(news);
    if (this.#limits.usableMs === 0) return;
    for (const { digest, record } of news.keys) {
      this.#memory.put(digest, record);
      this.#platform.background(
        news.changed.includes(record.key.id)
          ? this.#cache.replace(digest, record)
          : this.#cache.put(digest, record),
      );
    }
    if (news.weakens) this.#feed.publishSoon();
  }

  /**
   * Reads what is needed from KV: the snapshot where too little is known, and side by side what memory lacks; then what
   * turns out to have changed.
   */
  async #readCaches(open: readonly Wanted[]): Promise<ReadonlyMap<Digest, KeyRecord>> {
    const asked = open.filter((one) => this.#oldestMs(one) > 0);
    if (asked.length === 0) return NONE;
    const lacking = this.#lacking(asked, NONE);
    const [cached] = await Promise.all([
      this.#readRecords(lacking),
      this.#feed.isYoung ? undefined : this.#feed.refresh(),
    ]);
    const changed = this.#lacking(asked, new Set(lacking));
    return changed.length === 0 ? cached : new Map([...cached, ...(await this.#readRecords(changed))]);
  }

  /** The digests, but for some, of which memory lacks what KV could have, as far as is known. */
  #lacking(wanted: readonly Wanted[], except: { has(digest: Digest): boolean }): Digest[] {
    const digests = wanted.filter((one) => !this.#isRemembered(one)).map(({ digest }) => digest);
    return [...new Set(digests)].filter((digest) => !except.has(digest));
  }

  /** One KV read, for memory to keep. Cannot fail. */
  async #readRecords(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, KeyRecord>> {
    if (digests.length === 0) return NONE;
    try {
      const cached = await within(this.#platform, CACHE_PATIENCE_MS, this.#cache.get(digests));
      for (const [digest, record] of cached) this.#memory.put(digest, record);
      return cached;
    } catch (error) {
      this.#platform.log({ level: 'warn', event: 'kv_read_failed', error: String(error) });
      return NONE;
    }
  }

  /** Whether memory has all that KV could have, as far as is known. */
  #isRemembered(wanted: Wanted): boolean {
    const held = this.#memory.get(wanted.digest);
    return held !== undefined && isOf(held, wanted) && (!this.#feed.isYoung || this.#knowledge.covers(held));
  }

  /** What is known of one by now, of whatever origin; null: D1 must be asked. */
  #answer(
    wanted: Wanted,
    cached: ReadonlyMap<Digest, KeyRecord>,
    read: ReadonlyMap<Wanted, DatabaseAnswer>,
  ): Answer | null {
    const answer = read.get(wanted);
    if (answer !== undefined && !(answer.record !== null && this.#knowledge.isPast(answer.record))) {
      const ageMs = this.#platform.clock() - answer.startedAt;
      return { record: answer.record, source: 'd1', ageMs, isDegraded: false };
    }
    if (this.#feed.isYoung) {
      this.#feed.keepUp();
      const found = this.#judged(cached.get(wanted.digest), 'kv', wanted) ?? this.recall(wanted);
      if (found !== null) return found;
    }
    return this.#isRefused(wanted) ? 'limited' : null;
  }

  /** Adds what D1 says, and learns what has changed where that is needed to judge it. */
  async #readDatabase(
    open: readonly Wanted[],
    isOvertaken: boolean,
    read: Map<Wanted, DatabaseAnswer>,
  ): Promise<void> {
    const { usableMs } = this.#limits;
    const startedAt = this.#platform.clock();
    const asked = this.#knowledge.position;
    // What was overtaken is asked for with what has changed, so that the two agree.
    const isLearning = isOvertaken || (usableMs > 0 && !this.#feed.isYoung);
    const digests = [...new Set(open.map(({ digest }) => digest))];
    const { records, snapshot } = await within(
      this.#platform,
      DATABASE_PATIENCE_MS,
      this.#store.read(digests, isLearning ? asked : null, startedAt),
    );
    this.#outage.succeeded();
    if (snapshot !== null) this.#feed.learn(snapshot, asked);
    for (const record of records.values()) this.#feed.notice(record, asked);
    for (const [digest, record] of records) this.#remember(digest, record);
    for (const one of open) {
      const record = records.get(one.digest);
      // Such as a deleted organization's: what changed is learned first, so that no cache affirms what D1 denied.
      if (record === undefined && !isLearning && this.#memory.get(one.digest) !== undefined) continue;
      const isFound = record !== undefined && isOf(record, one);
      if (!isFound) this.#missed(one, startedAt);
      read.set(one, { record: isFound ? record : null, startedAt });
    }
  }

  #missed({ digest, organizationId, source }: Wanted, startedAt: number): void {
    this.#floods.note(source);
    if (this.#limits.usableMs > 0) this.#absences.note(organizationId, digest, startedAt);
  }

  #remember(digest: Digest, record: KeyRecord): void {
    if (this.#limits.usableMs === 0 || this.#knowledge.isPast(record)) return;
    const held = this.#memory.get(digest);
    this.#memory.put(digest, record);
    if (held === undefined || !this.#knowledge.covers(held)) {
      this.#platform.background(this.#cache.put(digest, record));
    }
  }

  /** A cached record, if it may be used for this. */
  #judged(record: KeyRecord | undefined, source: 'memory' | 'kv', wanted: Wanted): Found | null {
    if (record === undefined || !isOf(record, wanted) || !this.#knowledge.covers(record)) return null;
    const ageMs = this.#ageMs(record);
    return this.#isYoungEnough(ageMs, wanted) ? { record, source, ageMs, isDegraded: false } : null;
  }

  #absence(wanted: Wanted): Found | null {
    const now = this.#platform.clock();
    const readAt = this.#absences.readAt(wanted.organizationId, wanted.digest, now);
    if (readAt === undefined || !this.#isYoungEnough(now - readAt, wanted)) return null;
    return { record: null, source: 'memory', ageMs: now - readAt, isDegraded: false };
  }

  #withoutDatabase(wanted: Wanted, cached: ReadonlyMap<Digest, KeyRecord>): Found | null {
    return this.#outage.isPaused ? this.#degraded(wanted, cached) : null;
  }

  /** What an edge that is cut off from D1 goes on by. */
  #degraded(wanted: Wanted, cached: ReadonlyMap<Digest, KeyRecord>): Found | null {
    const { usableMs, graceMs } = this.#limits;
    const record = this.#memory.get(wanted.digest);
    if (record === undefined || wanted.maxAgeMs !== null || graceMs === 0) return null;
    if (!isOf(record, wanted) || this.#knowledge.isPast(record)) return null;
    const ageMs = this.#ageMs(record);
    if (ageMs > usableMs + graceMs) return null;
    const source = record === cached.get(wanted.digest) ? 'kv' : 'memory';
    return { record, source, ageMs, isDegraded: ageMs > usableMs };
  }

  /** Whether D1 is not asked on behalf of this one. Keys that a cache knows pass. */
  #isRefused({ digest, organizationId, source }: Wanted): boolean {
    if (!this.#floods.isPaused(source)) return false;
    const held = this.#memory.get(digest);
    return held === undefined || (organizationId !== null && held.organization.id !== organizationId);
  }

  #oldestMs({ maxAgeMs }: Wanted): number {
    return Math.min(maxAgeMs ?? Infinity, this.#limits.usableMs);
  }

  /** Where no age is allowed D1 is asked, even within the millisecond in which it was asked before. */
  #isYoungEnough(ageMs: number, wanted: Wanted): boolean {
    const oldestMs = this.#oldestMs(wanted);
    return oldestMs > 0 && ageMs <= oldestMs;
  }

  /** How old the knowledge behind a record is that covers all that is known: as old as the younger of the two. */
  #ageMs({ readAt }: KeyRecord): number {
    const now = this.#platform.clock();
    const { knownAt } = this.#knowledge;
    const isBelievable = readAt <= now + CLOCK_TOLERANCE_MS;
    return Math.max(0, now - (isBelievable ? Math.max(readAt, knownAt) : knownAt));
  }
}

function isOf(record: KeyRecord, { organizationId }: Wanted): boolean {
  return organizationId === null || record.organization.id === organizationId;
}
