import { MAX_CHANGES_KEPT, MAX_CHANGES_PRUNED, MAX_CHANGES_TOLD } from '../core/constants.ts';
import type { Position, Snapshot } from '../core/knowledge.ts';
import { reaching } from './faults.ts';
import { type ChangesRow, toSnapshot } from './rows.ts';

/** One row whatever there is; the newest changes first, and one more than are told, to see whether any were left out. */
const SINCE = `SELECT g.name AS generation,
    (SELECT coalesce(max(seq), 0) FROM changes) AS newest,
    (SELECT coalesce(min(seq), 1) FROM changes) AS oldest,
    (SELECT json_group_array(json_array(subject, seq)) FROM (
      SELECT subject, seq FROM changes WHERE seq > ?1 ORDER BY seq DESC LIMIT ${MAX_CHANGES_TOLD + 1})) AS changes
  FROM generation g`;

/** The table that tells every isolate what has changed. */
export class ChangeStore {
  readonly #db: D1Database;

  constructor(db: D1Database) {
    this.#db = db;
  }

  /**
   * The changes after a position, from D1's primary; where they are too many, or too old to be kept, the newest alone,
   * and the snapshot says from where on. `now` is the time before the query starts, in epoch milliseconds.
   */
  async since({ seq }: Position, now: number): Promise<Snapshot> {
    const row = await reaching(() => this.readSince(seq).first<ChangesRow>());
    return toSnapshot(row, seq, now);
  }

  /** Reads a {@link ChangesRow}, for use within a batch. */
  readSince(seq: number): D1PreparedStatement {
    return this.#db.prepare(SINCE).bind(seq);
  }

  /**
   * Removes what nobody reaches back to, the oldest first and a bounded number at once. Safe to repeat, and twice at
   * once. The newest rows stay.
   */
  async prune(): Promise<void> {
    await reaching(() =>
      this.#db
        .prepare(
          `DELETE FROM changes WHERE seq <= (SELECT max(seq) FROM changes) - ?1
             AND seq < (SELECT min(seq) FROM changes) + ?2`,
        )
        .bind(MAX_CHANGES_KEPT, MAX_CHANGES_PRUNED)
        .run(),
    );
  }
}
