import { isSame, type Action } from '../core/audit.ts';
import { grantedByKey, keyIsStronger, personalScopeFaults } from '../core/authority.ts';
import type { Caller } from '../core/caller.ts';
import { isExpired, resolveExpiry, type ExpiryRequest } from '../core/expiry.ts';
import type { KeyId } from '../core/id.ts';
import type { Page, PageRequest } from '../core/page.ts';
import { revokedBy, type ApiKey, type Metadata, type ServiceAccount, type Vendor } from '../core/records.ts';
import { accept, refuse, type Fault, type Refusal, type Result } from '../core/refusal.ts';
import type { Scope } from '../core/scope.ts';
import type { Environment } from '../core/secret.ts';
import type { KeyFilter, KeyStore, ShownKey } from '../store/keys.ts';
import { forbidden, refusal, type Changed, type Changes, type Needed } from './changes.ts';
import { KEY_NOT_FOUND, type AccountRef, type Finder, type KeyRef } from './finder.ts';
import { keyCreation, type KeyMaker, type MintedKey } from './new_key.ts';
import { unpaged } from './unpaged.ts';

export type { ShownKey };

/** Whose a new key is: an account's, or a person's by the application's own identifier. */
export type Owner =
  | {
      readonly account: AccountRef;
      /** Which of the account's permissions the key is to have, as they stand; unless said, what its `scopes` say. */
      readonly only?: ((permission: Scope) => boolean) | undefined;
    }
  | { readonly userId: string };

export interface NewKey extends ExpiryRequest {
  /** Absent: `key-` and the key's start. */
  readonly name?: string | undefined;
  readonly description?: string | null | undefined;
  readonly environment?: Environment | undefined;
  /** Null or absent: the key follows its account. */
  readonly scopes?: readonly Scope[] | null | undefined;
  readonly metadata?: Metadata | undefined;
  readonly vendor?: Vendor | undefined;
  /** Refuse it where a live key of the account has the name. */
  readonly isNamedAlone?: boolean | undefined;
}

/** Absent: unchanged. Null: cleared. */
export interface KeyPatch {
  readonly name?: string | undefined;
  readonly description?: string | null | undefined;
  readonly scopes?: readonly Scope[] | null | undefined;
  readonly metadata?: Metadata | null | undefined;
  readonly expiresAt?: number | null | undefined;
  readonly enabled?: boolean | undefined;
}

export interface Revocation {
  readonly reason: string | null;
  /** A key that is revoked already is not found, where otherwise the call changes nothing and tells the first. */
  readonly isOnce?: boolean | undefined;
  /** Whether it is the caller's own, which it may end whatever its scopes. */
  readonly isOwn?: boolean | undefined;
}

/** A key as it would be, and what of its present state stands in the way; or what is wrong with the request. */
type Edited =
  | { readonly key: ApiKey; readonly conflict: Refusal | null }
  | { readonly faults: readonly Fault[] };

/** A deleted account has revoked its keys. */
const ACCOUNT_DELETED: Refusal = { kind: 'key_revoked' };

/** API keys of the caller's organization. Reading needs `mintmark:keys:read`, all else `mintmark:keys:write`. */
export class Keys {
  readonly #store: KeyStore;
  readonly #finder: Finder;
  readonly #changes: Changes;
  readonly #maker: KeyMaker;
  readonly #clock: () => number;

  constructor(store: KeyStore, finder: Finder, changes: Changes, maker: KeyMaker, clock: () => number) {
    this.#store = store;
    this.#finder = finder;
    this.#changes = changes;
    this.#maker = maker;
    this.#clock = clock;
  }

