import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { fileURLToPath } from 'node:url';

import { type Action, type Changes, changesBetween } from '../../src/core/audit.ts';
import { MAX_MEMORY_BYTES } from '../../src/core/constants.ts';
import type { ApiKey } from '../../src/core/records.ts';
import { Memory } from '../../src/verifier/memory.ts';
import { recordOf, Sample } from './sample.ts';

const SCHEMA = fileURLToPath(new URL('../../schema.sql', import.meta.url).href);
const SEED = 1;
const IP = '203.0.113.24';
const USER_AGENT = 'backup/2.4 (linux; x64) node/24';

/** What D1 holds, in bytes, on average, with all indexes and what pages leave free. */
export interface DatabaseBytes {
  readonly key: number;
  /** The audit event of a minting. */
  readonly minting: number;
  readonly lastUse: number;
  /** The audit event of a revocation. */
  readonly revocation: number;
}

/** Measured by filling a database of the schema with so many keys. */
export function measureDatabase(count: number): DatabaseBytes {
  const database = new DatabaseSync(':memory:');
  database.exec(readFileSync(SCHEMA, 'utf8'));
  const sample = new Sample(count, SEED);
  const keys = Array.from({ length: count }, () => sample.key());
  insert(database, 'organizations', organizationRows(sample));
  insert(database, 'service_accounts', accountRows(sample));
  const bytesEach = (table: string, rows: readonly Row[]): number => {
    const before = bytesOf(database);
    insert(database, table, rows);
    return (bytesOf(database) - before) / count;
  };
  const minted = keys.map((key) => eventRow(sample, key, 'api_key.created', changesBetween(null, key)));
  const revoked = keys.map((key) => {
    const { createdAt: revokedAt, createdBy: revokedBy } = key;
    const after = { ...key, revokedAt, revokedBy, revocationReason: 'replaced' };
    return eventRow(sample, key, 'api_key.revoked', changesBetween(key, after));
  });
  return {
    key: bytesEach('api_keys', keys.map(keyRow)),
    minting: bytesEach('audit_events', minted),
    lastUse: bytesEach('key_usage', keys.map(useRow)),
    revocation: bytesEach('audit_events', revoked),
  };
}

/** How many of the sample's records an isolate remembers, by the production code's own count of their bytes. */
export function measureMemory(): number {
  const memory = new Memory(MAX_MEMORY_BYTES);
  const sample = new Sample(1, SEED);
  const tooMany = Math.ceil(MAX_MEMORY_BYTES / measureValue());
  const keys = Array.from({ length: tooMany }, () => sample.key());
  for (const key of keys) memory.put(key.id, recordOf(key));
  return keys.filter(({ id }) => memory.get(id) !== undefined).length;
}

/** What one of the sample's records is in KV, in bytes. */
export function measureValue(): number {
  return JSON.stringify(recordOf(new Sample(1, SEED).key())).length;
}

type Row = Readonly<Record<string, SQLInputValue>>;

function insert(database: DatabaseSync, table: string, rows: readonly Row[]): void {
  const names = Object.keys(rows[0] ?? {});
  const statement = database.prepare(
    `INSERT INTO ${table} (${names.join()}) VALUES (${names.map(() => '?').join()})`,
  );
  database.exec('BEGIN');
  for (const row of rows) statement.run(...Object.values(row));
  database.exec('COMMIT');
}

function bytesOf(database: DatabaseSync): number {
  const size = database.prepare(
    'SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size',
  );
  return Number(size.get()?.['bytes']);
}

const ORGANIZATION = { name: 'Northwind Traders', key_prefix: 'mk', personal_key_permissions: '[]' };
const ACCOUNT = { permissions: '["backups:*"]', metadata: '{}' };
const STAMP = { created_at: 0, created_by: 'root', updated_at: 0, updated_by: 'root', revision: 1 };

function organizationRows({ owners }: Sample): Row[] {
  const ids = new Set(owners.map(({ organizationId }) => organizationId));
  return Array.from(ids, (id) => ({ id, slug: id, ...ORGANIZATION, ...STAMP }));
}

function accountRows({ owners }: Sample): Row[] {
  return Array.from(owners, ({ id, organizationId }) => ({
    id,
    organization_id: organizationId,
    name: id,
    ...ACCOUNT,
    ...STAMP,
  }));
}

function keyRow(key: ApiKey): Row {
  return {
    id: key.id,
    organization_id: key.organizationId,
    service_account_id: key.serviceAccountId,
    name: key.name,
    folded_name: key.name.toUpperCase(),
    environment: key.environment,
    digest: createHash('sha256').update(key.id).digest('hex'),
    start: key.start,
    fingerprint: key.fingerprint,
    scopes: JSON.stringify(key.scopes),
    metadata: JSON.stringify(key.metadata),
    enabled: 1,
    expires_at: key.expiresAt,
    created_at: key.createdAt,
    created_by: key.createdBy,
    updated_at: key.updatedAt,
    updated_by: key.updatedBy,
    revision: key.revision,
  };
}

function eventRow({ ids }: Sample, key: ApiKey, action: Action, changes: Changes): Row {
  return {
    id: ids.event(),
    organization_id: key.organizationId,
    at: key.createdAt,
    action,
    actor_type: 'service_account',
    actor_id: key.createdBy,
    credential_id: key.id,
    target_type: 'api_key',
    target_id: key.id,
    request_id: crypto.randomUUID(),
    ip: IP,
    user_agent: USER_AGENT,
    changes: JSON.stringify(changes),
  };
}

function useRow(key: ApiKey): Row {
  return {
    key_id: key.id,
    last_used_at: key.createdAt,
    last_used_ip: IP,
    last_used_user_agent: USER_AGENT,
  };
}
