import type { Handle } from '../core/handle.ts';
import type { Position, Snapshot } from '../core/knowledge.ts';
import type { KeyRecord } from '../core/records.ts';
import type { ChangeStore } from './changes.ts';
import { reaching } from './faults.ts';
import type { KeyStore } from './keys.ts';
import { rowsOf, toKeyRecord, toSnapshot, type ChangesRow, type KeyRecordRow } from './rows.ts';

/** What D1 answered to a verification that had to ask it. */
export interface LookedUp {
  /** Under what they were asked by; what is no key's is missing. */
  readonly records: ReadonlyMap<Handle, KeyRecord>;
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
  async read(handles: readonly Handle[], since: Position | null, now: number): Promise<LookedUp> {
    const records = this.#keys.readRecords(handles);
    if (since === null) {
      const { results } = await reaching(() => records.all<KeyRecordRow>());
      return { records: byHandle(results, handles, now), snapshot: null };
    }
    const [changes, found] = await reaching(() =>
      this.#db.batch([this.#changes.readSince(since.seq), records]),
    );
    const [row = null] = rowsOf<ChangesRow>(changes);
    return {
      records: byHandle(rowsOf<KeyRecordRow>(found), handles, now),
      snapshot: toSnapshot(row, since.seq, now),
    };
  }
}

function byHandle(
  rows: readonly KeyRecordRow[],
  handles: readonly Handle[],
  readAt: number,
): Map<Handle, KeyRecord> {
  const found = new Map<Handle, KeyRecord>();
  for (const row of rows) {
    const record = toKeyRecord(row, readAt);
    for (const handle of [row.digest, row.id]) if (handles.includes(handle)) found.set(handle, record);
  }
  return found;
}
