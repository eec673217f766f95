import type { AuditEvent } from '../core/audit.ts';
import { Unavailable } from '../core/faults.ts';
import type { KeyId } from '../core/id.ts';
import type { ChangedKey } from '../core/news.ts';
import type { ApiKey, KeyRecord, Organization, OrganizationRules, ServiceAccount } from '../core/records.ts';
import type { Digest } from '../core/secret.ts';
import type { AccountStore } from './accounts.ts';
import { databaseFault, reaching } from './faults.ts';
import type { KeyStore } from './keys.ts';
import type { OrganizationStore } from './organizations.ts';
import { readBackRows, toKeyRecord } from './rows.ts';

export type Write =
  | { readonly kind: 'insert_organization'; readonly row: Organization }
  | { readonly kind: 'update_organization'; readonly row: Organization }
  | { readonly kind: 'insert_account'; readonly row: ServiceAccount }
  | { readonly kind: 'update_account'; readonly row: ServiceAccount }
  | { readonly kind: 'disable_account'; readonly row: ServiceAccount }
  | { readonly kind: 'delete_account'; readonly row: ServiceAccount }
  | { readonly kind: 'insert_key'; readonly row: ApiKey; readonly digest: Digest }
  | { readonly kind: 'update_key'; readonly row: ApiKey }
  /** Forgets what the key supersedes: that is settled. */
  | { readonly kind: 'settle_key'; readonly row: ApiKey }
  /** `isLast`: nothing may have been rotated from it since it was read, for nobody would look again. */
  | { readonly kind: 'revoke_key'; readonly row: ApiKey; readonly isLast?: boolean }
  /** `ends`: the key was not revoked before. */
  | { readonly kind: 'delete_key'; readonly row: ApiKey; readonly ends: boolean };

/** One row's change, with its audit event. */
interface Step {
  readonly write: Write;
  readonly event: AuditEvent;
}

/** One change of state, and all that must still be true when it takes effect. */
export interface Mutation {
  /** Rows that change together or not at all. */
  readonly steps: readonly Step[];
  /** The key that the caller presented; null for root and for Mintmark itself, which no row can end. */
  readonly credential: KeyRecord | null;
  /** The organization that the caller acts in. */
  readonly organization: Pick<OrganizationRules, 'id' | 'revision'>;
  /** The account whose state the judgement relied on, if it is not the one that is written. */
  readonly account: Pick<ServiceAccount, 'id' | 'revision'> | null;
  /** How many keys the organization may have live, this one included; null: any number. */
  readonly maxLiveKeys: number | null;
}

export type Outcome =
  | {
      readonly kind: 'committed';
      readonly generation: string;
      readonly seq: number;
      readonly keys: readonly ChangedKey[];
    }
  /** The caller may no longer do what it was judged to: judge the caller again. */
  | { readonly kind: 'caller_changed' }
  /** What is written, or what the judgement relied on, changed meanwhile: judge again. */
  | { readonly kind: 'target_changed' }
  | { readonly kind: 'quota_exceeded' }
  | { readonly kind: 'name_taken' }
  | { readonly kind: 'slug_taken' }
  /** D1 did not say, twice, whether it took the change. */
  | { readonly kind: 'unknown' };

/**
 * The key that was presented may still do what it was judged to: it lives, with its account and its organization, and
 * with the same scopes. Other changes to them do not matter. Expiry is judged by the later of the edge's clock and D1's,
 * since a batch may have waited on its way.
 */
const CREDENTIAL_LIVE = `api_keys k JOIN organizations o ON o.id = k.organization_id
  LEFT JOIN service_accounts a ON a.id = k.service_account_id
  WHERE k.id = ?1 AND k.revoked_at IS NULL AND k.enabled = 1 AND k.scopes IS ?2
    AND (k.expires_at IS NULL OR k.expires_at > max(?3, unixepoch('subsec') * 1000))
    AND a.deleted_at IS NULL AND a.disabled_at IS NULL AND a.permissions IS ?4 AND a.role IS ?5 AND o.revision = ?6`;

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
const UNCHANGED_ACCOUNT = 'service_accounts WHERE id = ?1 AND revision = ?2';

