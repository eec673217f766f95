import { MAX_USES_PER_STATEMENT } from '../core/constants.ts';
import type { KeyId } from '../core/id.ts';
import type { LastUse } from '../core/records.ts';
import { reaching } from './faults.ts';

export class UsageStore {
  readonly #db: D1Database;

  constructor(db: D1Database) {
    this.#db = db;
  }

  /** Writes each key's latest use, if none later is there. One batch, whatever the number of keys. */
  async write(uses: ReadonlyMap<KeyId, LastUse>): Promise<void> {
    const rows = [...uses].map(([keyId, use]) => [keyId, use.at, use.ip, use.userAgent]);
    const statements: D1PreparedStatement[] = [];
    for (let start = 0; start < rows.length; start += MAX_USES_PER_STATEMENT) {
      statements.push(this.#upsert(rows.slice(start, start + MAX_USES_PER_STATEMENT)));
    }
    await reaching(() => this.#db.batch(statements));
  }

  #upsert(rows: readonly unknown[]): D1PreparedStatement {
    return this.#db
      .prepare(
        `INSERT INTO key_usage (key_id, last_used_at, last_used_ip, last_used_user_agent)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?) WHERE EXISTS (SELECT 1 FROM api_keys WHERE id = value ->> 0)
         ON CONFLICT (key_id) DO UPDATE SET last_used_at = excluded.last_used_at,
           last_used_ip = excluded.last_used_ip, last_used_user_agent = excluded.last_used_user_agent
         WHERE excluded.last_used_at > key_usage.last_used_at`,
      )
      .bind(JSON.stringify(rows));
  }
}
