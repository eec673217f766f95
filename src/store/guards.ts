import { MAX_REVOKED_TOKENS } from '../core/constants.ts';
import type { KeyRecord } from '../core/records.ts';
import type { Mutation, Write } from './mutation.ts';

/** A restored database counts revisions anew: what was read in another life of it says nothing of this one. */
const IN_GENERATION = (name: string): string => `EXISTS (SELECT 1 FROM generation WHERE name = ${name})`;

/**
 * The key that was presented, or the token of it, may still do what it was judged to: it lives, with its account and its organization, and
 * with the same scopes. Other changes to them do not matter. Expiry is judged by the later of the edge's clock and D1's,
 * since a batch may have waited on its way.
 */
const CREDENTIAL_LIVE = `api_keys k JOIN organizations o ON o.id = k.organization_id
  LEFT JOIN service_accounts a ON a.id = k.service_account_id
  WHERE k.id = ?1 AND k.revoked_at IS NULL AND k.enabled = 1 AND k.scopes IS ?2
    AND (k.expires_at IS NULL OR k.expires_at > max(?3, unixepoch('subsec') * 1000))
    AND a.deleted_at IS NULL AND a.disabled_at IS NULL AND a.permissions IS ?4 AND a.role IS ?5 AND o.revision = ?6
    AND (?7 IS NULL OR (?8 > max(?3, unixepoch('subsec') * 1000) AND NOT EXISTS (SELECT 1 FROM revoked_tokens WHERE id = ?7)))
    AND ${IN_GENERATION('?9')}`;

const LIVE_KEYS = (ends: string): string => `SELECT service_account_id, rotated_to FROM api_keys
  WHERE organization_id = ?1 AND revoked_at IS NULL AND deleted_at IS NULL AND expires_at ${ends}`;

/** A key with a live successor does not count: a rotation's overlap needs no room. */
const QUOTA_LEFT = `INSERT INTO assertions (quota_left) SELECT 0 WHERE ?2 <= (
  SELECT count(*) FROM (
    SELECT 1 FROM (${LIVE_KEYS('IS NULL')} UNION ALL ${LIVE_KEYS('> ?3')}) k
    LEFT JOIN service_accounts a ON a.id = k.service_account_id
    LEFT JOIN api_keys s ON s.id = k.rotated_to AND s.revoked_at IS NULL AND s.deleted_at IS NULL
      AND (s.expires_at IS NULL OR s.expires_at > ?3)
    WHERE a.deleted_at IS NULL AND s.id IS NULL
    LIMIT ?2))`;

const UNCHANGED_ORGANIZATION = 'organizations WHERE id = ?1 AND revision = ?2';
const ORGANIZATION_LIVE = `${UNCHANGED_ORGANIZATION} AND ${IN_GENERATION('?3')}`;
const UNCHANGED_ACCOUNT = 'service_accounts WHERE id = ?1 AND revision = ?2';

/** A deleted account has revoked its keys without a write to them. */
const KEY_OF_LIVING_ACCOUNT = `api_keys k LEFT JOIN service_accounts a ON a.id = k.service_account_id
  WHERE k.id = ?1 AND a.deleted_at IS NULL`;

const NAMESAKES = (ends: string): string => `SELECT 1 FROM api_keys
  WHERE service_account_id = ?1 AND name = ?2 AND revoked_at IS NULL AND deleted_at IS NULL AND expires_at ${ends}`;

/** What must be found for a batch to go on, and what it is looked for with. */
interface Guard {
  readonly condition: string;
  readonly values: readonly (string | number | null)[];
}

/**
 * What must be so of a row for it to be written: that it is as it was judged or, where something only ends, that it has
 * not ended. So nobody can hold off a revocation by changing what is to be revoked.
 */
