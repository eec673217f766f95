import type { KeyId, OrganizationId, ServiceAccountId } from '../core/id.ts';
import type {
  ApiKey,
  KeyRecord,
  LastUse,
  Metadata,
  Organization,
  Role,
  ServiceAccount,
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
  key_prefix: string;
  personal_key_permissions: string;
  max_key_lifetime: string | null;
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
  deleted_at: number | null;
  revision: number;
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
  expires_at: number | null;
  revoked_at: number | null;
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
  organization_max_key_lifetime: string | null;
  organization_revision: number;
  as_of: number;
}

const scopesOf = (json: string): Scope[] => JSON.parse(json) as Scope[];
const metadataOf = (json: string): Metadata => JSON.parse(json) as Metadata;

export function toOrganization(row: OrganizationRow): Organization {
  return {
    id: row.id,
    slug: row.slug,
    keyPrefix: row.key_prefix,
    personalKeyPermissions: scopesOf(row.personal_key_permissions),
    maxKeyLifetime: row.max_key_lifetime,
    revision: row.revision,
  };
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
      expiresAt: row.expires_at,
      revokedAt: row.revoked_at,
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
    organization: toOrganization({
      id: row.organization_id,
      slug: row.organization_slug,
      key_prefix: row.organization_key_prefix,
      personal_key_permissions: row.organization_personal_key_permissions,
      max_key_lifetime: row.organization_max_key_lifetime,
      revision: row.organization_revision,
    }),
    asOf: row.as_of,
    readAt,
  };
}

/** What a batch read back of its change: the key's record, or how far along the changes it is. */
export function lastRow(results: readonly D1Result[]): KeyRecordRow | { as_of: number } | null {
  return (results.at(-1)?.results[0] as KeyRecordRow | { as_of: number } | undefined) ?? null;
}

/** A filtered page and, after it, the last row that its filter examined. */
export function pageRows([page, horizon]: readonly D1Result[]): {
  rows: ApiKeyRow[];
  lastExamined: KeyId | null;
} {
  const [end] = (horizon?.results ?? []) as { id: KeyId }[];
  return { rows: (page?.results ?? []) as ApiKeyRow[], lastExamined: end?.id ?? null };
}
