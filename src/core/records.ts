import { isExpired } from './expiry.ts';
import type { KeyId, OrganizationId, ServiceAccountId, TokenId } from './id.ts';
import type { Scope } from './scope.ts';
import type { Environment } from './secret.ts';

/** Every time in a record is an integer of epoch milliseconds, every revision counts the row's changes. */

/** From the strongest down: each holds what those after it do. */
export const ROLES = ['admin', 'member', 'reader'] as const;
export type Role = (typeof ROLES)[number];

export const ACCOUNT_STATUSES = ['active', 'disabled'] as const;
export type AccountStatus = (typeof ACCOUNT_STATUSES)[number];

export const KEY_STATUSES = ['active', 'disabled', 'expired', 'revoked'] as const;
export type KeyStatus = (typeof KEY_STATUSES)[number];

/** A JSON object of the application's own. What is nested in it is no deeper typed: over RPC a recursive type has no end. */
export type Metadata = Record<string, string | number | boolean | object | null>;

/**
 * What other systems' wire formats keep of a record and have no field for, by the system's name. Nobody but a format reads
 * its own.
 */
export type Vendor = Readonly<Record<string, Metadata>>;

interface Stamped {
  readonly createdAt: number;
  /** The principal: `root`, an account's id, a user's id or `system`. */
  readonly createdBy: string;
  readonly updatedAt: number;
  readonly updatedBy: string;
  readonly revision: number;
}

export interface Organization extends Stamped {
  readonly id: OrganizationId;
  readonly slug: string;
  readonly name: string;
  /** The brand that new keys begin with. */
  readonly keyPrefix: string;
  /** The ceiling of keys that belong to a person. */
  readonly personalKeyPermissions: readonly Scope[];
  /** How many keys may live at once; null: any number. */
  readonly maxLiveKeys: number | null;
  /** A duration such as `90d`, or null for none. */
  readonly maxKeyLifetime: string | null;
  readonly deletedAt: number | null;
}

/** What of an organization judges its callers and its keys. */
export type OrganizationRules = Pick<
  Organization,
  'id' | 'slug' | 'keyPrefix' | 'personalKeyPermissions' | 'maxLiveKeys' | 'maxKeyLifetime' | 'revision'
>;

export interface ServiceAccount extends Stamped {
  readonly id: ServiceAccountId;
  readonly organizationId: OrganizationId;
  readonly name: string;
  readonly description: string | null;
  readonly permissions: readonly Scope[];
  readonly role: Role | null;
  readonly metadata: Metadata;
  readonly vendor: Vendor | null;
  readonly disabledAt: number | null;
  readonly deletedAt: number | null;
}

export interface ApiKey extends Stamped {
  readonly id: KeyId;
  readonly organizationId: OrganizationId;
  readonly serviceAccountId: ServiceAccountId | null;
  readonly userId: string | null;
  readonly name: string;
  readonly description: string | null;
  readonly environment: Environment;
  readonly start: string;
  readonly fingerprint: string;
  /** Null: the key follows its account. */
  readonly scopes: readonly Scope[] | null;
  readonly metadata: Metadata;
  readonly vendor: Vendor | null;
  readonly enabled: boolean;
  readonly expiresAt: number | null;
  /** Set as well when the key's account was deleted. */
  readonly revokedAt: number | null;
  readonly revokedBy: string | null;
  readonly revocationReason: string | null;
  readonly rotatedFrom: KeyId | null;
  readonly rotatedTo: KeyId | null;
  /** The key that ends when this one is first used. */
  readonly supersedes: KeyId | null;
  readonly deletedAt: number | null;
}

/** The latest valid use that has been written down. */
export interface LastUse {
  readonly at: number;
  readonly ip: string | null;
  readonly userAgent: string | null;
}

/** All that a verdict on a key needs, joined: what KV caches under the key's digest, or its id. */
export interface KeyRecord {
  readonly key: Pick<
    ApiKey,
    | 'id'
    | 'userId'
    | 'name'
    | 'environment'
    | 'scopes'
    | 'metadata'
    | 'enabled'
    | 'createdAt'
    | 'expiresAt'
    | 'revokedAt'
    | 'supersedes'
    | 'revision'
  > & {
    /** Its tokens that were ended ahead of their time, and would live yet. */
    readonly revokedTokens: readonly TokenId[];
  };
  readonly account: Pick<ServiceAccount, 'id' | 'permissions' | 'role' | 'disabledAt' | 'revision'> | null;
  readonly organization: OrganizationRules;
  /** The life of the database in which it was read. */
  readonly generation: string;
  /** The highest sequence number of `changes` at the moment of reading. */
  readonly asOf: number;
  /** When the D1 query behind this record started. */
  readonly readAt: number;
}

export function accountStatus(account: Pick<ServiceAccount, 'disabledAt'>): AccountStatus {
  return account.disabledAt === null ? 'active' : 'disabled';
}

/** The first that fits of revoked, disabled, expired, active. */
export function keyStatus(key: Pick<ApiKey, 'revokedAt' | 'enabled' | 'expiresAt'>, now: number): KeyStatus {
  if (key.revokedAt !== null) return 'revoked';
  if (!key.enabled) return 'disabled';
  return isExpired(key.expiresAt, now) ? 'expired' : 'active';
}

/** The key as a principal's revocation leaves it; one that was revoked before stays as it is. */
export function revokedBy(principal: string, key: ApiKey, reason: string | null, now: number): ApiKey {
  if (key.revokedAt !== null) return key;
  return {
    ...key,
    revokedAt: now,
    revokedBy: principal,
    revocationReason: reason,
    updatedAt: now,
    updatedBy: principal,
  };
}

/** Whether an id or a slug names this organization; null, it does. */
export function isNamed(organization: Pick<Organization, 'id' | 'slug'>, named: string | null): boolean {
  return named === null || named === organization.id || named === organization.slug;
}
