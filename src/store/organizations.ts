import type { Organization } from '../core/records.ts';
import { reaching } from './faults.ts';
import { type OrganizationRow, toOrganization } from './rows.ts';

const COLUMNS = 'id, slug, key_prefix, personal_key_permissions, max_key_lifetime, revision';

export class OrganizationStore {
  readonly #db: D1Database;

  constructor(db: D1Database) {
    this.#db = db;
  }

  /** The live organization of this id or slug, from D1's primary. */
  async find(idOrSlug: string): Promise<Organization | null> {
    const column = idOrSlug.startsWith('org_') ? 'id' : 'slug';
    const row = await reaching(() =>
      this.#db
        .prepare(`SELECT ${COLUMNS} FROM organizations WHERE ${column} = ? AND deleted_at IS NULL`)
        .bind(idOrSlug)
        .first<OrganizationRow>(),
    );
    return row === null ? null : toOrganization(row);
  }
}
