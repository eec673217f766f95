import {
  CACHE_PATIENCE_MS,
  CLOCK_TOLERANCE_MS,
  IN_FLIGHT_SECONDS,
  KV_WRITE_INTERVAL_MS,
  MAX_CHANGES_TOLD,
  OUTAGE_RETRY_MS,
  SYNC_JITTER,
} from '../core/constants.ts';
import type { Knowledge, Position, ReadOf, Snapshot } from '../core/knowledge.ts';
import type { News } from '../core/news.ts';
import type { Platform } from '../core/platform.ts';
import { within } from '../core/within.ts';
import type { ChangeStore } from '../store/changes.ts';
import type { SnapshotCache } from '../store/snapshots.ts';

export interface Timing {
  /** How old knowledge may be for a verdict to rest on it, in milliseconds. With 0 every verification asks D1. */
  readonly usableMs: number;
  /** How often an isolate that serves asks what has changed. */
  readonly intervalMs: number;
}

/** `maxStalenessSeconds` is the bound; part of it is for what is on its way. */
export function timingOf(maxStalenessSeconds: number, intervalSeconds: number): Timing {
  const usableMs = Math.max(0, maxStalenessSeconds - IN_FLIGHT_SECONDS) * 1_000;
  // Knowledge is renewed well before it is too old.
  return { usableMs, intervalMs: Math.min(intervalSeconds * 1_000, usableMs / 2) };
}

/**
 * Keeps an isolate's knowledge of changes young: from D1, in the background, while it serves; from the snapshot in KV when
 * it knows too little to answer. Whether somebody is at it already is a lease in time, never a promise: the platform
 * may end what one request began.
 */
export class Feed {
  readonly #knowledge: Knowledge;
  readonly #changes: ChangeStore;
  readonly #snapshots: SnapshotCache;
  readonly #timing: Timing;
  readonly #platform: Platform;
  readonly #onForgotten: () => void;
  #dueAt = -Infinity;
  #syncLeaseUntil = -Infinity;
  #refreshedAt = -Infinity;
  #putAt = -Infinity;
  #putLeaseUntil = -Infinity;

  /** `onForgotten` is called when the database turns out to be another one: whatever was read from it is void. */
  constructor(
    knowledge: Knowledge,
    changes: ChangeStore,
    snapshots: SnapshotCache,
    timing: Timing,
    platform: Platform,
    onForgotten: () => void,
  ) {
    this.#knowledge = knowledge;
    this.#changes = changes;
    this.#snapshots = snapshots;
    this.#timing = timing;
    this.#platform = platform;
    this.#onForgotten = onForgotten;
  }

  /** Whether verdicts may rest on what is known. */
  get isYoung(): boolean {
    return this.#platform.clock() - this.#knowledge.knownAt <= this.#timing.usableMs;
  }

  /** How old, in milliseconds, what is known of something is that was read so: as old as the younger of the two. */
  ageMsOf({ readAt }: ReadOf): number {
    const now = this.#platform.clock();
    const { knownAt } = this.#knowledge;
    const isBelievable = readAt <= now + CLOCK_TOLERANCE_MS;
    return Math.max(0, now - (isBelievable ? Math.max(readAt, knownAt) : knownAt));
  }

  /** Starts a sync in the background if one is due. Costs no I/O of the caller's and cannot fail. */
  keepUp(): void {
    const now = this.#platform.clock();
    if (now < this.#dueAt || now < this.#syncLeaseUntil) return;
    this.#syncLeaseUntil = now + this.#timing.intervalMs;
    this.#platform.background(this.#sync());
  }

  /** Takes what D1 answered to a question asked from `asked`. */
  learn(snapshot: Snapshot, asked: Position): void {
    const isForgotten = this.#knowledge.learn(snapshot, asked);
    if (isForgotten) this.#onForgotten();
    this.#postpone();
  }

  /** Looks whether what D1 gave shows the database to be another one. `asked` is from before it was asked for. */
  notice(read: Pick<ReadOf, 'generation'>, asked: Position): void {
    const isForgotten = this.#knowledge.notice(read, asked, this.#platform.clock());
    if (isForgotten) this.#onForgotten();
  }

  /** For what D1 is about to be asked beside verifications: what is to be told of its answer. */
  listen(): (read: Pick<ReadOf, 'generation'> | null) => void {
    const asked = this.#knowledge.position;
    return (read) => {
      if (read !== null) this.notice(read, asked);
    };
  }

  /** Takes note of a change that this isolate made by a batch that was sent off at `asked`. */
  raise({ changed, seq, generation }: News, asked: Position): void {
    const now = this.#platform.clock();
    const isForgotten = this.#knowledge.raise(changed, seq, generation, asked, now);
    if (isForgotten) this.#onForgotten();
  }

  /** Whether the snapshot in KV was not looked at lately, so that it may tell more than is known. */
  get isWorthRefreshing(): boolean {
    return !this.isYoung && this.#platform.clock() >= this.#refreshedAt + OUTAGE_RETRY_MS;
  }

  /** Learns from the snapshot in KV, by one read, if it is any younger. Cannot fail. */
  async refresh(): Promise<void> {
    this.#refreshedAt = this.#platform.clock();
    try {
      const snapshot = await within(this.#platform, CACHE_PATIENCE_MS, this.#snapshots.get());
      if (snapshot === null || snapshot.knownAt > this.#platform.clock() + CLOCK_TOLERANCE_MS) return;
      if (this.#knowledge.accept(snapshot)) this.#postpone();
    } catch (error) {
      this.#platform.log({ level: 'warn', event: 'kv_read_failed', error: String(error) });
    }
  }

  /** Puts a snapshot of what D1 says now into KV. One D1 query, one KV write. */
  async publish(): Promise<void> {
    if (this.#timing.usableMs === 0) return;
    this.#putAt = this.#platform.clock();
    await this.#sync();
    const snapshot = this.#knowledge.snapshot(MAX_CHANGES_TOLD);
    if (snapshot !== null) await this.#snapshots.put(snapshot);
  }

  /** As {@link publish}, in the background and as often as KV takes a write: a change that comes between waits for the next. */
  publishSoon(): void {
    const now = this.#platform.clock();
    if (this.#timing.usableMs === 0 || now < this.#putLeaseUntil) return;
    const delayMs = Math.max(0, this.#putAt + KV_WRITE_INTERVAL_MS - now);
    this.#putLeaseUntil = now + delayMs;
    this.#platform.background(this.#publishAfter(delayMs));
  }

  async #publishAfter(delayMs: number): Promise<void> {
    if (delayMs > 0) await this.#platform.sleep(delayMs);
    await this.publish();
  }

  async #sync(): Promise<void> {
    const asked = this.#knowledge.position;
    const snapshot = await this.#changes.since(asked, this.#platform.clock());
    this.#syncLeaseUntil = -Infinity;
    this.learn(snapshot, asked);
  }

  /** Isolates that learned together, from one snapshot, do not ask together. */
  #postpone(): void {
    const [byte = 0] = this.#platform.random(new Uint8Array(1));
    const jitter = 1 + SYNC_JITTER * (byte / 127.5 - 1);
    this.#dueAt = this.#knowledge.knownAt + this.#timing.intervalMs * jitter;
  }
}
