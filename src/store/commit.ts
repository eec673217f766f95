import type { AuditEvent } from '../core/audit.ts';
import { Unavailable } from '../core/faults.ts';
import type { ApiKey, KeyRecord, Organization, ServiceAccount } from '../core/records.ts';
import type { Digest } from '../core/secret.ts';
import type { AccountStore } from './accounts.ts';
import { databaseFault, reaching } from './faults.ts';
import type { KeyStore } from './keys.ts';
import { lastRow, toKeyRecord } from './rows.ts';

export type Write =
  | { readonly kind: 'insert_account'; readonly account: ServiceAccount }
  | { readonly kind: 'update_account'; readonly account: ServiceAccount }
  | { readonly kind: 'insert_key'; readonly key: ApiKey; readonly digest: Digest }
  | { readonly kind: 'update_key'; readonly key: ApiKey };

/** One change of state, and all that must still be true when it takes effect. */
export interface Mutation {
  readonly write: Write;
  readonly event: AuditEvent;
  /** The key that the caller presented; null for root, which no row can end. */
  readonly credential: KeyRecord | null;
  readonly organization: Organization;
  /** The account whose state the judgement relied on, if it is not the one that is written. */
  readonly account: Pick<ServiceAccount, 'id' | 'revision'> | null;
}

/** A key as the change left it, for the cache. */
export interface ChangedKey {
  readonly digest: Digest;
  readonly record: KeyRecord;
}

export type Outcome =
  | { readonly kind: 'committed'; readonly seq: number; readonly key: ChangedKey | null }
  /** The caller's key, account or organization changed meanwhile: judge the caller again. */
  | { readonly kind: 'caller_changed' }
  /** What is written, or what the judgement relied on, changed meanwhile: judge again. */
  | { readonly kind: 'target_changed' }
  | { readonly kind: 'name_taken' }
  /** D1 did not say, twice, whether it took the change. */
  | { readonly kind: 'unknown' };

type Table = 'organizations' | 'service_accounts' | 'api_keys';

/** Expiry is judged by the later of the edge's clock and D1's: a batch may have waited on its way. */
const CALLER_LIVE = `INSERT INTO assertions (caller_live) SELECT 0 WHERE NOT EXISTS (
  SELECT 1 FROM api_keys k JOIN organizations o ON o.id = k.organization_id
  LEFT JOIN service_accounts a ON a.id = k.service_account_id
  WHERE k.id = ?1 AND k.revision = ?2 AND (k.expires_at IS NULL OR k.expires_at > max(?3, unixepoch('subsec') * 1000))
    AND a.revision IS ?4 AND o.revision = ?5)`;

/** What SQLite calls the constraints that a batch may break, and what each means. */
const BROKEN_CONSTRAINTS = {
  'audit_events.id': 'repeated',
  'CHECK constraint failed: caller_live': 'caller_changed',
  'CHECK constraint failed: target_unchanged': 'target_changed',
  'service_accounts.organization_id, service_accounts.name': 'name_taken',
} as const;

/**
 * Every mutation is one batch, hence one transaction: its audit event, what must still be true, the row, its change.
 * The event comes first, so that a batch repeated after an unclear outcome is told by its event's id.
 */
export class CommitStore {
  readonly #db: D1Database;
  readonly #accounts: AccountStore;
  readonly #keys: KeyStore;

  constructor(db: D1Database, accounts: AccountStore, keys: KeyStore) {
    this.#db = db;
    this.#accounts = accounts;
    this.#keys = keys;
  }

  /** All or nothing. `now` is the time before the batch starts, in epoch milliseconds. */
  async commit(mutation: Mutation, now: number): Promise<Outcome> {
    const first = await this.#attempt(mutation, now);
    if (first.kind !== 'unknown') return first;
    return this.#attempt(mutation, now);
  }

  async #attempt(mutation: Mutation, now: number): Promise<Outcome> {
    try {
      return committed(await this.#db.batch(this.#statements(mutation, now)), now);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const broken = Object.entries(BROKEN_CONSTRAINTS).find(([constraint]) =>
        message.includes(constraint),
      )?.[1];
      if (broken === 'repeated')
        return committed(await reaching(() => this.#db.batch([this.#readBack(mutation)])), now);
      if (broken !== undefined) return { kind: broken };
      const fault = databaseFault(error);
      if (fault instanceof Unavailable) return { kind: 'unknown' };
      throw fault;
    }
  }

  #statements(mutation: Mutation, now: number): D1PreparedStatement[] {
    const { write, event } = mutation;
    return [
      this.#audit(event),
      ...this.#assertions(mutation, now),
      this.#row(write),
      ...(write.kind === 'insert_key'
        ? []
        : [
            this.#db
              .prepare('INSERT INTO changes (subject, at) VALUES (?, ?)')
              .bind(event.target.id, event.at),
          ]),
      this.#readBack(mutation),
    ];
  }

  #audit({
    id,
    organizationId,
    at,
    action,
    actor,
    target,
    requestId,
    ip,
    userAgent,
    changes,
  }: AuditEvent): D1PreparedStatement {
    return this.#db
      .prepare(
        `INSERT INTO audit_events (id, organization_id, at, action, actor_type, actor_id, credential_id, target_type,
           target_id, request_id, ip, user_agent, changes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .bind(
        id,
        organizationId,
        at,
        action,
        actor.type,
        actor.id,
        actor.credentialId,
        target.type,
        target.id,
        requestId,
        ip,
        userAgent,
        JSON.stringify(changes),
      );
  }

  #assertions({ write, credential, organization, account }: Mutation, now: number): D1PreparedStatement[] {
    const assertions: D1PreparedStatement[] = [];
    if (credential === null) assertions.push(this.#unchanged('organizations', organization));
    else {
      const { key, account: owner } = credential;
      assertions.push(
        this.#db
          .prepare(CALLER_LIVE)
          .bind(key.id, key.revision, now, owner?.revision ?? null, credential.organization.revision),
      );
    }
    if (account !== null) assertions.push(this.#unchanged('service_accounts', account));
    if (write.kind === 'update_account') assertions.push(this.#unchanged('service_accounts', write.account));
    if (write.kind === 'update_key') assertions.push(this.#unchanged('api_keys', write.key));
    return assertions;
  }

  #unchanged(table: Table, row: { readonly id: string; readonly revision: number }): D1PreparedStatement {
    return this.#db
      .prepare(
        `INSERT INTO assertions (target_unchanged)
         SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM ${table} WHERE id = ? AND revision = ?)`,
      )
      .bind(row.id, row.revision);
  }

  #row(write: Write): D1PreparedStatement {
    switch (write.kind) {
      case 'insert_account':
        return this.#accounts.insert(write.account);
      case 'update_account':
        return this.#accounts.update(write.account);
      case 'insert_key':
        return this.#keys.insert(write.key, write.digest);
      case 'update_key':
        return this.#keys.update(write.key);
    }
  }

  #readBack({ write }: Mutation): D1PreparedStatement {
    return write.kind === 'insert_key' || write.kind === 'update_key'
      ? this.#keys.readRecord(write.key.id)
      : this.#db.prepare('SELECT coalesce(max(seq), 0) AS as_of FROM changes');
  }
}

/** The last of a batch's results is what was read back. */
function committed(results: readonly D1Result[], now: number): Outcome {
  const row = lastRow(results);
  if (row === null) throw new Error('a committed change could not be read back');
  return {
    kind: 'committed',
    seq: row.as_of,
    key: 'digest' in row ? { digest: row.digest, record: toKeyRecord(row, now) } : null,
  };
}
