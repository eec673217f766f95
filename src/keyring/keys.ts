import { isSame, type Action } from '../core/audit.ts';
import { grantedByKey, keyIsStronger } from '../core/authority.ts';
import type { RandomSource } from '../core/base62.ts';
import type { Caller } from '../core/caller.ts';
import { isExpired, resolveExpiry, type ExpiryRequest } from '../core/expiry.ts';
import { parseKeyId, parseServiceAccountId, type IdFactory, type KeyId } from '../core/id.ts';
import type { Page, PageRequest } from '../core/page.ts';
import type { ApiKey, Metadata, Organization, ServiceAccount } from '../core/records.ts';
import { accept, refuse, type Fault, type Refusal, type Result } from '../core/refusal.ts';
import { uncovered, type Scope } from '../core/scope.ts';
import {
  digestOf,
  fingerprintOf,
  mintSecret,
  startOf,
  type Environment,
  type Secret,
} from '../core/secret.ts';
import type { AccountStore } from '../store/accounts.ts';
import type { KeyFilter, KeyStore, ShownKey } from '../store/keys.ts';
import { forbidden, refusal, type Changed, type Changes } from './changes.ts';

/** Whose a new key is: an account's, or a person's by the application's own identifier. */
export type Owner = { readonly serviceAccountId: string } | { readonly userId: string };

export interface NewKey extends ExpiryRequest {
  readonly name: string;
  readonly description?: string | null | undefined;
  readonly environment?: Environment | undefined;
  /** Null or absent: the key follows its account. */
  readonly scopes?: readonly Scope[] | null | undefined;
  readonly metadata?: Metadata | undefined;
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

/** A new key with its secret, which is nowhere else and never told again. */
export interface MintedKey {
  readonly key: ApiKey;
  readonly secret: Secret;
}

/** A key as it would be, and what of its present state stands in the way; or what is wrong with the request. */
type Edited =
  | { readonly key: ApiKey; readonly conflict: Refusal | null }
  | { readonly faults: readonly Fault[] };

const KEY_NOT_FOUND: Refusal = { kind: 'not_found', what: 'API key' };
const ACCOUNT_NOT_FOUND: Refusal = { kind: 'not_found', what: 'service account' };

/** API keys of the caller's organization. Reading needs `mintmark:keys:read`, all else `mintmark:keys:write`. */
export class Keys {
  readonly #store: KeyStore;
  readonly #accounts: AccountStore;
  readonly #changes: Changes;
  readonly #ids: IdFactory;
  readonly #random: RandomSource;
  readonly #clock: () => number;

  constructor(
    store: KeyStore,
    accounts: AccountStore,
    changes: Changes,
    ids: IdFactory,
    random: RandomSource,
    clock: () => number,
  ) {
    this.#store = store;
    this.#accounts = accounts;
    this.#changes = changes;
    this.#ids = ids;
    this.#random = random;
    this.#clock = clock;
  }

  mint(caller: Caller, owner: Owner, input: NewKey): Promise<Result<Changed<MintedKey>>> {
    return this.#changes.make(caller, 'mintmark:keys:write', async ({ actor, organization }, now) => {
      const account =
        'serviceAccountId' in owner ? await this.#account(organization, owner.serviceAccountId) : null;
      if ('serviceAccountId' in owner && account === null) return refusal(ACCOUNT_NOT_FOUND);

      const scopes = input.scopes ?? null;
      const expiry = resolveExpiry(input, now, organization.maxKeyLifetime);
      const faults = [
        ...(account === null ? personalScopeFaults(scopes, organization) : []),
        ...('expiresAt' in expiry ? [] : [expiry]),
      ];
      if (faults.length > 0 || !('expiresAt' in expiry)) return refusal({ kind: 'invalid', faults });

      const environment = input.environment ?? 'live';
      const secret = mintSecret(organization.keyPrefix, environment, this.#random);
      const key: ApiKey = {
        id: this.#ids.key(),
        organizationId: organization.id,
        serviceAccountId: account?.id ?? null,
        userId: 'userId' in owner ? owner.userId : null,
        name: input.name,
        description: input.description ?? null,
        environment,
        start: startOf(secret),
        fingerprint: fingerprintOf(secret),
        scopes,
        metadata: input.metadata ?? {},
        enabled: true,
        createdAt: now,
        createdBy: actor.id,
        updatedAt: now,
        updatedBy: actor.id,
        expiresAt: expiry.expiresAt,
        revokedAt: null,
        revokedBy: null,
        revocationReason: null,
        rotatedFrom: null,
        rotatedTo: null,
        deletedAt: null,
        revision: 1,
      };
      return {
        kind: 'change',
        action: 'api_key.created',
        write: { kind: 'insert_key', key, digest: await digestOf(secret) },
        before: null,
        account,
        grants: grantedByKey(scopes, account),
        conflict: account !== null && account.disabledAt !== null ? { kind: 'account_disabled' } : null,
        weakens: false,
        value: { key, secret },
      };
    });
  }

  async get(caller: Caller, id: string): Promise<Result<ShownKey>> {
    const denied = forbidden(caller, 'mintmark:keys:read');
    if (denied !== null) return refuse(denied);
    const found = await this.#find(caller, id);
    return found === null ? refuse(KEY_NOT_FOUND) : accept(found);
  }

