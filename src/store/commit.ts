import type { AuditEvent } from '../core/audit.ts';
import { Unavailable } from '../core/faults.ts';
import type { KeyId } from '../core/id.ts';
import type { AccountStore } from './accounts.ts';
import { databaseFault, reaching } from './faults.ts';
import { assertionsOf } from './guards.ts';
import type { KeyStore } from './keys.ts';
import type { Mutation, Outcome, Write } from './mutation.ts';
import type { OrganizationStore } from './organizations.ts';
import { readBackRows, toKeyRecord } from './rows.ts';

/** What SQLite calls the constraints that a batch may break, and what each means. */
const BROKEN_CONSTRAINTS = {
  'audit_events.id': 'repeated',
  'CHECK constraint failed: caller_live': 'caller_changed',
  'CHECK constraint failed: target_unchanged': 'target_changed',
  'CHECK constraint failed: key_name_free': 'key_name_taken',
  'CHECK constraint failed: quota_left': 'quota_exceeded',
  'service_accounts.organization_id, service_accounts.name': 'account_name_taken',
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
      ...assertionsOf(this.#db, mutation, now),
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
      case 'revoke_token':
        return this.#keys.revokeToken(write.row);
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