  mint(caller: Caller, owner: Owner, input: NewKey): Promise<Result<Changed<MintedKey>>> {
    return this.#changes.make(caller, 'mintmark:keys:write', async (current, now) => {
      const { actor, organization } = current;
      const asked = input.scopes ?? null;
      const expiry = resolveExpiry(input, now, organization.maxKeyLifetime);
      const faults = [
        ...('userId' in owner ? personalScopeFaults(asked, organization) : []),
        ...('expiresAt' in expiry ? [] : [expiry]),
      ];
      if (faults.length > 0 || !('expiresAt' in expiry)) return refusal({ kind: 'invalid', faults });
      const owned = 'account' in owner ? await this.#finder.reliedOn(current, owner.account) : accept(null);
      if (!owned.ok) return refusal(owned.refusal);
      const account = owned.value;
      const only = 'account' in owner ? owner.only : undefined;
      const scopes = only === undefined ? asked : (account?.permissions ?? []).filter(only);

      const minted = await this.#maker.make(
        {
          serviceAccountId: account?.id ?? null,
          userId: 'userId' in owner ? owner.userId : null,
          name: input.name ?? null,
          description: input.description ?? null,
          environment: input.environment ?? 'live',
          scopes,
          metadata: input.metadata ?? {},
          vendor: input.vendor ?? null,
          expiresAt: expiry.expiresAt,
          rotatedFrom: null,
          supersedes: null,
        },
        organization,
        actor.id,
        now,
      );
      return {
        kind: 'change',
        edits: [keyCreation(minted, input.isNamedAlone)],
        account,
        grants: grantedByKey(scopes, account),
        grantedTo:
          account === null
            ? { type: 'organization', id: organization.id }
            : { type: 'service_account', id: account.id },
        conflict: account !== null && account.disabledAt !== null ? { kind: 'account_disabled' } : null,
        needsRoom: true,
        weakens: false,
        value: { key: minted.key, secret: minted.secret },
      };
    });
  }

  async get(caller: Caller, ref: KeyRef): Promise<Result<ShownKey>> {
    const denied = forbidden(caller, 'mintmark:keys:read');
    return denied === null ? this.#finder.key(caller.organization.id, ref) : refuse(denied);
  }

  async list(
    caller: Caller,
    filter: KeyFilter,
    request: PageRequest<KeyId>,
  ): Promise<Result<Page<ShownKey, KeyId>>> {
    const denied = forbidden(caller, 'mintmark:keys:read');
    if (denied !== null) return refuse(denied);
    // No key belongs to an account and to a person.
    if (filter.serviceAccountId !== undefined && filter.userId !== undefined)
      return accept({ items: [], next: null });
    return accept(await this.#store.list(caller.organization.id, filter, request, this.#clock()));
  }

  /** As {@link list}, for the keys of one account, which must exist. */
  async listOfAccount(
    caller: Caller,
    ref: AccountRef,
    filter: KeyFilter,
    request: PageRequest<KeyId>,
  ): Promise<Result<Page<ShownKey, KeyId>>> {
    const account = await this.#accountForReading(caller, ref);
    return account.ok
      ? this.list(caller, { ...filter, serviceAccountId: account.value.id }, request)
      : account;
  }

  /** What `write` makes of each key of an account, for formats without pages. */
  async allOfAccount<Written>(
    caller: Caller,
    ref: AccountRef,
    filter: KeyFilter,
    write: (shown: ShownKey) => Written | null,
  ): Promise<Result<Written[]>> {
    const account = await this.#accountForReading(caller, ref);
    if (!account.ok) return account;
    const owned = { ...filter, serviceAccountId: account.value.id };
    const read = (request: PageRequest<KeyId>) =>
      this.#store.list(caller.organization.id, owned, request, this.#clock());
    return accept(await unpaged(read, write));
  }

  update(caller: Caller, ref: KeyRef, patch: KeyPatch): Promise<Result<Changed<ShownKey>>> {
    return this.#edit(caller, ref, 'update_key', 'api_key.updated', (key, { organization }, now) => {
      const scopes = patch.scopes === undefined ? key.scopes : patch.scopes;
      const expiry =
        patch.expiresAt === undefined
          ? { expiresAt: key.expiresAt }
          : resolveExpiry({ expiresAt: patch.expiresAt }, now, organization.maxKeyLifetime, key.createdAt);
      const faults = [
        ...(key.userId !== null && patch.scopes !== undefined
          ? personalScopeFaults(scopes, organization)
          : []),
        ...('expiresAt' in expiry ? [] : [expiry]),
      ];
      if (faults.length > 0 || !('expiresAt' in expiry)) return { faults };
      return {
        key: {
          ...key,
          name: patch.name ?? key.name,
          description: patch.description === undefined ? key.description : patch.description,
          scopes,
          metadata: patch.metadata === undefined ? key.metadata : (patch.metadata ?? {}),
          expiresAt: expiry.expiresAt,
          enabled: patch.enabled ?? key.enabled,
        },
        conflict: patchConflict(key, patch, now),
      };
    });
  }

  /** Ends a key for good. */
  revoke(
    caller: Caller,
    ref: KeyRef,
    { reason, isOnce = false, isOwn = false }: Revocation,
  ): Promise<Result<Changed<ShownKey>>> {
    const edit = (key: ApiKey, { actor }: Caller, now: number): Edited => ({
      key: revokedBy(actor.id, key, reason, now),
      conflict: isOnce && key.revokedAt !== null ? KEY_NOT_FOUND : null,
    });
    return this.#edit(
      caller,
      ref,
      'revoke_key',
      'api_key.revoked',
      edit,
      isOwn ? null : 'mintmark:keys:write',
    );
  }

  /** Ends a key, if it has not ended, and takes it out of the lists. */
  remove(caller: Caller, ref: KeyRef): Promise<Result<Changed<ShownKey>>> {
    return this.#edit(caller, ref, 'delete_key', 'api_key.deleted', (key, { actor }, now) => ({
      key: {
        ...key,
        revokedAt: key.revokedAt ?? now,
        revokedBy: key.revokedBy ?? actor.id,
        deletedAt: now,
      },
      conflict: null,
    }));
  }

  async #accountForReading(caller: Caller, ref: AccountRef): Promise<Result<ServiceAccount>> {
    const denied = forbidden(caller, 'mintmark:keys:read');
    return denied === null ? this.#finder.account(caller.organization.id, ref) : refuse(denied);
  }

  #edit(
    caller: Caller,
    ref: KeyRef,
    kind: 'update_key' | 'revoke_key' | 'delete_key',
    action: Action,
    edit: (key: ApiKey, caller: Caller, now: number) => Edited,
    needed: Needed = 'mintmark:keys:write',
  ): Promise<Result<Changed<ShownKey>>> {
    return this.#changes.make(caller, needed, async (current, now) => {
      const shown = await this.#finder.key(current.organization.id, ref);
      if (!shown.ok) return refusal(shown.refusal);
      const found = shown.value;
      const before = found.key;
      const edited = edit(before, current, now);
      if ('faults' in edited) return refusal({ kind: 'invalid', faults: edited.faults });
      const { conflict } = edited;
      if (conflict === null && isSame(before, edited.key)) {
        return { kind: 'unchanged', value: found };
      }
      const after = { ...edited.key, updatedAt: now, updatedBy: current.actor.id };
      const isStronger = keyIsStronger(before, after);
      const owned =
        isStronger && before.serviceAccountId !== null
          ? await this.#finder.reliedOn(current, { id: before.serviceAccountId })
          : accept(null);
      const account = owned.ok ? owned.value : null;
      return {
        kind: 'change',
        edits: [{ action, write: { kind, row: after, ends: before.revokedAt === null }, before }],
        account,
        grants: isStronger ? grantedByKey(after.scopes, account) : [],
        grantedTo: { type: 'api_key', id: after.id },
        conflict: owned.ok ? conflict : ACCOUNT_DELETED,
        weakens: keyIsStronger(after, before) || after.revokedAt !== null,
        value: { ...found, key: after },
      };
    });
  }
}

function patchConflict(key: ApiKey, patch: KeyPatch, now: number): Refusal | null {
  if (key.revokedAt !== null) return { kind: 'key_revoked' };
  // Its end was settled when it was rotated.
  if (key.rotatedTo !== null && isLater(patch.expiresAt, key.expiresAt)) return { kind: 'key_rotated' };
  return patch.expiresAt !== undefined && isExpired(key.expiresAt, now) ? { kind: 'key_expired' } : null;
}

function isLater(asked: number | null | undefined, present: number | null): boolean {
  return asked !== undefined && (asked ?? Infinity) > (present ?? Infinity);
}
