import { CACHE_PATIENCE_MS } from '../core/constants.ts';
import { isKeyId, type Handle } from '../core/handle.ts';
import type { Knowledge, Position } from '../core/knowledge.ts';
import type { News } from '../core/news.ts';
import type { Platform } from '../core/platform.ts';
import type { KeyRecord } from '../core/records.ts';
import { within } from '../core/within.ts';
import type { RecordCache } from '../store/cache.ts';
import type { Absences } from './absences.ts';
import type { Feed } from './feed.ts';
import type { Memory } from './memory.ts';
import type { Found, Wanted } from './wanted.ts';

export interface Limits {
  /** How old knowledge may be, in milliseconds. With 0 no cache answers: D1 is asked every time. */
  readonly usableMs: number;
  /** How much older it may be while D1 can't be reached. */
  readonly graceMs: number;
}

/** Records by handle as one KV read brought them. */
export type Cached = ReadonlyMap<Handle, KeyRecord>;

export const NONE: Cached = new Map();

/**
 * What memory and KV answer. A record of theirs is used only if it covers every change that the isolate knows of, and only
 * if that knowledge is young enough: judged at each use, so after the last wait.
 */
export class Caches {
  readonly #memory: Memory;
  readonly #absences: Absences;
  readonly #knowledge: Knowledge;
  readonly #feed: Feed;
  readonly #cache: RecordCache;
  readonly #limits: Limits;
  readonly #platform: Platform;

  constructor(
    memory: Memory,
    absences: Absences,
    knowledge: Knowledge,
    feed: Feed,
    cache: RecordCache,
    limits: Limits,
    platform: Platform,
  ) {
    this.#memory = memory;
    this.#absences = absences;
    this.#knowledge = knowledge;
    this.#feed = feed;
    this.#cache = cache;
    this.#limits = limits;
    this.#platform = platform;
  }

