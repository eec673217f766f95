import { CLOCK_TOLERANCE_MS, IN_FLIGHT_SECONDS } from '../core/constants.ts';
import type { Floors } from '../core/floors.ts';
import type { OrganizationId } from '../core/id.ts';
import type { Platform } from '../core/platform.ts';
import type { KeyRecord } from '../core/records.ts';
import type { Digest } from '../core/secret.ts';
import type { RecordCache } from '../store/cache.ts';
import type { KeyStore } from '../store/keys.ts';

export interface Wanted {
  /** Whose key it must be; null: anyone's. Another organization's is as one that never was, in cost as well. */
  readonly organizationId: OrganizationId | null;
  /** The oldest, in milliseconds, that the knowledge may be; the deployment's own bound may be tighter. */
  readonly maxAgeMs: number;
}

export interface Found {
  readonly record: KeyRecord | null;
  readonly source: 'kv' | 'd1';
  /** How old the knowledge behind this is, in milliseconds. */
  readonly ageMs: number;
}

/** How long after its reading a record may still be used, so that its verdict is out within the bound. */
export function usableMs(maxStalenessSeconds: number): number {
  return Math.max(0, maxStalenessSeconds - IN_FLIGHT_SECONDS) * 1_000;
}

/** From a digest to a record: KV if what it holds is young enough, else D1's primary. */
export class Lookup {
  readonly #cache: RecordCache;
  readonly #keys: KeyStore;
  readonly #floors: Floors;
  readonly #usableMs: number;
  readonly #platform: Platform;

  /** `usable` is the oldest, in milliseconds, that a cached record may be. */
  constructor(cache: RecordCache, keys: KeyStore, floors: Floors, usable: number, platform: Platform) {
    this.#cache = cache;
    this.#keys = keys;
    this.#floors = floors;
    this.#usableMs = usable;
    this.#platform = platform;
  }

  /**
   * The record of a digest, if it is the wanted organization's. One KV read, and one D1 query where KV does not do.
   * Throws `Unavailable` when D1 is needed and out of reach.
   */
  async find(digest: Digest, wanted: Wanted): Promise<Found> {
    const oldestMs = Math.min(wanted.maxAgeMs, this.#usableMs);
    if (oldestMs <= 0) return this.#fromDatabase(digest, wanted);
    const cached = await this.#fromCache(digest, oldestMs, wanted);
    if (cached !== null) return cached;
    const found = await this.#fromDatabase(digest, wanted);
    if (found.record !== null) this.#platform.background(this.#cache.put(digest, found.record));
    return found;
  }

  async #fromCache(digest: Digest, oldestMs: number, wanted: Wanted): Promise<Found | null> {
    try {
      const record = await this.#cache.get(digest);
      if (record === null || !isWanted(record, wanted) || !this.#floors.permit(record)) return null;
      const ageMs = this.#platform.clock() - record.readAt;
      if (ageMs > oldestMs || ageMs < -CLOCK_TOLERANCE_MS) return null;
      return { record, source: 'kv', ageMs: Math.max(0, ageMs) };
    } catch (error) {
      this.#platform.log({ level: 'warn', event: 'kv_read_failed', error: String(error) });
      return null;
    }
  }

  async #fromDatabase(digest: Digest, wanted: Wanted): Promise<Found> {
    const startedAt = this.#platform.clock();
    const read = await this.#keys.record(digest, startedAt);
    const record = read !== null && isWanted(read, wanted) ? read : null;
    return { record, source: 'd1', ageMs: this.#platform.clock() - startedAt };
  }
}

function isWanted(record: KeyRecord, { organizationId }: Wanted): boolean {
  return organizationId === null || record.organization.id === organizationId;
}
