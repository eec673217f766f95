import { MAX_ROWS_EXAMINED } from '../core/constants.ts';
import { isKeyId, type Handle } from '../core/handle.ts';
import type { KeyId, OrganizationId, ServiceAccountId } from '../core/id.ts';
import { pageOf, type Page, type PageRequest } from '../core/page.ts';
import type { ApiKey, KeyRecord, KeyStatus, LastUse } from '../core/records.ts';
import type { Digest, Environment } from '../core/secret.ts';
import { reaching } from './faults.ts';
import type { RevokedToken } from './mutation.ts';
import {
  type ApiKeyRow,
  type KeyRecordRow,
  pageRows,
  toApiKey,
  toKeyRecord,
  toLastUse,
  vendorJson,
} from './rows.ts';

/** A key as it is shown: with its latest use, and revoked where its account was deleted. */
const SHOWN = `SELECT k.id, k.organization_id, k.service_account_id, k.user_id, k.name, k.description, k.environment,
    k.start, k.fingerprint, k.scopes, k.metadata, k.enabled, k.created_at, k.created_by, k.updated_at, k.updated_by,
    k.expires_at, coalesce(k.revoked_at, a.deleted_at) AS revoked_at,
    CASE WHEN k.revoked_at IS NULL AND a.deleted_at IS NOT NULL THEN a.updated_by ELSE k.revoked_by END AS revoked_by,
    k.revocation_reason, k.rotated_from, k.rotated_to, k.supersedes, k.deleted_at, k.revision, k.vendor,
    u.last_used_at, u.last_used_ip, u.last_used_user_agent`;
const JOINED = `LEFT JOIN service_accounts a ON a.id = k.service_account_id LEFT JOIN key_usage u ON u.key_id = k.id`;
const KEYS = `${SHOWN} FROM api_keys k ${JOINED}`;

/** A key, its account and its organization by their primary keys, and how far along the changes this is. */
const RECORDS = `SELECT k.id, k.digest, k.user_id, k.name, k.environment, k.scopes, k.metadata, k.enabled, k.created_at, k.expires_at,
    coalesce(k.revoked_at, a.deleted_at) AS revoked_at, k.supersedes, k.revision,
    (SELECT json_group_array(t.id) FROM revoked_tokens t WHERE t.key_id = k.id) AS revoked_tokens,
    a.id AS account_id, a.permissions AS account_permissions, a.role AS account_role,
    a.disabled_at AS account_disabled_at, a.revision AS account_revision,
    o.id AS organization_id, o.slug AS organization_slug, o.key_prefix AS organization_key_prefix,
    o.personal_key_permissions AS organization_personal_key_permissions,
    o.max_live_keys AS organization_max_live_keys, o.max_key_lifetime AS organization_max_key_lifetime, o.revision AS organization_revision,
    (SELECT name FROM generation) AS generation, (SELECT coalesce(max(seq), 0) FROM changes) AS as_of
  FROM api_keys k
  JOIN organizations o ON o.id = k.organization_id AND o.deleted_at IS NULL
  LEFT JOIN service_accounts a ON a.id = k.service_account_id`;

/** What a status means in SQL; the same as `keyStatus`. ?6 is the time now. */
const STATUS_FILTERS: Record<KeyStatus, string> = {
  revoked: 'coalesce(k.revoked_at, a.deleted_at) IS NOT NULL',
  disabled: 'coalesce(k.revoked_at, a.deleted_at) IS NULL AND k.enabled = 0',
  expired: 'coalesce(k.revoked_at, a.deleted_at) IS NULL AND k.enabled = 1 AND k.expires_at <= ?6',
  active:
    'coalesce(k.revoked_at, a.deleted_at) IS NULL AND k.enabled = 1 AND (k.expires_at IS NULL OR k.expires_at > ?6)',
};

/** Upper case, where alone every script has one form for a letter, wherever in a word it stands. */
const folded = (text: string): string => text.toUpperCase();

/** ?9 is the folded term, ?10 the one that was given. */
const SEARCH_FILTER =
  '(substr(k.folded_name, 1, length(?9)) = ?9 OR substr(k.start, 1, length(?10)) = ?10 OR k.id = ?10)';

export interface ShownKey {
  readonly key: ApiKey;
  readonly lastUse: LastUse | null;
}

export interface KeyFilter {
  readonly serviceAccountId?: ServiceAccountId | undefined;
  readonly userId?: string | undefined;
  readonly environment?: Environment | undefined;
  readonly status?: KeyStatus | undefined;
  /** The start of a name in any case, the start of `start`, or a whole id. */
  readonly search?: string | undefined;
}

/** Sorts after every id: base62 ends with `z`. */
const AFTER_EVERY_ID = 'key_~';

const idOf = ({ key }: ShownKey): KeyId => key.id;

