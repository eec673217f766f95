import type { Action, AuditEvent, Target } from '../core/audit.ts';
import { MAX_CHANGES_TOLD } from '../core/constants.ts';
import { SchemaMissing } from '../core/faults.ts';
import type { EventId, KeyId, OrganizationId, ServiceAccountId, TokenId } from '../core/id.ts';
import type { Snapshot } from '../core/knowledge.ts';
import type {
  ApiKey,
  KeyRecord,
  LastUse,
  Metadata,
  Organization,
  Role,
  ServiceAccount,
  Vendor,
} from '../core/records.ts';
import type { Scope } from '../core/scope.ts';
import type { Digest, Environment } from '../core/secret.ts';

/**
 * The one seam where D1's rows become records: the schema's own checks (STRICT, CHECK, json_valid) vouch for the types
 * that are claimed here.
 */

export interface OrganizationRow {
  id: OrganizationId;
  slug: string;
  name: string;
  key_prefix: string;
  personal_key_permissions: string;
  max_live_keys: number | null;
  max_key_lifetime: string | null;
  created_at: number;
  created_by: string;
  updated_at: number;
  updated_by: string;
  deleted_at: number | null;
  revision: number;
}

export interface ServiceAccountRow {
  id: ServiceAccountId;
  organization_id: OrganizationId;
  name: string;
  description: string | null;
  permissions: string;
  role: Role | null;
  metadata: string;
  created_at: number;
  created_by: string;
  updated_at: number;
  updated_by: string;
  disabled_at: number | null;
  deleted_at: number | null;
  revision: number;
  vendor: string | null;
}

export interface ApiKeyRow {
  id: KeyId;
  organization_id: OrganizationId;
  service_account_id: ServiceAccountId | null;
  user_id: string | null;
  name: string;
  description: string | null;
  environment: Environment;
  start: string;
  fingerprint: string;
  scopes: string | null;
  metadata: string;
  enabled: 0 | 1;
  created_at: number;
  created_by: string;
  updated_at: number;
  updated_by: string;
  expires_at: number | null;
  revoked_at: number | null;
  revoked_by: string | null;
  revocation_reason: string | null;
  rotated_from: KeyId | null;
  rotated_to: KeyId | null;
  supersedes: KeyId | null;
  deleted_at: number | null;
  revision: number;
  vendor: string | null;
  last_used_at: number | null;
  last_used_ip: string | null;
  last_used_user_agent: string | null;
}

export interface KeyRecordRow {
  id: KeyId;
  digest: Digest;
  user_id: string | null;
  name: string;
  environment: Environment;
  scopes: string | null;
  metadata: string;
  enabled: 0 | 1;
  created_at: number;
  expires_at: number | null;
  revoked_at: number | null;
  supersedes: KeyId | null;
  revoked_tokens: string;
  revision: number;
  account_id: ServiceAccountId | null;
  account_permissions: string | null;
  account_role: Role | null;
  account_disabled_at: number | null;
  account_revision: number | null;
  organization_id: OrganizationId;
  organization_slug: string;
  organization_key_prefix: string;
  organization_personal_key_permissions: string;
  organization_max_live_keys: number | null;
  organization_max_key_lifetime: string | null;
  organization_revision: number;
  generation: string;
  as_of: number;
}

export interface ChangesRow {
  generation: string;
  newest: number;
  oldest: number;
  changes: string;
}

const scopesOf = (json: string): Scope[] => JSON.parse(json) as Scope[];
const vendorOf = (json: string | null): Vendor | null =>
  json === null ? null : (JSON.parse(json) as Vendor);
const metadataOf = (json: string): Metadata => JSON.parse(json) as Metadata;

export function toOrganization(row: OrganizationRow): Organization {
  return {
    id: row.id,
    slug: row.slug,
    name: row.name,
    keyPrefix: row.key_prefix,
    personalKeyPermissions: scopesOf(row.personal_key_permissions),
    maxLiveKeys: row.max_live_keys,
    maxKeyLifetime: row.max_key_lifetime,
    createdAt: row.created_at,
    createdBy: row.created_by,
    updatedAt: row.updated_at,
    updatedBy: row.updated_by,
    deletedAt: row.deleted_at,
    revision: row.revision,
  };
}

export function vendorJson({ vendor }: { readonly vendor: Vendor | null }): string | null {
  return vendor === null ? null : JSON.stringify(vendor);
}

export function toServiceAccount(row: ServiceAccountRow): ServiceAccount {
  return {
    id: row.id,
    organizationId: row.organization_id,
    name: row.name,
    description: row.description,
    permissions: scopesOf(row.permissions),
    role: row.role,
    metadata: metadataOf(row.metadata),
    vendor: vendorOf(row.vendor),
    createdAt: row.created_at,
    createdBy: row.created_by,
    updatedAt: row.updated_at,
    updatedBy: row.updated_by,
    disabledAt: row.disabled_at,
    deletedAt: row.deleted_at,
    revision: row.revision,
  };
}

