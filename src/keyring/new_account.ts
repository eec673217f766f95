import type { OrganizationId, ServiceAccountId } from '../core/id.ts';
import type { Metadata, Role, ServiceAccount, Vendor } from '../core/records.ts';
import type { Scope } from '../core/scope.ts';
import type { Edit } from './changes.ts';

export interface NewAccount {
  readonly name: string;
  readonly description?: string | null | undefined;
  readonly permissions?: readonly Scope[] | undefined;
  readonly role?: Role | null | undefined;
  readonly metadata?: Metadata | undefined;
  readonly vendor?: Vendor | undefined;
  /** Management scopes that its maker must hold beside those that it is given. */
  readonly grants?: readonly Scope[] | undefined;
}

/** An account as a principal makes it, of what was asked and the contract's defaults. */
export function newAccount(
  id: ServiceAccountId,
  asked: NewAccount,
  organizationId: OrganizationId,
  principal: string,
  now: number,
): ServiceAccount {
  return {
    id,
    organizationId,
    name: asked.name,
    description: asked.description ?? null,
    permissions: asked.permissions ?? [],
    role: asked.role ?? null,
    metadata: asked.metadata ?? {},
    vendor: asked.vendor ?? null,
    createdAt: now,
    createdBy: principal,
    updatedAt: now,
    updatedBy: principal,
    disabledAt: null,
    deletedAt: null,
    revision: 1,
  };
}

/** The edit that writes a new account. */
export function accountCreation(account: ServiceAccount): Edit {
  return {
    action: 'service_account.created',
    write: { kind: 'insert_account', row: account },
    before: null,
  };
}
