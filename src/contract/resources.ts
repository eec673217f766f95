import type { AuditEvent } from '../core/audit.ts';
import type { Principal } from '../core/caller.ts';
import { endOf } from '../core/decide.ts';
import type { Page } from '../core/page.ts';
import {
  accountStatus,
  keyStatus,
  type ApiKey,
  type LastUse,
  type Organization,
  type ServiceAccount,
} from '../core/records.ts';
import type { Verdict } from '../core/verdict.ts';
import type { ApiKeyResource } from './api_keys.ts';
import type { AuditEventResource } from './audit_events.ts';
import type { Description } from './describe.ts';
import { encodeCursor } from './fields.ts';
import type { OrganizationResource } from './organizations.ts';
import type { ProblemResource } from './problem.ts';
import type { ServiceAccountResource } from './service_accounts.ts';
import type { VerdictResource, WhoamiResource } from './verdict.ts';

/** Records as the contract writes them. */

export const timestampOf = (ms: number): string => new Date(ms).toISOString();
const orNull = (ms: number | null): string | null => (ms === null ? null : timestampOf(ms));

export function organizationResource(organization: Organization): OrganizationResource {
  return {
    id: organization.id,
    slug: organization.slug,
    name: organization.name,
    keyPrefix: organization.keyPrefix,
    personalKeyPermissions: [...organization.personalKeyPermissions],
    maxLiveKeys: organization.maxLiveKeys,
    maxKeyLifetime: organization.maxKeyLifetime,
    createdAt: timestampOf(organization.createdAt),
    createdBy: organization.createdBy,
    updatedAt: timestampOf(organization.updatedAt),
    updatedBy: organization.updatedBy,
  };
}

export function serviceAccountResource(account: ServiceAccount): ServiceAccountResource {
  return {
    id: account.id,
    organizationId: account.organizationId,
    name: account.name,
    description: account.description,
    permissions: [...account.permissions],
    role: account.role,
    status: accountStatus(account),
    metadata: account.metadata,
    createdAt: timestampOf(account.createdAt),
    createdBy: account.createdBy,
    updatedAt: timestampOf(account.updatedAt),
    updatedBy: account.updatedBy,
    disabledAt: orNull(account.disabledAt),
  };
}

export function apiKeyResource(key: ApiKey, lastUse: LastUse | null, now: number): ApiKeyResource {
  return {
    id: key.id,
    organizationId: key.organizationId,
    serviceAccountId: key.serviceAccountId,
    userId: key.userId,
    name: key.name,
    description: key.description,
    environment: key.environment,
    start: key.start,
    fingerprint: key.fingerprint,
    scopes: key.scopes === null ? null : [...key.scopes],
    metadata: key.metadata,
    status: keyStatus(key, now),
    enabled: key.enabled,
    createdAt: timestampOf(key.createdAt),
    createdBy: key.createdBy,
    updatedAt: timestampOf(key.updatedAt),
    updatedBy: key.updatedBy,
    expiresAt: orNull(key.expiresAt),
    lastUsedAt: orNull(lastUse?.at ?? null),
    lastUsedIp: lastUse?.ip ?? null,
    lastUsedUserAgent: lastUse?.userAgent ?? null,
    revokedAt: orNull(key.revokedAt),
    revokedBy: key.revokedBy,
    revocationReason: key.revocationReason,
    rotatedFrom: key.rotatedFrom,
    rotatedTo: key.rotatedTo,
  };
}

/** A refusal after the look-up tells whose key it is, and nothing of what it could do. */
export function verdictResource({ decision, source, ageSeconds, isDegraded }: Verdict): VerdictResource {
  const knowledge = { source, ageSeconds, ...(isDegraded ? { degraded: true as const } : {}) };
  if (!('record' in decision)) return { valid: false, code: decision.code, ...knowledge };
  const { key, account, organization } = decision.record;
  const end = endOf(decision);
  return {
    valid: decision.code === 'VALID',
    code: decision.code,
    keyId: key.id,
    organizationId: organization.id,
    ...(account === null ? {} : { serviceAccountId: account.id }),
    ...(key.userId === null ? {} : { userId: key.userId }),
    name: key.name,
    ...(decision.code === 'VALID'
      ? { environment: key.environment, scopes: [...decision.scopes], metadata: key.metadata }
      : {}),
    ...(end === null ? {} : { expiresAt: timestampOf(end) }),
    ...knowledge,
  };
}

/** When what ends a key is in force; every such change tells a time. */
export function effectiveByOf(effectiveBy: number | null): string {
  if (effectiveBy === null) throw new Error('what ends a key says by when');
  return timestampOf(effectiveBy);
}

export function auditEventResource(event: AuditEvent): AuditEventResource {
  return { ...event, at: timestampOf(event.at) };
}

export function whoamiResource({
  actor,
  organizationId,
  scopes,
  credential,
  token,
}: Principal): WhoamiResource {
  const key = credential?.key;
  return {
    type: actor.type,
    id: actor.id,
    organizationId,
    scopes: [...scopes],
    key:
      key === undefined
        ? null
        : { id: key.id, name: key.name, environment: key.environment, expiresAt: orNull(key.expiresAt) },
    ...(token === null ? {} : { token: { id: token.id, expiresAt: timestampOf(token.expiresAt) } }),
  };
}

/** `{data, nextCursor}`: every list's shape. */
export function pageResource<Item, Id extends string, Resource>(
  page: Page<Item, Id>,
  toResource: (item: Item) => Resource,
): { data: Resource[]; nextCursor: string | null } {
  return {
    data: page.items.map(toResource),
    nextCursor: page.next === null ? null : encodeCursor(page.next),
  };
}

export function problemResource(description: Description, requestId: string): ProblemResource {
  const { status, code, title, detail, errors } = description;
  return {
    type: `urn:mintmark:problem:${code}`,
    title,
    status,
    detail,
    code,
    requestId,
    ...(errors === undefined ? {} : { errors: [...errors] }),
  };
}
