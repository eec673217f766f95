import type { OrganizationId, ServiceAccountId } from '../core/id.ts';
import { pageOf, type Page, type PageRequest } from '../core/page.ts';
import type { ServiceAccount } from '../core/records.ts';
import { reaching } from './faults.ts';
import { type ServiceAccountRow, toServiceAccount, vendorJson } from './rows.ts';

const COLUMNS = `id, organization_id, name, description, permissions, role, metadata, created_at, created_by,
  updated_at, updated_by, disabled_at, deleted_at, revision, vendor`;

/** Sorts after every id: base62 ends with `z`. */
const AFTER_EVERY_ID = 'sa_~';

export class AccountStore {
  readonly #db: D1Database;

  constructor(db: D1Database) {
    this.#db = db;
  }

  /** The organization's account of this id, unless it was deleted. */
  async find(organizationId: OrganizationId, id: ServiceAccountId): Promise<ServiceAccount | null> {
    const row = await reaching(() =>
      this.#db
        .prepare(
          `SELECT ${COLUMNS} FROM service_accounts WHERE id = ? AND organization_id = ? AND deleted_at IS NULL`,
        )
        .bind(id, organizationId)
        .first<ServiceAccountRow>(),
    );
    return row === null ? null : toServiceAccount(row);
  }

  /** The organization's account of this name, unless it was deleted. */
  async findNamed(organizationId: OrganizationId, name: string): Promise<ServiceAccount | null> {
    const row = await reaching(() =>
      this.#db
        .prepare(
          `SELECT ${COLUMNS} FROM service_accounts WHERE organization_id = ? AND name = ? AND deleted_at IS NULL`,
        )
        .bind(organizationId, name)
        .first<ServiceAccountRow>(),
    );
    return row === null ? null : toServiceAccount(row);
  }

  /** The organization's accounts, newest first. */
  async list(
    organizationId: OrganizationId,
    { before, limit, offset = 0 }: PageRequest<ServiceAccountId>,
  ): Promise<Page<ServiceAccount, ServiceAccountId>> {
    const { results } = await reaching(() =>
      this.#db
        .prepare(
          `SELECT ${COLUMNS} FROM service_accounts
           WHERE organization_id = ? AND deleted_at IS NULL AND id < ? ORDER BY id DESC LIMIT ? OFFSET ?`,
        )
        .bind(organizationId, before ?? AFTER_EVERY_ID, limit + 1, offset)
        .all<ServiceAccountRow>(),
    );
    return pageOf(results.map(toServiceAccount), limit, (account) => account.id);
  }

  insert(account: ServiceAccount): D1PreparedStatement {
    return this.#db
      .prepare(
        `INSERT INTO service_accounts (${COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)`,
      )
      .bind(
        account.id,
        account.organizationId,
        account.name,
        account.description,
        JSON.stringify(account.permissions),
        account.role,
        JSON.stringify(account.metadata),
        account.createdAt,
        account.createdBy,
        account.updatedAt,
        account.updatedBy,
        account.disabledAt,
        account.deletedAt,
        account.revision,
        vendorJson(account),
      );
  }

  /** Writes all that can change of an account, and its next revision. */
  update(account: ServiceAccount): D1PreparedStatement {
    return this.#db
      .prepare(
        `UPDATE service_accounts SET name = ?2, description = ?3, permissions = ?4, role = ?5, metadata = ?6,
           updated_at = ?7, updated_by = ?8, disabled_at = ?9, deleted_at = ?10, vendor = ?12, revision = revision + 1
         WHERE id = ?1 AND revision = ?11`,
      )
      .bind(
        account.id,
        account.name,
        account.description,
        JSON.stringify(account.permissions),
        account.role,
        JSON.stringify(account.metadata),
        account.updatedAt,
        account.updatedBy,
        account.disabledAt,
        account.deletedAt,
        account.revision,
        vendorJson(account),
      );
  }

  /** Writes the disabling alone, whatever else has changed, unless it is disabled or deleted. */
  disable(account: ServiceAccount): D1PreparedStatement {
    return this.#db
      .prepare(
        `UPDATE service_accounts SET disabled_at = ?, updated_at = ?, updated_by = ?, revision = revision + 1
         WHERE id = ? AND disabled_at IS NULL AND deleted_at IS NULL`,
      )
      .bind(account.disabledAt, account.updatedAt, account.updatedBy, account.id);
  }

  /** Writes the deletion alone, whatever else has changed, unless it is deleted. */
  remove(account: ServiceAccount): D1PreparedStatement {
    return this.#db
      .prepare(
        `UPDATE service_accounts SET deleted_at = ?, updated_at = ?, updated_by = ?, revision = revision + 1
         WHERE id = ? AND deleted_at IS NULL`,
      )
      .bind(account.deletedAt, account.updatedAt, account.updatedBy, account.id);
  }
}
