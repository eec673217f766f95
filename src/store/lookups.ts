import type { Position, Snapshot } from '../core/knowledge.ts';
import type { KeyRecord } from '../core/records.ts';
import type { Digest } from '../core/secret.ts';
import type { ChangeStore } from './changes.ts';
import { reaching } from './faults.ts';
import type { KeyStore } from './keys.ts';
import { rowsOf, toKeyRecord, toSnapshot, type ChangesRow, type KeyRecordRow } from './rows.ts';

/** What D1 answered to a verification that had to ask it. */
export interface LookedUp {
  /** Digests that are no key's are missing. */
  readonly records: ReadonlyMap<Digest, KeyRecord>;
  /** What changed after the position that was asked from; null where none was. */
  readonly snapshot: Snapshot | null;
}

/** What a verification asks of D1's primary: keys, and what has changed, in one round trip. */
export class LookupStore {
  readonly #db: D1Database;
  readonly #keys: KeyStore;
  readonly #changes: ChangeStore;

  constructor(db: D1Database, keys: KeyStore, changes: ChangeStore) {
    this.#db = db;
    this.#keys = keys;
    this.#changes = changes;
  }

  /** `now` is the time before the query starts, in epoch milliseconds. One query without `since`, one batch with it. */
  async read(digests: readonly Digest[], since: Position | null, now: number): Promise<LookedUp> {
    const records = this.#keys.readRecords(digests);
    if (since === null) {
      const { results } = await reaching(() => records.all<KeyRecordRow>());
      return { records: byDigest(results, now), snapshot: null };
    }
    const [changes, found] = await reaching(() =>
      this.#db.batch([this.#changes.readSince(since.seq), records]),
    );
    const [row = null] = rowsOf<ChangesRow>(changes);
    return {
      records: byDigest(rowsOf<KeyRecordRow>(found), now),
      snapshot: toSnapshot(row, since.seq, now),
    };
  }
}

function byDigest(rows: readonly KeyRecordRow[], readAt: number): Map<Digest, KeyRecord> {
  return new Map(rows.map((row) => [row.digest, toKeyRecord(row, readAt)]));
}