const shown = (row: ApiKeyRow): ShownKey => ({ key: toApiKey(row), lastUse: toLastUse(row) });

export class KeyStore {
  readonly #db: D1Database;

  constructor(db: D1Database) {
    this.#db = db;
  }

  /** The organization's key of this id, unless it was deleted. */
  async find(organizationId: OrganizationId, id: KeyId): Promise<ShownKey | null> {
    const row = await reaching(() =>
      this.#db
        .prepare(`${KEYS} WHERE k.id = ? AND k.organization_id = ? AND k.deleted_at IS NULL`)
        .bind(id, organizationId)
        .first<ApiKeyRow>(),
    );
    return row === null ? null : shown(row);
  }

  /** A key and all that it was rotated from and to, but for deleted ones. */
  async lineage(organizationId: OrganizationId, id: KeyId): Promise<ShownKey[]> {
    const { results } = await reaching(() =>
      this.#db
        .prepare(
          `WITH RECURSIVE lineage (id) AS (
             SELECT ?1 UNION
             SELECT relative.id FROM lineage JOIN api_keys k ON k.id = lineage.id
             JOIN api_keys relative ON relative.id IN (k.rotated_from, k.rotated_to))
           ${KEYS} WHERE k.id IN (SELECT id FROM lineage) AND k.organization_id = ?2 AND k.deleted_at IS NULL`,
        )
        .bind(id, organizationId)
        .all<ApiKeyRow>(),
    );
    return results.map(shown);
  }

  /** The record behind a handle, deleted keys' included, from D1's primary. `readAt` is the time now. */
  async record(handle: Handle, readAt: number): Promise<KeyRecord | null> {
    const row = await reaching(() => this.readRecords([handle]).first<KeyRecordRow>());
    return row === null ? null : toKeyRecord(row, readAt);
  }

  /** Reads a {@link KeyRecordRow} for each of the handles that is a key's, for use within a batch. */
  readRecords(handles: readonly Handle[]): D1PreparedStatement {
    const ids = handles.filter(isKeyId);
    const digests = handles.filter((handle) => !isKeyId(handle));
    // One list of each: a statement takes a hundred parameters.
    const lists = [
      { column: 'k.digest', values: digests },
      { column: 'k.id', values: ids },
    ].filter(({ values }) => values.length > 0);
    const conditions = lists.map(({ column }) => `${column} IN (SELECT value FROM json_each(?))`);
    return this.#db
      .prepare(`${RECORDS} WHERE ${conditions.join(' OR ')}`)
      .bind(...lists.map(({ values }) => JSON.stringify(values)));
  }

  /** Reads a {@link KeyRecordRow}, for use within a batch. */
  readRecord(id: KeyId): D1PreparedStatement {
    return this.#db.prepare(`${RECORDS} WHERE k.id = ?`).bind(id);
  }

