import {
  ROLES,
  type ApiKey,
  type KeyRecord,
  type OrganizationRules,
  type Role,
  type ServiceAccount,
} from './records.ts';
import type { Fault } from './refusal.ts';
import { coversAll, intersect, isManagementScope, uncovered, type Scope } from './scope.ts';

/** What each role adds to an account's permissions. */
const ROLE_SCOPES: Record<Role, readonly Scope[]> = {
  admin: ['mintmark:*'],
  member: ['mintmark:accounts:read', 'mintmark:keys:read', 'mintmark:keys:write', 'mintmark:keys:verify'],
  reader: ['mintmark:accounts:read', 'mintmark:keys:read'],
};

/** The management scopes that a role stands for. */
export const roleScopes = (role: Role | null): readonly Scope[] => (role === null ? [] : ROLE_SCOPES[role]);

/** The strongest role, no stronger than `most`, that holds nothing beyond `held`; null: none does. */
export function roleWithin(held: readonly Scope[], most: Role): Role | null {
  return ROLES.slice(ROLES.indexOf(most)).find((role) => coversAll(held, ROLE_SCOPES[role])) ?? null;
}

type AccountGrants = Pick<ServiceAccount, 'permissions' | 'role'>;

/** All that an account may do: its permissions, and what its role adds. */
export function accountScopes(account: AccountGrants): Scope[] {
  return [...new Set([...account.permissions, ...roleScopes(account.role)])];
}

/** The most that a key can do, whoever it belongs to. */
function ceiling(account: AccountGrants | null, organization: OrganizationRules): readonly Scope[] {
  return account === null ? organization.personalKeyPermissions : accountScopes(account);
}

/** What a key may do now: its own list within its account's, or all of the account's if it has none. */
export function effectiveScopes(
  record: Pick<KeyRecord, 'key' | 'account' | 'organization'>,
): readonly Scope[] {
  const most = ceiling(record.account, record.organization);
  return record.key.scopes === null ? most : intersect(record.key.scopes, most);
}

/**
 * The management scopes that a key stands for, and its granter must hold. A list counts as it is written, even where
 * the account does not cover it today: else a key could lie in wait for the account's promotion.
 */
export function grantedByKey(scopes: readonly Scope[] | null, account: AccountGrants | null): Scope[] {
  return (scopes ?? (account === null ? [] : accountScopes(account))).filter(isManagementScope);
}

/** The management scopes that an account stands for, and its granter must hold. */
export function grantedByAccount(account: AccountGrants): Scope[] {
  return accountScopes(account).filter(isManagementScope);
}

type AccountState = AccountGrants & Pick<ServiceAccount, 'disabledAt' | 'deletedAt'>;

/** Permissions and role count each for itself: what one of them repeats would outlive the other's end. */
function grantsMore(from: AccountGrants, to: AccountGrants): boolean {
  return (
    !coversAll(from.permissions, to.permissions) || !coversAll(roleScopes(from.role), roleScopes(to.role))
  );
}

/** Whether `to` holds anything that `from` did not. */
export function accountIsStronger(from: AccountState, to: AccountState): boolean {
  return (
    (from.disabledAt !== null && to.disabledAt === null) ||
    (from.deletedAt !== null && to.deletedAt === null) ||
    grantsMore(from, to)
  );
}

/** Whether `to` allows less than `from` did. */
export function accountIsWeaker(from: AccountState, to: AccountState): boolean {
  return (
    (from.disabledAt === null && to.disabledAt !== null) ||
    (from.deletedAt === null && to.deletedAt !== null) ||
    !coversAll(accountScopes(to), accountScopes(from))
  );
}

type KeyGrants = Pick<ApiKey, 'enabled' | 'revokedAt' | 'expiresAt' | 'scopes'>;

/** Whether `to` allows anything that `from` did not. Read backwards, whether a change takes anything away. */
export function keyIsStronger(from: KeyGrants, to: KeyGrants): boolean {
  return (
    (!from.enabled && to.enabled) ||
    (from.revokedAt !== null && to.revokedAt === null) ||
    (to.expiresAt ?? Infinity) > (from.expiresAt ?? Infinity) ||
    (from.scopes !== null && (to.scopes === null || !coversAll(from.scopes, to.scopes)))
  );
}

/** A person's key has no account to follow, so it needs a list, within what the organization lets people have. */
export function personalScopeFaults(
  scopes: readonly Scope[] | null,
  organization: OrganizationRules,
): Fault[] {
  if (scopes === null) return [{ path: 'scopes', message: 'a personal key needs a list of scopes' }];
  const outside = uncovered(organization.personalKeyPermissions, scopes);
  return scopes.flatMap((scope, index) =>
    outside.includes(scope)
      ? [{ path: `scopes.${index}`, message: "is outside the organization's personalKeyPermissions" }]
      : [],
  );
}
