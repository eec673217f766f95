import { isSame, type Action } from '../core/audit.ts';
import { accountIsStronger, accountIsWeaker, grantedByAccount } from '../core/authority.ts';
import type { Caller } from '../core/caller.ts';
import type { IdFactory, ServiceAccountId } from '../core/id.ts';
import type { Page, PageRequest } from '../core/page.ts';
import type { Metadata, Role, ServiceAccount, Vendor } from '../core/records.ts';
import { accept, refuse, type Result } from '../core/refusal.ts';
import type { Scope } from '../core/scope.ts';
import type { AccountStore } from '../store/accounts.ts';
import { forbidden, refusal, type Changed, type Changes } from './changes.ts';
import type { AccountRef, Finder } from './finder.ts';
import { accountCreation, newAccount, type NewAccount } from './new_account.ts';
import { unpaged } from './unpaged.ts';

/** Absent: unchanged. Null: cleared. */
export interface AccountPatch {
  readonly name?: string | undefined;
  readonly description?: string | null | undefined;
  readonly permissions?: readonly Scope[] | undefined;
  readonly role?: Role | null | undefined;
  readonly metadata?: Metadata | null | undefined;
  /** Replaces what the formats named in it keep. */
  readonly vendor?: Vendor | undefined;
  /** Management scopes that who asks must hold beside those that are given, judged by the account as it is. */
  readonly grants?: ((before: ServiceAccount) => readonly Scope[]) | undefined;
}

/** Service accounts of the caller's organization. Reading needs `mintmark:accounts:read`, all else `…:write`. */
export class Accounts {
  readonly #store: AccountStore;
  readonly #finder: Finder;
  readonly #changes: Changes;
  readonly #ids: IdFactory;

  constructor(store: AccountStore, finder: Finder, changes: Changes, ids: IdFactory) {
    this.#store = store;
    this.#finder = finder;
    this.#changes = changes;
    this.#ids = ids;
  }

  create(caller: Caller, input: NewAccount): Promise<Result<Changed<ServiceAccount>>> {
    return this.#changes.make(caller, 'mintmark:accounts:write', async ({ actor, organization }, now) => {
      const account = newAccount(this.#ids.serviceAccount(), input, organization.id, actor.id, now);
      return {
        kind: 'change',
        edits: [accountCreation(account)],
        grants: [...grantedByAccount(account), ...(input.grants ?? [])],
        grantedTo: { type: 'organization', id: organization.id },
        weakens: false,
        value: account,
      };
    });
  }

  async get(caller: Caller, ref: AccountRef): Promise<Result<ServiceAccount>> {
    const denied = forbidden(caller, 'mintmark:accounts:read');
    return denied === null ? this.#finder.account(caller.organization.id, ref) : refuse(denied);
  }

  async list(
    caller: Caller,
    request: PageRequest<ServiceAccountId>,
  ): Promise<Result<Page<ServiceAccount, ServiceAccountId>>> {
    const denied = forbidden(caller, 'mintmark:accounts:read');
    if (denied !== null) return refuse(denied);
    return accept(await this.#store.list(caller.organization.id, request));
  }

  /** What `write` makes of each, for formats without pages. */
  async all<Written>(
    caller: Caller,
    write: (account: ServiceAccount) => Written | null,
  ): Promise<Result<Written[]>> {
    const denied = forbidden(caller, 'mintmark:accounts:read');
    if (denied !== null) return refuse(denied);
    const read = (request: PageRequest<ServiceAccountId>) =>
      this.#store.list(caller.organization.id, request);
    return accept(await unpaged(read, write));
  }

  update(caller: Caller, ref: AccountRef, patch: AccountPatch): Promise<Result<Changed<ServiceAccount>>> {
    const edit = (account: ServiceAccount) => ({
      ...account,
      name: patch.name ?? account.name,
      description: patch.description === undefined ? account.description : patch.description,
      permissions: patch.permissions ?? account.permissions,
      role: patch.role === undefined ? account.role : patch.role,
      metadata: patch.metadata === undefined ? account.metadata : (patch.metadata ?? {}),
      vendor: patch.vendor === undefined ? account.vendor : { ...account.vendor, ...patch.vendor },
    });
    return this.#edit(caller, ref, 'update_account', 'service_account.updated', edit, patch.grants);
  }

  /** Its keys are refused until it is enabled. */
  disable(caller: Caller, ref: AccountRef): Promise<Result<Changed<ServiceAccount>>> {
    return this.#edit(caller, ref, 'disable_account', 'service_account.disabled', (account, now) => ({
      ...account,
      disabledAt: account.disabledAt ?? now,
    }));
  }

  enable(caller: Caller, ref: AccountRef): Promise<Result<Changed<ServiceAccount>>> {
    return this.#edit(caller, ref, 'update_account', 'service_account.enabled', (account) => ({
      ...account,
      disabledAt: null,
    }));
  }

  /** Its keys are revoked with it, by this one change. */
  remove(caller: Caller, ref: AccountRef): Promise<Result<Changed<ServiceAccount>>> {
    return this.#edit(caller, ref, 'delete_account', 'service_account.deleted', (account, now) => ({
      ...account,
      deletedAt: now,
    }));
  }

  #edit(
    caller: Caller,
    ref: AccountRef,
    kind: 'update_account' | 'disable_account' | 'delete_account',
    action: Action,
    edit: (account: ServiceAccount, now: number) => ServiceAccount,
    grantsOf: (before: ServiceAccount) => readonly Scope[] = () => [],
  ): Promise<Result<Changed<ServiceAccount>>> {
    return this.#changes.make(caller, 'mintmark:accounts:write', async (current, now) => {
      const found = await this.#finder.account(current.organization.id, ref);
      if (!found.ok) return refusal(found.refusal);
      const before = found.value;
      const edited = edit(before, now);
      if (isSame(before, edited)) {
        return { kind: 'unchanged', value: before };
      }
      const after = { ...edited, updatedAt: now, updatedBy: current.actor.id };
      return {
        kind: 'change',
        edits: [{ action, write: { kind, row: after }, before }],
        grants: [...(accountIsStronger(before, after) ? grantedByAccount(after) : []), ...grantsOf(before)],
        grantedTo: { type: 'service_account', id: after.id },
        weakens: accountIsWeaker(before, after),
        value: after,
      };
    });
  }
}
