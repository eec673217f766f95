import { DATABASE_PATIENCE_MS, MAX_LOOKUP_ATTEMPTS } from '../core/constants.ts';
import { Unavailable } from '../core/faults.ts';
import type { Floods } from '../core/floods.ts';
import { isKeyId } from '../core/handle.ts';
import type { Knowledge } from '../core/knowledge.ts';
import type { Platform } from '../core/platform.ts';
import type { KeyRecord } from '../core/records.ts';
import { within } from '../core/within.ts';
import type { LookupStore } from '../store/lookups.ts';
import { isOf, NONE, type Cached, type Caches, type Limits } from './caches.ts';
import type { Feed } from './feed.ts';
import type { Outage } from './outage.ts';
import type { Found, Wanted } from './wanted.ts';

/** What D1 said to a query that started then; null: there is no such key. */
interface DatabaseAnswer {
  readonly record: KeyRecord | null;
  readonly startedAt: number;
}

/** `limited`: D1 would have to be asked, and the source has asked it in vain too often. */
export type Answer = Found | 'limited';

/** From a handle to a record: memory, else KV, else D1's primary. */
export class Lookup {
  readonly #caches: Caches;
  readonly #knowledge: Knowledge;
  readonly #feed: Feed;
  readonly #store: LookupStore;
  readonly #floods: Floods;
  readonly #outage: Outage;
  readonly #limits: Limits;
  readonly #platform: Platform;

  constructor(
    caches: Caches,
    knowledge: Knowledge,
    feed: Feed,
    store: LookupStore,
    floods: Floods,
    outage: Outage,
    limits: Limits,
    platform: Platform,
  ) {
    this.#caches = caches;
    this.#knowledge = knowledge;
    this.#feed = feed;
    this.#store = store;
    this.#floods = floods;
    this.#outage = outage;
    this.#limits = limits;
    this.#platform = platform;
  }

  /**
   * An answer for each, in the order of asking, at the cost of one: a KV read of records, one of the snapshot where too
   * little is known, and a round trip to D1; each again only for what turns out to have changed. Throws `Unavailable`
   * when one of them needs D1, and it is out of reach.
   */
  async find(wanted: readonly Wanted[]): Promise<Answer[]> {
    // Where D1 fails, what KV knows may still be young.
    const isHopeless = !this.#feed.isWorthRefreshing;
    const known = wanted.map(
      (one) => this.#caches.recall(one) ?? (isHopeless ? this.#withoutDatabase(one, NONE) : null),
    );
    if (known.every((answer) => answer !== null)) return known;

    const cached = await this.#caches.read(
      wanted.filter((_, index) => known[index] === null),
      (one) => this.#floods.isPaused(one.asker),
    );
    const read = new Map<Wanted, DatabaseAnswer>();
    const deadline = this.#platform.clock() + DATABASE_PATIENCE_MS;
    for (let attempt = 0; ; attempt++) {
      // All of them anew: while one was waited for, another may have been overtaken.
      const answers = wanted.map(
        (one) => this.#answer(one, cached, read) ?? this.#withoutDatabase(one, cached),
      );
      if (answers.every((answer) => answer !== null)) return answers;
      if (attempt === MAX_LOOKUP_ATTEMPTS) throw new Unavailable('other changes kept overtaking the look-up');
      this.#outage.trying();
      try {
        const open = wanted.filter((_, index) => answers[index] === null);
        await this.#readDatabase(open, attempt > 0, read, deadline);
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error;
        this.#outage.failed();
        const degraded = wanted.map(
          (one) => this.#answer(one, cached, read) ?? this.#caches.degraded(one, cached),
        );
        if (degraded.every((answer) => answer !== null)) return degraded;
        throw error;
      }
    }
  }

  /** What is known of one by now, of whatever origin; null: D1 must be asked. */
  #answer(wanted: Wanted, cached: Cached, read: ReadonlyMap<Wanted, DatabaseAnswer>): Answer | null {
    const answer = read.get(wanted);
    if (answer !== undefined && !(answer.record !== null && this.#knowledge.isPast(answer.record))) {
      const ageMs = this.#platform.clock() - answer.startedAt;
      return { record: answer.record, source: 'd1', ageMs, isDegraded: false };
    }
    return this.#caches.answer(wanted, cached) ?? (this.#isRefused(wanted) ? 'limited' : null);
  }

  /** Adds what D1 says, and learns what has changed where that is needed to judge it. */
  async #readDatabase(
    open: readonly Wanted[],
    isOvertaken: boolean,
    read: Map<Wanted, DatabaseAnswer>,
    deadline: number,
  ): Promise<void> {
    const { usableMs } = this.#limits;
    const startedAt = this.#platform.clock();
    const asked = this.#knowledge.position;
    // What was overtaken is asked for with what has changed, so that the two agree.
    const isLearning = isOvertaken || (usableMs > 0 && !this.#feed.isYoung);
    const handles = [...new Set(open.map(({ handle }) => handle))];
    const { records, snapshot } = await within(
      this.#platform,
      deadline - startedAt,
      this.#store.read(handles, isLearning ? asked : null, startedAt),
    );
    this.#outage.succeeded();
    if (snapshot !== null) this.#feed.learn(snapshot, asked);
    for (const record of records.values()) this.#feed.notice(record, asked);
    for (const [handle, record] of records) this.#caches.keep(handle, record);
    const inVain = new Map<string, Wanted>();
    for (const one of open) {
      const record = records.get(one.handle);
      // Such as a deleted organization's: what changed is learned first, so that no cache affirms what D1 denied.
      if (record === undefined && !isLearning && this.#caches.remembers(one)) continue;
      const isFound = record !== undefined && isOf(record, one);
      if (!isFound) {
        inVain.set(`${one.asker} ${one.handle}`, one);
        this.#caches.keepAbsence(one, startedAt);
      }
      read.set(one, { record: isFound ? record : null, startedAt });
    }
    // Asked for twice at once, it was looked for once.
    for (const { asker } of inVain.values()) this.#floods.note(asker);
  }

  #withoutDatabase(wanted: Wanted, cached: Cached): Found | null {
    return this.#outage.isPaused ? this.#caches.degraded(wanted, cached) : null;
  }

  /** Whether D1 is not asked on behalf of this one. Keys that a cache knows pass. */
  #isRefused(wanted: Wanted): boolean {
    // A token's signature says that its key is there.
    if (isKeyId(wanted.handle)) return false;
    return this.#floods.isPaused(wanted.asker) && !this.#caches.remembers(wanted);
  }
}