export function toApiKey(row: ApiKeyRow): ApiKey {
  return {
    id: row.id,
    organizationId: row.organization_id,
    serviceAccountId: row.service_account_id,
    userId: row.user_id,
    name: row.name,
    description: row.description,
    environment: row.environment,
    start: row.start,
    fingerprint: row.fingerprint,
    scopes: row.scopes === null ? null : scopesOf(row.scopes),
    metadata: metadataOf(row.metadata),
    vendor: vendorOf(row.vendor),
    enabled: row.enabled === 1,
    createdAt: row.created_at,
    createdBy: row.created_by,
    updatedAt: row.updated_at,
    updatedBy: row.updated_by,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    revokedBy: row.revoked_by,
    revocationReason: row.revocation_reason,
    rotatedFrom: row.rotated_from,
    rotatedTo: row.rotated_to,
    supersedes: row.supersedes,
    deletedAt: row.deleted_at,
    revision: row.revision,
  };
}

export function toLastUse(row: ApiKeyRow): LastUse | null {
  if (row.last_used_at === null) return null;
  return { at: row.last_used_at, ip: row.last_used_ip, userAgent: row.last_used_user_agent };
}

/** `readAt`: when the query started, in epoch milliseconds. */
export function toKeyRecord(row: KeyRecordRow, readAt: number): KeyRecord {
  return {
    key: {
      id: row.id,
      userId: row.user_id,
      name: row.name,
      environment: row.environment,
      scopes: row.scopes === null ? null : scopesOf(row.scopes),
      metadata: metadataOf(row.metadata),
      enabled: row.enabled === 1,
      createdAt: row.created_at,
      expiresAt: row.expires_at,
      revokedAt: row.revoked_at,
      supersedes: row.supersedes,
      revokedTokens: JSON.parse(row.revoked_tokens) as TokenId[],
      revision: row.revision,
    },
    account:
      row.account_id === null
        ? null
        : {
            id: row.account_id,
            permissions: scopesOf(row.account_permissions ?? '[]'),
            role: row.account_role,
            disabledAt: row.account_disabled_at,
            revision: row.account_revision ?? 0,
          },
    organization: {
      id: row.organization_id,
      slug: row.organization_slug,
      keyPrefix: row.organization_key_prefix,
      personalKeyPermissions: scopesOf(row.organization_personal_key_permissions),
      maxLiveKeys: row.organization_max_live_keys,
      maxKeyLifetime: row.organization_max_key_lifetime,
      revision: row.organization_revision,
    },
    generation: row.generation,
    asOf: row.as_of,
    readAt,
  };
}

/** `after` is the position that was asked from, `knownAt` when the query started. */
export function toSnapshot(row: ChangesRow | null, after: number, knownAt: number): Snapshot {
  if (row === null) throw new SchemaMissing('the table generation is empty');
  const newestFirst = JSON.parse(row.changes) as [subject: string, seq: number][];
  const [, leftOut = Math.max(after, row.oldest - 1)] = newestFirst[MAX_CHANGES_TOLD] ?? [];
  return {
    generation: row.generation,
    from: Math.min(leftOut, row.newest),
    newest: row.newest,
    changes: newestFirst.slice(0, MAX_CHANGES_TOLD).toReversed(),
    knownAt,
  };
}

/** The rows that one statement of a batch read. */
export function rowsOf<Row>(result: D1Result | undefined): Row[] {
  return (result?.results ?? []) as Row[];
}

/** What a batch read back at its end: how far along the changes it is, and the records of so many keys. */
export function readBackRows(
  results: readonly D1Result[],
  keys: number,
): { generation: string; seq: number; records: KeyRecordRow[] } {
  const [changes, ...records] = results.slice(-1 - keys).map(({ results: [row] }) => row);
  const { generation, as_of: seq } = changes as { generation: string; as_of: number };
  return {
    generation,
    seq,
    records: records.filter((row) => row !== undefined) as KeyRecordRow[],
  };
}

/** A filtered page and, after it, the last row that its filter examined, if it stopped at one. */
export function pageRows<Row extends { readonly id: string }>([page, horizon]: readonly D1Result[]): {
  rows: Row[];
  lastExamined: Row['id'] | null;
} {
  const [end] = (horizon?.results ?? []) as Pick<Row, 'id'>[];
  return { rows: (page?.results ?? []) as Row[], lastExamined: end?.id ?? null };
}

export interface AuditEventRow {
  id: EventId;
  organization_id: OrganizationId;
  at: number;
  action: Action;
  actor_type: AuditEvent['actor']['type'];
  actor_id: string;
  credential_id: string | null;
  target_type: AuditEvent['target']['type'];
  target_id: string;
  request_id: string;
  ip: string | null;
  user_agent: string | null;
  changes: string;
}

export function toAuditEvent(row: AuditEventRow): AuditEvent {
  return {
    id: row.id,
    organizationId: row.organization_id,
    at: row.at,
    action: row.action,
    actor: { type: row.actor_type, id: row.actor_id, credentialId: row.credential_id },
    target: { type: row.target_type, id: row.target_id } as Target,
    requestId: row.request_id,
    ip: row.ip,
    userAgent: row.user_agent,
    changes: JSON.parse(row.changes) as AuditEvent['changes'],
  };
}