  /**
   * The organization's keys that pass a filter, newest first. Account and person have an index; environment and status
   * look at no more than a bounded number of keys, so a page may be short and still not be the last.
   */
  async list(
    organizationId: OrganizationId,
    filter: KeyFilter,
    { before, limit, offset = 0 }: PageRequest<KeyId>,
    now: number,
  ): Promise<Page<ShownKey, KeyId>> {
    const owned = [
      'k.organization_id = ?1',
      ...(filter.serviceAccountId === undefined ? [] : ['k.service_account_id = ?2']),
      ...(filter.userId === undefined ? [] : ['k.user_id = ?3']),
      'k.id < ?4',
      'k.deleted_at IS NULL',
    ].join(' AND ');
    const matching = [
      ...(filter.environment === undefined ? [] : ['k.environment = ?5']),
      ...(filter.status === undefined ? [] : [STATUS_FILTERS[filter.status]]),
      ...(filter.search === undefined ? [] : [SEARCH_FILTER]),
    ];
    const owner = [
      organizationId,
      filter.serviceAccountId ?? null,
      filter.userId ?? null,
      before ?? AFTER_EVERY_ID,
    ];
    // Left to itself, SQLite may walk the whole organization where a filter leaves it the choice.
    const index =
      filter.serviceAccountId === undefined
        ? filter.userId === undefined
          ? 'api_keys_list'
          : 'api_keys_of_user'
        : 'api_keys_of_account';
    const from = `FROM api_keys k INDEXED BY ${index}`;
    const page = (conditions: string): D1PreparedStatement =>
      this.#db
        .prepare(
          `${SHOWN} ${from} ${JOINED} WHERE ${owned}${conditions} ORDER BY k.id DESC LIMIT ?7 OFFSET ?8`,
        )
        .bind(
          ...owner,
          filter.environment ?? null,
          now,
          limit + 1,
          offset,
          ...(filter.search === undefined ? [] : [folded(filter.search), filter.search]),
        );

    if (matching.length === 0) {
      const { results } = await reaching(() => page('').all<ApiKeyRow>());
      return pageOf(results.map(shown), limit, idOf);
    }
    const horizon = `SELECT k.id ${from} WHERE ${owned} ORDER BY k.id DESC LIMIT 1 OFFSET ${MAX_ROWS_EXAMINED - 1}`;
    const { rows, lastExamined } = pageRows<ApiKeyRow>(
      await reaching(() =>
        this.#db.batch([
          page(` AND k.id >= coalesce((${horizon}), '') AND ${matching.join(' AND ')}`),
          this.#db.prepare(horizon).bind(...owner),
        ]),
      ),
    );
    return pageOf(rows.map(shown), limit, idOf, lastExamined);
  }

  insert(key: ApiKey, digest: Digest): D1PreparedStatement {
    return this.#db
      .prepare(
        `INSERT INTO api_keys (id, organization_id, service_account_id, user_id, name, folded_name, description,
           environment, digest, start, fingerprint, scopes, metadata, enabled, created_at, created_by, updated_at,
           updated_by, expires_at, rotated_from, supersedes, revision, vendor)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .bind(
        key.id,
        key.organizationId,
        key.serviceAccountId,
        key.userId,
        key.name,
        folded(key.name),
        key.description,
        key.environment,
        digest,
        key.start,
        key.fingerprint,
        key.scopes === null ? null : JSON.stringify(key.scopes),
        JSON.stringify(key.metadata),
        key.enabled ? 1 : 0,
        key.createdAt,
        key.createdBy,
        key.updatedAt,
        key.updatedBy,
        key.expiresAt,
        key.rotatedFrom,
        key.supersedes,
        key.revision,
        vendorJson(key),
      );
  }

  /** Writes all that can change of a key but its end, and its next revision. */
  update(key: ApiKey): D1PreparedStatement {
    return this.#db
      .prepare(
        `UPDATE api_keys SET name = ?2, folded_name = ?3, description = ?4, scopes = ?5, metadata = ?6, enabled = ?7,
           updated_at = ?8, updated_by = ?9, expires_at = ?10, rotated_to = ?11, supersedes = ?12,
           revision = revision + 1
         WHERE id = ?1 AND revision = ?13`,
      )
      .bind(
        key.id,
        key.name,
        folded(key.name),
        key.description,
        key.scopes === null ? null : JSON.stringify(key.scopes),
        JSON.stringify(key.metadata),
        key.enabled ? 1 : 0,
        key.updatedAt,
        key.updatedBy,
        key.expiresAt,
        key.rotatedTo,
        key.supersedes,
        key.revision,
      );
  }

  /** Writes alone that what the key superseded is settled, whatever else has changed. */
  settle(key: ApiKey): D1PreparedStatement {
    return this.#db
      .prepare(
        `UPDATE api_keys SET supersedes = NULL, updated_at = ?, updated_by = ?, revision = revision + 1
         WHERE id = ? AND supersedes IS NOT NULL`,
      )
      .bind(key.updatedAt, key.updatedBy, key.id);
  }

  /** Writes the revocation alone, whatever else has changed, unless it is revoked. */
  revoke(key: ApiKey): D1PreparedStatement {
    return this.#db
      .prepare(
        `UPDATE api_keys SET revoked_at = ?, revoked_by = ?, revocation_reason = ?, updated_at = ?, updated_by = ?,
           revision = revision + 1
         WHERE id = ? AND revoked_at IS NULL`,
      )
      .bind(key.revokedAt, key.revokedBy, key.revocationReason, key.updatedAt, key.updatedBy, key.id);
  }

  revokeToken({ id, revokedToken, tokenExpiresAt }: RevokedToken): D1PreparedStatement {
    return this.#db
      .prepare('INSERT INTO revoked_tokens (id, key_id, expires_at) VALUES (?, ?, ?)')
      .bind(revokedToken, id, tokenExpiresAt);
  }

  /** Forgets tokens that would have ended by themselves before this time, in epoch milliseconds. */
  async forgetTokens(before: number): Promise<void> {
    await reaching(() =>
      this.#db.prepare('DELETE FROM revoked_tokens WHERE expires_at < ?').bind(before).run(),
    );
  }

  /** Writes the deletion alone, and the revocation where it is what ends the key, whatever else has changed. */
  remove(key: ApiKey, ends: boolean): D1PreparedStatement {
    return this.#db
      .prepare(
        `UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?), revoked_by = coalesce(revoked_by, ?),
           deleted_at = ?, updated_at = ?, updated_by = ?, revision = revision + 1
         WHERE id = ? AND deleted_at IS NULL`,
      )
      .bind(
        ends ? key.revokedAt : null,
        ends ? key.revokedBy : null,
        key.deletedAt,
        key.updatedAt,
        key.updatedBy,
        key.id,
      );
  }
}
