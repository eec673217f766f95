import { isSame, type Action } from '../core/audit.ts';
import { accountIsStronger, accountIsWeaker, grantedByAccount } from '../core/authority.ts';
import type { Caller } from '../core/caller.ts';
import { parseServiceAccountId, type IdFactory, type ServiceAccountId } from '../core/id.ts';
import type { Page, PageRequest } from '../core/page.ts';
import type { Metadata, Role, ServiceAccount } from '../core/records.ts';
import { accept, refuse, type Refusal, type Result } from '../core/refusal.ts';
import type { Scope } from '../core/scope.ts';
import type { AccountStore } from '../store/accounts.ts';
import { forbidden, refusal, type Changed, type Changes } from './changes.ts';

export interface NewAccount {
  readonly name: string;
  readonly description?: string | null | undefined;
  readonly permissions?: readonly Scope[] | undefined;
  readonly role?: Role | null | undefined;
  readonly metadata?: Metadata | undefined;
}

/** Absent: unchanged. Null: cleared. */
export interface AccountPatch {
  readonly name?: string | undefined;
  readonly description?: string | null | undefined;
  readonly permissions?: readonly Scope[] | undefined;
  readonly role?: Role | null | undefined;
  readonly metadata?: Metadata | null | undefined;
}

const NOT_FOUND: Refusal = { kind: 'not_found', what: 'service account' };

/** Service accounts of the caller's organization. Reading needs `mintmark:accounts:read`, all else `…:write`. */
export class Accounts {
  readonly #store: AccountStore;
  readonly #changes: Changes;
  readonly #ids: IdFactory;

  constructor(store: AccountStore, changes: Changes, ids: IdFactory) {
    this.#store = store;
    this.#changes = changes;
    this.#ids = ids;
  }

  create(caller: Caller, input: NewAccount): Promise<Result<Changed<ServiceAccount>>> {
    return this.#changes.make(caller, 'mintmark:accounts:write', async ({ actor, organization }, now) => {
      const account: ServiceAccount = {
        id: this.#ids.serviceAccount(),
        organizationId: organization.id,
        name: input.name,
        description: input.description ?? null,
        permissions: input.permissions ?? [],
        role: input.role ?? null,
        metadata: input.metadata ?? {},
        createdAt: now,
        createdBy: actor.id,
        updatedAt: now,
        updatedBy: actor.id,
        disabledAt: null,
        deletedAt: null,
        revision: 1,
      };
      return {
        kind: 'change',
        edits: [
          {
            action: 'service_account.created',
            write: { kind: 'insert_account', row: account },
            before: null,
          },
        ],
        grants: grantedByAccount(account),
        grantedTo: { type: 'organization', id: organization.id },
        weakens: false,
        value: account,
      };
    });
  }

  async get(caller: Caller, id: string): Promise<Result<ServiceAccount>> {
    const denied = forbidden(caller, 'mintmark:accounts:read');
    if (denied !== null) return refuse(denied);
    const account = await this.#find(caller, id);
    return account === null ? refuse(NOT_FOUND) : accept(account);
  }

  async list(
    caller: Caller,
    request: PageRequest<ServiceAccountId>,
  ): Promise<Result<Page<ServiceAccount, ServiceAccountId>>> {
    const denied = forbidden(caller, 'mintmark:accounts:read');
    if (denied !== null) return refuse(denied);
    return accept(await this.#store.list(caller.organization.id, request));
  }

  update(caller: Caller, id: string, patch: AccountPatch): Promise<Result<Changed<ServiceAccount>>> {
    return this.#edit(caller, id, 'update_account', 'service_account.updated', (account) => ({
      ...account,
      name: patch.name ?? account.name,
      description: patch.description === undefined ? account.description : patch.description,
      permissions: patch.permissions ?? account.permissions,
      role: patch.role === undefined ? account.role : patch.role,
      metadata: patch.metadata === undefined ? account.metadata : (patch.metadata ?? {}),
    }));
  }

  /** Its keys are refused until it is enabled. */
  disable(caller: Caller, id: string): Promise<Result<Changed<ServiceAccount>>> {
    return this.#edit(caller, id, 'disable_account', 'service_account.disabled', (account, now) => ({
      ...account,
      disabledAt: account.disabledAt ?? now,
    }));
  }

  enable(caller: Caller, id: string): Promise<Result<Changed<ServiceAccount>>> {
    return this.#edit(caller, id, 'update_account', 'service_account.enabled', (account) => ({
      ...account,
      disabledAt: null,
    }));
  }

  /** Its keys are revoked with it, by this one change. */
  remove(caller: Caller, id: string): Promise<Result<Changed<ServiceAccount>>> {
    return this.#edit(caller, id, 'delete_account', 'service_account.deleted', (account, now) => ({
      ...account,
      deletedAt: now,
    }));
  }

  #edit(
    caller: Caller,
    id: string,
    kind: 'update_account' | 'disable_account' | 'delete_account',
    action: Action,
    edit: (account: ServiceAccount, now: number) => ServiceAccount,
  ): Promise<Result<Changed<ServiceAccount>>> {
    return this.#changes.make(caller, 'mintmark:accounts:write', async (current, now) => {
      const before = await this.#find(current, id);
      if (before === null) return refusal(NOT_FOUND);
      const edited = edit(before, now);
      if (isSame(before, edited)) {
        return { kind: 'unchanged', value: before };
      }
      const after = { ...edited, updatedAt: now, updatedBy: current.actor.id };
      return {
        kind: 'change',
        edits: [{ action, write: { kind, row: after }, before }],
        grants: accountIsStronger(before, after) ? grantedByAccount(after) : [],
        grantedTo: { type: 'service_account', id: after.id },
        weakens: accountIsWeaker(before, after),
        value: after,
      };
    });
  }

  async #find(caller: Caller, id: string): Promise<ServiceAccount | null> {
    const accountId = parseServiceAccountId(id);
    return accountId === null ? null : this.#store.find(caller.organization.id, accountId);
  }
}
