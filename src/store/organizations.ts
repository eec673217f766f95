import type { OrganizationId } from '../core/id.ts';
import type { ReadOf } from '../core/knowledge.ts';
import { pageOf, type Page, type PageRequest } from '../core/page.ts';
import type { Organization } from '../core/records.ts';
import { reaching } from './faults.ts';
import { type OrganizationRow, toOrganization } from './rows.ts';

const COLUMNS = `id, slug, name, key_prefix, personal_key_permissions, max_live_keys, max_key_lifetime, created_at,
  created_by, updated_at, updated_by, deleted_at, revision`;

const GENERATION = '(SELECT name FROM generation) AS generation';

/** Sorts after every id: base62 ends with `z`. */
const AFTER_EVERY_ID = 'org_~';

type InGeneration = Pick<ReadOf, 'generation'>;

/** An organization, and in which life of the database it was read. */
export interface FoundOrganization extends InGeneration {
  readonly organization: Organization;
}

export class OrganizationStore {
  readonly #db: D1Database;

  constructor(db: D1Database) {
    this.#db = db;
  }

  /** The live organization of this id or slug, from D1's primary. */
  async find(idOrSlug: string): Promise<Organization | null> {
    const row = await this.#row<OrganizationRow>(COLUMNS, idOrSlug);
    return row === null ? null : toOrganization(row);
  }

  /** As {@link find}, and in which life of the database. */
  async read(idOrSlug: string): Promise<FoundOrganization | null> {
    const row = await this.#row<OrganizationRow & InGeneration>(`${COLUMNS}, ${GENERATION}`, idOrSlug);
    return row === null ? null : { organization: toOrganization(row), generation: row.generation };
  }

  /** Which live organization has this id or slug, and as of which change. `now` is the time before the query starts. */
  async named(idOrSlug: string, now: number): Promise<(ReadOf & Pick<Organization, 'id' | 'slug'>) | null> {
    const columns = `id, slug, ${GENERATION}, (SELECT coalesce(max(seq), 0) FROM changes) AS as_of`;
    const row = await this.#row<Pick<OrganizationRow, 'id' | 'slug'> & InGeneration & { as_of: number }>(
      columns,
      idOrSlug,
    );
    if (row === null) return null;
    const { id, slug, generation, as_of: asOf } = row;
    return { id, slug, generation, asOf, readAt: now };
  }

  #row<Row>(columns: string, idOrSlug: string): Promise<Row | null> {
    const named = idOrSlug.startsWith('org_') ? 'id' : 'slug';
    return reaching(() =>
      this.#db
        .prepare(`SELECT ${columns} FROM organizations WHERE ${named} = ? AND deleted_at IS NULL`)
        .bind(idOrSlug)
        .first<Row>(),
    );
  }

  /** Every organization, newest first. */
  async list({ before, limit }: PageRequest<OrganizationId>): Promise<Page<Organization, OrganizationId>> {
    const { results } = await reaching(() =>
      this.#db
        .prepare(
          `SELECT ${COLUMNS} FROM organizations INDEXED BY organizations_list
           WHERE deleted_at IS NULL AND id < ? ORDER BY id DESC LIMIT ?`,
        )
        .bind(before ?? AFTER_EVERY_ID, limit + 1)
        .all<OrganizationRow>(),
    );
    return pageOf(results.map(toOrganization), limit, (organization) => organization.id);
  }

  insert(organization: Organization): D1PreparedStatement {
    return this.#db
      .prepare(`INSERT INTO organizations (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
      .bind(
        organization.id,
        organization.slug,
        organization.name,
        organization.keyPrefix,
        JSON.stringify(organization.personalKeyPermissions),
        organization.maxLiveKeys,
        organization.maxKeyLifetime,
        organization.createdAt,
        organization.createdBy,
        organization.updatedAt,
        organization.updatedBy,
        organization.deletedAt,
        organization.revision,
      );
  }

  /** Writes all that can change of an organization, and its next revision. */
  update(organization: Organization): D1PreparedStatement {
    return this.#db
      .prepare(
        `UPDATE organizations SET slug = ?2, name = ?3, key_prefix = ?4, personal_key_permissions = ?5,
           max_live_keys = ?6, max_key_lifetime = ?7, updated_at = ?8, updated_by = ?9, deleted_at = ?10,
           revision = revision + 1
         WHERE id = ?1 AND revision = ?11`,
      )
      .bind(
        organization.id,
        organization.slug,
        organization.name,
        organization.keyPrefix,
        JSON.stringify(organization.personalKeyPermissions),
        organization.maxLiveKeys,
        organization.maxKeyLifetime,
        organization.updatedAt,
        organization.updatedBy,
        organization.deletedAt,
        organization.revision,
      );
  }
}