  /** What memory answers, without a wait and without I/O; null where it does not. */
  recall(wanted: Wanted): Found | null {
    if (!this.#feed.isYoung) return null;
    this.#feed.keepUp();
    const held = this.#memory.get(wanted.handle);
    return this.#judged(held, 'memory', wanted) ?? this.#absence(wanted);
  }

  /** What can be answered by now of one for which KV was read. */
  answer(wanted: Wanted, cached: Cached): Found | null {
    if (!this.#feed.isYoung) return null;
    this.#feed.keepUp();
    return this.#judged(cached.get(wanted.handle), 'kv', wanted) ?? this.recall(wanted);
  }

  /** What an edge that is cut off from D1 goes on by. */
  degraded(wanted: Wanted, cached: Cached): Found | null {
    const { usableMs, graceMs } = this.#limits;
    const record = this.#memory.get(wanted.handle);
    if (record === undefined || wanted.maxAgeMs !== null || graceMs === 0 || usableMs === 0) return null;
    if (!isOf(record, wanted) || this.#knowledge.isPast(record)) return null;
    const ageMs = this.#feed.ageMsOf(record);
    if (ageMs > usableMs + graceMs) return null;
    const source = record === cached.get(wanted.handle) ? 'kv' : 'memory';
    // Who knows of no change trusts KV as it is, where each change of a key is put under its digest, and not under its id.
    if (source === 'kv' && isKeyId(wanted.handle) && !this.#knowledge.covers(record)) return null;
    return { record, source, ageMs, isDegraded: ageMs > usableMs };
  }

  /**
   * Reads what is needed from KV: the snapshot where too little is known, and side by side what memory lacks; then what
   * turns out to have changed. `isDoubted`: whether it matters that a cache has it, even where none may answer.
   */
  async read(open: readonly Wanted[], isDoubted: (one: Wanted) => boolean): Promise<Cached> {
    if (this.#limits.usableMs === 0) return NONE;
    const asked = open.filter((one) => this.#oldestMs(one) > 0 || isDoubted(one));
    if (asked.length === 0) return NONE;
    const lacking = this.#lacking(asked, NONE);
    const [cached] = await Promise.all([
      this.#readRecords(lacking),
      this.#feed.isYoung ? undefined : this.#feed.refresh(),
    ]);
    const changed = this.#lacking(asked, new Set(lacking));
    return changed.length === 0 ? cached : new Map([...cached, ...(await this.#readRecords(changed))]);
  }

  /** The handles, but for some, of which memory lacks what KV could have, as far as is known. */
  #lacking(wanted: readonly Wanted[], except: { has(handle: Handle): boolean }): Handle[] {
    const handles = wanted.filter((one) => !this.#isRemembered(one)).map(({ handle }) => handle);
    return [...new Set(handles)].filter((handle) => !except.has(handle));
  }

  /** One KV read, for memory to keep. Cannot fail. */
  async #readRecords(handles: readonly Handle[]): Promise<Cached> {
    if (handles.length === 0) return NONE;
    try {
      const cached = await within(this.#platform, CACHE_PATIENCE_MS, this.#cache.get(handles));
      for (const [handle, record] of cached) this.#memory.put(handle, record);
      return cached;
    } catch (error) {
      this.#platform.log({ level: 'warn', event: 'kv_read_failed', error: String(error) });
      return NONE;
    }
  }

  /** Whether memory has all that KV could have, as far as is known. */
  #isRemembered(wanted: Wanted): boolean {
    const held = this.#memory.get(wanted.handle);
    if (held === undefined || !isOf(held, wanted)) return false;
    return !this.#feed.isYoung || this.#knowledge.covers(held);
  }

  /** Keeps what D1 said of a key, and puts it into KV where no cache had it. */
  keep(handle: Handle, record: KeyRecord): void {
    if (this.#knowledge.isPast(record)) return;
    const held = this.#memory.get(handle);
    this.#memory.put(handle, record);
    if (this.#limits.usableMs > 0 && (held === undefined || !this.#knowledge.covers(held))) {
      this.#platform.background(this.#cache.put(handle, record));
    }
  }

  /** Keeps, for a while, that D1 knows of no such key. */
  keepAbsence({ handle, organizationId }: Wanted, readAt: number): void {
    if (this.#limits.usableMs > 0) this.#absences.note(organizationId, handle, readAt);
  }

  /** For a change that this isolate is about to make: what is to be told of it once it is committed. */
  expect(): (news: News) => void {
    const asked = this.#knowledge.position;
    return (news) => this.#tell(news, asked);
  }

  /** Learns of a change that this isolate made, and passes it on. */
  #tell(news: News, asked: Position): void {
    this.#feed.raise(news, asked);
    for (const { digest, record } of news.keys) this.#memory.put(digest, record);
    if (this.#limits.usableMs === 0) return;
    for (const { digest, record } of news.keys) {
      this.#platform.background(
        news.changed.includes(record.key.id)
          ? this.#cache.replace(digest, record)
          : this.#cache.put(digest, record),
      );
    }
    if (news.weakens) this.#feed.publishSoon();
  }

  /** Whether memory holds a key that might be the wanted one, whatever it says of it. */
  remembers(wanted: Wanted): boolean {
    const held = this.#memory.get(wanted.handle);
    return held !== undefined && isOf(held, wanted);
  }

  /** Whether memory or KV has a key, whatever it says of it. */
  async knows(handle: Handle): Promise<boolean> {
    if (this.#memory.get(handle) !== undefined) return true;
    return this.#limits.usableMs > 0 && (await this.#readRecords([handle])).size > 0;
  }

  /** A cached record, if it may be used for this. */
  #judged(record: KeyRecord | undefined, source: 'memory' | 'kv', wanted: Wanted): Found | null {
    if (record === undefined || !isOf(record, wanted) || !this.#knowledge.covers(record)) return null;
    const ageMs = this.#feed.ageMsOf(record);
    return this.#isYoungEnough(ageMs, wanted) ? { record, source, ageMs, isDegraded: false } : null;
  }

  #absence(wanted: Wanted): Found | null {
    const now = this.#platform.clock();
    const readAt = this.#absences.readAt(wanted.organizationId, wanted.handle, now);
    if (readAt === undefined || !this.#isYoungEnough(now - readAt, wanted)) return null;
    return { record: null, source: 'memory', ageMs: now - readAt, isDegraded: false };
  }

  #oldestMs({ maxAgeMs }: Wanted): number {
    return Math.min(maxAgeMs ?? Infinity, this.#limits.usableMs);
  }

  /** Where no age is allowed D1 is asked, even within the millisecond in which it was asked before. */
  #isYoungEnough(ageMs: number, wanted: Wanted): boolean {
    const oldestMs = this.#oldestMs(wanted);
    return oldestMs > 0 && ageMs <= oldestMs;
  }
}

export function isOf(record: KeyRecord, { organizationId }: Wanted): boolean {
  return organizationId === null || record.organization.id === organizationId;
}