function guardOf(write: Write): Guard | null {
  const { id } = write.row;
  switch (write.kind) {
    case 'insert_organization':
    case 'insert_account':
    case 'insert_key':
      return null;
    case 'update_organization':
      return { condition: UNCHANGED_ORGANIZATION, values: [id, write.row.revision] };
    case 'update_account':
      return { condition: UNCHANGED_ACCOUNT, values: [id, write.row.revision] };
    case 'disable_account':
      return {
        condition: 'service_accounts WHERE id = ?1 AND disabled_at IS NULL AND deleted_at IS NULL',
        values: [id],
      };
    case 'delete_account':
      return { condition: 'service_accounts WHERE id = ?1 AND deleted_at IS NULL', values: [id] };
    case 'update_key':
      return { condition: `${KEY_OF_LIVING_ACCOUNT} AND k.revision = ?2`, values: [id, write.row.revision] };
    case 'settle_key':
      return { condition: 'api_keys WHERE id = ?1 AND supersedes IS NOT NULL', values: [id] };
    case 'revoke_key':
      return write.isLast
        ? {
            condition: `${KEY_OF_LIVING_ACCOUNT} AND k.revoked_at IS NULL AND k.rotated_to IS ?2`,
            values: [id, write.row.rotatedTo],
          }
        : { condition: `${KEY_OF_LIVING_ACCOUNT} AND k.revoked_at IS NULL`, values: [id] };
    case 'revoke_token':
      return {
        condition: `api_keys WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM revoked_tokens WHERE id = ?2)
          AND (SELECT count(*) FROM revoked_tokens WHERE key_id = ?1) < ?3`,
        values: [id, write.row.revokedToken, MAX_REVOKED_TOKENS],
      };
    case 'delete_key':
      // A deletion that ends a key says so in its event, which must stay true when a revocation comes between.
      return write.ends
        ? {
            condition: `${KEY_OF_LIVING_ACCOUNT} AND k.revoked_at IS NULL AND k.deleted_at IS NULL`,
            values: [id],
          }
        : { condition: 'api_keys WHERE id = ?1 AND deleted_at IS NULL', values: [id] };
  }
}

/** Statements that break a constraint, and with it their batch, unless all that a change relies on is still true. */
export function assertionsOf(
  db: D1Database,
  { steps, credential, token, organization, generation, account, maxLiveKeys }: Mutation,
  now: number,
): D1PreparedStatement[] {
  return [
    credential === null
      ? found(db, 'caller_live', ORGANIZATION_LIVE, organization.id, organization.revision, generation)
      : credentialLive(db, credential, token, generation, now),
    ...(account === null
      ? []
      : [found(db, 'target_unchanged', UNCHANGED_ACCOUNT, account.id, account.revision)]),
    ...steps.flatMap(({ write }) => {
      const guard = guardOf(write);
      return guard === null ? [] : [found(db, 'target_unchanged', guard.condition, ...guard.values)];
    }),
    ...steps.flatMap(({ write }) =>
      write.kind === 'insert_key' && write.isNamedAlone
        ? [
            db
              .prepare(
                `INSERT INTO assertions (key_name_free) SELECT 0 WHERE EXISTS (${NAMESAKES('IS NULL')}) OR EXISTS (${NAMESAKES('> ?3')})`,
              )
              .bind(write.row.serviceAccountId, write.row.name, now),
          ]
        : [],
    ),
    ...(maxLiveKeys === null ? [] : [db.prepare(QUOTA_LEFT).bind(organization.id, maxLiveKeys, now)]),
  ];
}

function credentialLive(
  db: D1Database,
  { key, account, organization }: KeyRecord,
  token: Mutation['token'],
  generation: string,
  now: number,
): D1PreparedStatement {
  return found(
    db,
    'caller_live',
    CREDENTIAL_LIVE,
    key.id,
    key.scopes === null ? null : JSON.stringify(key.scopes),
    now,
    account === null ? null : JSON.stringify(account.permissions),
    account?.role ?? null,
    organization.revision,
    token?.id ?? null,
    token?.expiresAt ?? null,
    generation,
  );
}

function found(
  db: D1Database,
  constraint: 'caller_live' | 'target_unchanged',
  condition: string,
  ...values: Guard['values']
): D1PreparedStatement {
  return db
    .prepare(`INSERT INTO assertions (${constraint}) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM ${condition})`)
    .bind(...values);
}