/** A deleted account has revoked its keys without a write to them. */
const KEY_OF_LIVING_ACCOUNT = `api_keys k LEFT JOIN service_accounts a ON a.id = k.service_account_id
  WHERE k.id = ?1 AND a.deleted_at IS NULL`;

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
  const { id, revision } = write.row;
  switch (write.kind) {
    case 'insert_organization':
    case 'insert_account':
    case 'insert_key':
      return null;
    case 'update_organization':
      return { condition: UNCHANGED_ORGANIZATION, values: [id, revision] };
    case 'update_account':
      return { condition: UNCHANGED_ACCOUNT, values: [id, revision] };
    case 'disable_account':
      return {
        condition: 'service_accounts WHERE id = ?1 AND disabled_at IS NULL AND deleted_at IS NULL',
        values: [id],
      };
    case 'delete_account':
      return { condition: 'service_accounts WHERE id = ?1 AND deleted_at IS NULL', values: [id] };
    case 'update_key':
      return { condition: `${KEY_OF_LIVING_ACCOUNT} AND k.revision = ?2`, values: [id, revision] };
    case 'settle_key':
      return { condition: 'api_keys WHERE id = ?1 AND supersedes IS NOT NULL', values: [id] };
    case 'revoke_key':
      return write.isLast
        ? {
            condition: `${KEY_OF_LIVING_ACCOUNT} AND k.revoked_at IS NULL AND k.rotated_to IS ?2`,
            values: [id, write.row.rotatedTo],
          }
        : { condition: `${KEY_OF_LIVING_ACCOUNT} AND k.revoked_at IS NULL`, values: [id] };
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

/** What SQLite calls the constraints that a batch may break, and what each means. */
const BROKEN_CONSTRAINTS = {
  'audit_events.id': 'repeated',
  'CHECK constraint failed: caller_live': 'caller_changed',
  'CHECK constraint failed: target_unchanged': 'target_changed',
  'CHECK constraint failed: quota_left': 'quota_exceeded',
  'service_accounts.organization_id, service_accounts.name': 'name_taken',
  'organizations.slug': 'slug_taken',
} as const;

/**
 * Every mutation is one batch, hence one transaction: its audit events, what must still be true, its rows, its changes.
 * The events come first, so that a batch repeated after an unclear outcome is told by an event's id.
 */
export class CommitStore {
  readonly #db: D1Database;
  readonly #organizations: OrganizationStore;
  readonly #accounts: AccountStore;
  readonly #keys: KeyStore;

  constructor(db: D1Database, organizations: OrganizationStore, accounts: AccountStore, keys: KeyStore) {
    this.#db = db;
    this.#organizations = organizations;
    this.#accounts = accounts;
    this.#keys = keys;
  }

  /** All or nothing. `now` is the time before the batch starts, in epoch milliseconds. */
  async commit(mutation: Mutation, now: number): Promise<Outcome> {
    const first = await this.#attempt(mutation, now);
    return first.kind === 'unknown' ? this.#attempt(mutation, now) : first;
  }

  /** Writes the audit event of what was not done, and changes nothing else. */
  async record(event: AuditEvent): Promise<void> {
    await reaching(() => this.#audit(event).run());
  }

  async #attempt(mutation: Mutation, now: number): Promise<Outcome> {
    let results: readonly D1Result[];
    try {
      results = await this.#db.batch(this.#statements(mutation, now));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const broken = Object.entries(BROKEN_CONSTRAINTS).find(([constraint]) =>
        message.includes(constraint),
      )?.[1];
      if (broken === 'repeated') return this.#recall(mutation, now);
      if (broken !== undefined) return { kind: broken };
      const fault = databaseFault(error);
      if (fault instanceof Unavailable) return { kind: 'unknown' };
      throw fault;
    }
    return committed(mutation, results, now);
  }

  /** What a batch that was taken would have answered, had its answer not been lost. */
  async #recall(mutation: Mutation, now: number): Promise<Outcome> {
    try {
      return committed(mutation, await reaching(() => this.#db.batch(this.#readBack(mutation))), now);
    } catch (error) {
      if (error instanceof Unavailable) return { kind: 'unknown' };
      throw error;
    }
  }

  #statements(mutation: Mutation, now: number): D1PreparedStatement[] {
    const { steps } = mutation;
    return [
      ...steps.map(({ event }) => this.#audit(event)),
      ...this.#assertions(mutation, now),
      ...steps.map(({ write }) => this.#row(write)),
      ...steps
        .filter(({ write }) => write.kind !== 'insert_key')
        .map(({ event }) =>
          this.#db.prepare('INSERT INTO changes (subject, at) VALUES (?, ?)').bind(event.target.id, event.at),
        ),
      ...this.#readBack(mutation),
    ];
  }

  #audit(event: AuditEvent): D1PreparedStatement {
    const { actor, target } = event;
    return this.#db
      .prepare(
        `INSERT INTO audit_events (id, organization_id, at, action, actor_type, actor_id, credential_id, target_type,
           target_id, request_id, ip, user_agent, changes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .bind(
        event.id,
        event.organizationId,
        event.at,
        event.action,
        actor.type,
        actor.id,
        actor.credentialId,
        target.type,
        target.id,
        event.requestId,
        event.ip,
        event.userAgent,
        JSON.stringify(event.changes),
      );
  }

  #assertions(
    { steps, credential, organization, account, maxLiveKeys }: Mutation,
    now: number,
  ): D1PreparedStatement[] {
    return [
      credential === null
        ? this.#asserted('caller_live', UNCHANGED_ORGANIZATION, organization.id, organization.revision)
        : this.#credentialLive(credential, now),
      ...(account === null
        ? []
        : [this.#asserted('target_unchanged', UNCHANGED_ACCOUNT, account.id, account.revision)]),
      ...steps.flatMap(({ write }) => {
        const guard = guardOf(write);
        return guard === null ? [] : [this.#asserted('target_unchanged', guard.condition, ...guard.values)];
      }),
      ...(maxLiveKeys === null ? [] : [this.#db.prepare(QUOTA_LEFT).bind(organization.id, maxLiveKeys, now)]),
    ];
  }

  #credentialLive({ key, account, organization }: KeyRecord, now: number): D1PreparedStatement {
    return this.#asserted(
      'caller_live',
      CREDENTIAL_LIVE,
      key.id,
      key.scopes === null ? null : JSON.stringify(key.scopes),
      now,
      account === null ? null : JSON.stringify(account.permissions),
      account?.role ?? null,
      organization.revision,
    );
  }

  #asserted(
    constraint: 'caller_live' | 'target_unchanged',
    condition: string,
    ...values: (string | number | null)[]
  ): D1PreparedStatement {
    return this.#db
      .prepare(
        `INSERT INTO assertions (${constraint}) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM ${condition})`,
      )
      .bind(...values);
  }

  #row(write: Write): D1PreparedStatement {
    switch (write.kind) {
      case 'insert_organization':
        return this.#organizations.insert(write.row);
      case 'update_organization':
        return this.#organizations.update(write.row);
      case 'insert_account':
        return this.#accounts.insert(write.row);
      case 'update_account':
        return this.#accounts.update(write.row);
      case 'disable_account':
        return this.#accounts.disable(write.row);
      case 'delete_account':
        return this.#accounts.remove(write.row);
      case 'insert_key':
        return this.#keys.insert(write.row, write.digest);
      case 'update_key':
        return this.#keys.update(write.row);
      case 'settle_key':
        return this.#keys.settle(write.row);
      case 'revoke_key':
        return this.#keys.revoke(write.row);
      case 'delete_key':
        return this.#keys.remove(write.row, write.ends);
    }
  }

  #readBack(mutation: Mutation): D1PreparedStatement[] {
    return [
      this.#db.prepare(
        `SELECT (SELECT name FROM generation) AS generation, (SELECT coalesce(max(seq), 0) FROM changes) AS as_of`,
      ),
      ...keysOf(mutation).map((id) => this.#keys.readRecord(id)),
    ];
  }
}

function keysOf({ steps }: Mutation): KeyId[] {
  return steps.flatMap(({ event: { target } }) => (target.type === 'api_key' ? [target.id] : []));
}

function committed(mutation: Mutation, results: readonly D1Result[], now: number): Outcome {
  const { generation, seq, records } = readBackRows(results, keysOf(mutation).length);
  return {
    kind: 'committed',
    generation,
    seq,
    keys: records.map((row) => ({ digest: row.digest, record: toKeyRecord(row, now) })),
  };
}