  async list(
    caller: Caller,
    filter: KeyFilter,
    request: PageRequest<KeyId>,
  ): Promise<Result<Page<ShownKey, KeyId>>> {
    const denied = forbidden(caller, 'mintmark:keys:read');
    if (denied !== null) return refuse(denied);
    return accept(await this.#store.list(caller.organization.id, filter, request, this.#clock()));
  }

  /** As {@link list}, for the keys of one account, which must exist. */
  async listOfAccount(
    caller: Caller,
    accountId: string,
    filter: KeyFilter,
    request: PageRequest<KeyId>,
  ): Promise<Result<Page<ShownKey, KeyId>>> {
    const denied = forbidden(caller, 'mintmark:keys:read');
    if (denied !== null) return refuse(denied);
    const account = await this.#account(caller.organization, accountId);
    return account === null
      ? refuse(ACCOUNT_NOT_FOUND)
      : this.list(caller, { ...filter, serviceAccountId: account.id }, request);
  }

  update(caller: Caller, id: string, patch: KeyPatch): Promise<Result<Changed<ShownKey>>> {
    return this.#edit(caller, id, 'api_key.updated', (key, { organization }, now) => {
      const scopes = patch.scopes === undefined ? key.scopes : patch.scopes;
      const expiry =
        patch.expiresAt === undefined
          ? { expiresAt: key.expiresAt }
          : resolveExpiry({ expiresAt: patch.expiresAt }, now, organization.maxKeyLifetime);
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
        conflict: conflictOf(key, patch, now),
      };
    });
  }

  /** Ends a key for good. A second call changes nothing and tells the first. */
  revoke(caller: Caller, id: string, reason: string | null): Promise<Result<Changed<ShownKey>>> {
    return this.#edit(caller, id, 'api_key.revoked', (key, { actor }, now) => ({
      key:
        key.revokedAt === null
          ? { ...key, revokedAt: now, revokedBy: actor.id, revocationReason: reason }
          : key,
      conflict: null,
    }));
  }

  /** Ends a key, if it has not ended, and takes it out of the lists. */
  remove(caller: Caller, id: string): Promise<Result<Changed<ShownKey>>> {
    return this.#edit(caller, id, 'api_key.deleted', (key, { actor }, now) => ({
      key: {
        ...key,
        revokedAt: key.revokedAt ?? now,
        revokedBy: key.revokedBy ?? actor.id,
        deletedAt: now,
      },
      conflict: null,
    }));
  }

  #edit(
    caller: Caller,
    id: string,
    action: Action,
    edit: (key: ApiKey, caller: Caller, now: number) => Edited,
  ): Promise<Result<Changed<ShownKey>>> {
    return this.#changes.make(caller, 'mintmark:keys:write', async (current, now) => {
      const found = await this.#find(current, id);
      if (found === null) return refusal(KEY_NOT_FOUND);
      const before = found.key;
      const edited = edit(before, current, now);
      if ('faults' in edited) return refusal({ kind: 'invalid', faults: edited.faults });
      const { conflict } = edited;
      if (conflict === null && isSame(before, edited.key))
        return { kind: 'unchanged', value: found, weakenedAt: before.revokedAt };

      const after = { ...edited.key, updatedAt: now, updatedBy: current.actor.id };
      const isStronger = keyIsStronger(before, after);
      const account =
        isStronger && before.serviceAccountId !== null
          ? await this.#accounts.find(current.organization.id, before.serviceAccountId)
          : null;
      return {
        kind: 'change',
        action,
        write: { kind: 'update_key', key: after },
        before,
        account,
        grants: isStronger ? grantedByKey(after.scopes, account) : [],
        conflict,
        weakens: keyIsStronger(after, before),
        value: { ...found, key: after },
      };
    });
  }

  async #find(caller: Caller, id: string): Promise<ShownKey | null> {
    const keyId = parseKeyId(id);
    return keyId === null ? null : this.#store.find(caller.organization.id, keyId);
  }

  async #account(organization: Organization, id: string): Promise<ServiceAccount | null> {
    const accountId = parseServiceAccountId(id);
    return accountId === null ? null : this.#accounts.find(organization.id, accountId);
  }
}

function conflictOf(key: ApiKey, patch: KeyPatch, now: number): Refusal | null {
  if (key.revokedAt !== null) return { kind: 'key_revoked' };
  return patch.expiresAt !== undefined && isExpired(key.expiresAt, now) ? { kind: 'key_expired' } : null;
}

/** A person's key has no account to follow, so it needs a list, within what the organization lets people have. */
function personalScopeFaults(scopes: readonly Scope[] | null, organization: Organization): Fault[] {
  if (scopes === null) return [{ path: 'scopes', message: 'a personal key needs a list of scopes' }];
  const outside = uncovered(organization.personalKeyPermissions, scopes);
  return scopes.flatMap((scope, index) =>
    outside.includes(scope)
      ? [{ path: `scopes.${index}`, message: "is outside the organization's personalKeyPermissions" }]
      : [],
  );
}
