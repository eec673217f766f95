import type { EventId, KeyId, OrganizationId, ServiceAccountId } from './id.ts';

export const ACTIONS = [
  'organization.created',
  'organization.updated',
  'organization.deleted',
  'service_account.created',
  'service_account.updated',
  'service_account.disabled',
  'service_account.enabled',
  'service_account.deleted',
  'api_key.created',
  'api_key.updated',
  'api_key.revoked',
  'api_key.rotated',
  'api_key.deleted',
  'token.revoked',
  'grant.refused',
] as const;
export type Action = (typeof ACTIONS)[number];

export const TARGET_TYPES = ['organization', 'service_account', 'api_key'] as const;

export type Target =
  | { readonly type: 'organization'; readonly id: OrganizationId }
  | { readonly type: 'service_account'; readonly id: ServiceAccountId }
  | { readonly type: 'api_key'; readonly id: KeyId };

export const ACTOR_TYPES = ['root', 'service_account', 'user', 'system'] as const;

export interface Actor {
  readonly type: (typeof ACTOR_TYPES)[number];
  readonly id: string;
  /** The key or the token that was presented; null for root. */
  readonly credentialId: string | null;
}

/** Where a call came from, for the audit trail. */
export interface Origin {
  readonly requestId: string;
  readonly ip: string | null;
  readonly userAgent: string | null;
}

/** Field by field what a change did. */
export type Changes = Readonly<Record<string, { readonly from: unknown; readonly to: unknown }>>;

export interface AuditEvent extends Origin {
  readonly id: EventId;
  readonly organizationId: OrganizationId;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly action: Action;
  readonly actor: Actor;
  readonly target: Target;
  readonly changes: Changes;
}

/** Fields that say when and by whom: the event itself says so, for every change. */
const BOOKKEEPING = new Set([
  'id',
  'organizationId',
  'createdAt',
  'createdBy',
  'updatedAt',
  'updatedBy',
  'revision',
]);

const INSTANT = /At$/;

const written = (field: string, value: unknown): unknown =>
  INSTANT.test(field) && typeof value === 'number' ? new Date(value).toISOString() : (value ?? null);

/** The fields in which two states of a record differ, times as RFC 3339. `before` is null for what is new. */
export function changesBetween<Entity extends object>(before: Entity | null, after: Entity): Changes {
  const old = new Map<string, unknown>(before === null ? [] : Object.entries(before));
  return Object.fromEntries(
    Object.entries(after)
      .filter(([field]) => !BOOKKEEPING.has(field))
      .map(
        ([field, to]) => [field, { from: written(field, old.get(field)), to: written(field, to) }] as const,
      )
      .filter(([, { from, to }]) => JSON.stringify(from) !== JSON.stringify(to)),
  );
}

/** Whether nothing that an audit event would tell differs. */
export function isSame<Entity extends object>(before: Entity, after: Entity): boolean {
  return Object.keys(changesBetween(before, after)).length === 0;
}
