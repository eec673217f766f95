import { isSame, type Action } from '../core/audit.ts';
import { grantedByKey, keyIsStronger } from '../core/authority.ts';
import type { Caller } from '../core/caller.ts';
import { MAX_KEYS_IN_BATCH, MAX_LINEAGE_PASSES } from '../core/constants.ts';
import { isExpired, resolveExpiry, type ExpiryRequest } from '../core/expiry.ts';
import { Unavailable } from '../core/faults.ts';
import { parseKeyId, parseServiceAccountId, type KeyId } from '../core/id.ts';
import type { Page, PageRequest } from '../core/page.ts';
import type { ApiKey, Metadata, OrganizationRules, ServiceAccount } from '../core/records.ts';
import { accept, refuse, type Fault, type Refusal, type Result } from '../core/refusal.ts';
import { uncovered, type Scope } from '../core/scope.ts';
import type { Environment } from '../core/secret.ts';
import type { AccountStore } from '../store/accounts.ts';
import type { KeyFilter, KeyStore, ShownKey } from '../store/keys.ts';
import { forbidden, refusal, type Changed, type Changes } from './changes.ts';
import type { KeyMaker, MintedKey } from './new_key.ts';

export type { ShownKey };

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

export interface Revocation {
  readonly reason: string | null;
  /** Also what the key was rotated from and to. */
  readonly lineage: boolean;
}

/** A key as it would be, and what of its present state stands in the way; or what is wrong with the request. */
type Edited =
  | { readonly key: ApiKey; readonly conflict: Refusal | null }
  | { readonly faults: readonly Fault[] };

const KEY_NOT_FOUND: Refusal = { kind: 'not_found', what: 'API key' };
/** A deleted account has revoked its keys. */
const ACCOUNT_DELETED: Refusal = { kind: 'key_revoked' };
const ACCOUNT_NOT_FOUND: Refusal = { kind: 'not_found', what: 'service account' };

/** API keys of the caller's organization. Reading needs `mintmark:keys:read`, all else `mintmark:keys:write`. */
export class Keys {
  readonly #store: KeyStore;
  readonly #accounts: AccountStore;
  readonly #changes: Changes;
  readonly #maker: KeyMaker;
  readonly #clock: () => number;

  constructor(
    store: KeyStore,
    accounts: AccountStore,
    changes: Changes,
    maker: KeyMaker,
    clock: () => number,
  ) {
    this.#store = store;
    this.#accounts = accounts;
    this.#changes = changes;
    this.#maker = maker;
    this.#clock = clock;
  }

  mint(caller: Caller, owner: Owner, input: NewKey): Promise<Result<Changed<MintedKey>>> {
    return this.#changes.make(caller, 'mintmark:keys:write', async ({ actor, organization }, now) => {
      const accountId = 'serviceAccountId' in owner ? owner.serviceAccountId : null;
      const scopes = input.scopes ?? null;
      const expiry = resolveExpiry(input, now, organization.maxKeyLifetime);
      const faults = [
        ...(accountId === null ? personalScopeFaults(scopes, organization) : []),
        ...('expiresAt' in expiry ? [] : [expiry]),
      ];
      if (faults.length > 0 || !('expiresAt' in expiry)) return refusal({ kind: 'invalid', faults });
      const account = accountId === null ? null : await this.#account(organization, accountId);
      if (accountId !== null && account === null) return refusal(ACCOUNT_NOT_FOUND);

      const { key, secret, digest } = await this.#maker.make(
        {
          serviceAccountId: account?.id ?? null,
          userId: 'userId' in owner ? owner.userId : null,
          name: input.name,
          description: input.description ?? null,
          environment: input.environment ?? 'live',
          scopes,
          metadata: input.metadata ?? {},
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
        edits: [{ action: 'api_key.created', write: { kind: 'insert_key', row: key, digest }, before: null }],
        account,
        grants: grantedByKey(scopes, account),
        grantedTo:
          account === null
            ? { type: 'organization', id: organization.id }
            : { type: 'service_account', id: account.id },
        conflict: account !== null && account.disabledAt !== null ? { kind: 'account_disabled' } : null,
        needsRoom: true,
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
    // No key belongs to an account and to a person.
    if (filter.serviceAccountId !== undefined && filter.userId !== undefined)
      return accept({ items: [], next: null });
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
    return this.#edit(caller, id, 'update_key', 'api_key.updated', (key, { organization }, now) => {
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

  /**
   * Ends a key for good, and with `lineage` all that it was rotated from and to. A second call changes nothing and tells
   * the first.
   */
  revoke(caller: Caller, id: string, request: Revocation): Promise<Result<Changed<ShownKey>>> {
    const { reason, lineage } = request;
    if (lineage) return this.#revokeLineage(caller, id, reason);
    return this.#edit(caller, id, 'revoke_key', 'api_key.revoked', (key, { actor }, now) => ({
      key: revokedBy(actor.id, key, reason, now),
      conflict: null,
    }));
  }

  /** Ends a key, if it has not ended, and takes it out of the lists. */
  remove(caller: Caller, id: string): Promise<Result<Changed<ShownKey>>> {
    return this.#edit(caller, id, 'delete_key', 'api_key.deleted', (key, { actor }, now) => ({
      key: {
        ...key,
        revokedAt: key.revokedAt ?? now,
        revokedBy: key.revokedBy ?? actor.id,
        deletedAt: now,
      },
      conflict: null,
    }));
  }

  /**
   * Ends what is live of a lineage, batch by batch as any plan of D1 allows, and looks again until nothing is: a rotation
   * may have come between. The caller's own key comes last, as without it nothing more could be done. Where it can't go
   * on after a first batch, how much is done is for the caller to look at.
   */
  async #revokeLineage(
    caller: Caller,
    id: string,
    reason: string | null,
  ): Promise<Result<Changed<ShownKey>>> {
    const first = await this.#revokeSome(caller, id, reason);
    if (!first.ok || first.value.value.isDone) return mapped(first);
    try {
      for (let pass = 1; pass < MAX_LINEAGE_PASSES; pass++) {
        const next = await this.#revokeSome(caller, id, reason);
        if (!next.ok) break;
        if (next.value.value.isDone) return mapped(next);
      }
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
    }
    return refuse({ kind: 'outcome_unknown' });
  }

  /** One batch of a lineage's revocation. */
  #revokeSome(
    caller: Caller,
    id: string,
    reason: string | null,
  ): Promise<Result<Changed<{ found: ShownKey; isDone: boolean }>>> {
    return this.#changes.make(caller, 'mintmark:keys:write', async (current, now) => {
      const found = await this.#find(current, id);
      if (found === null) return refusal(KEY_NOT_FOUND);
      const live = (await this.#store.lineage(current.organization.id, found.key.id))
        .map(({ key }) => key)
        .filter(
          (key) => key.revokedAt === null && (key.id === found.key.id || !isExpired(key.expiresAt, now)),
        );
      const others = live.filter((key) => key.id !== current.credential?.key.id);
      const ending = others.length > 0 ? others.slice(0, MAX_KEYS_IN_BATCH) : live;
      if (ending.length === 0) return { kind: 'unchanged', value: { found, isDone: true } };
      return {
        kind: 'change',
        edits: ending.map((before) => ({
          action: 'api_key.revoked',
          write: {
            kind: 'revoke_key',
            row: revokedBy(current.actor.id, before, reason, now),
            isLast: others.length === 0,
          },
          before,
        })),
        grants: [],
        grantedTo: { type: 'api_key', id: found.key.id },
        weakens: true,
        value: {
          found: { ...found, key: revokedBy(current.actor.id, found.key, reason, now) },
          isDone: others.length === 0,
        },
      };
    });
  }

  #edit(
    caller: Caller,
    id: string,
    kind: 'update_key' | 'revoke_key' | 'delete_key',
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
      if (conflict === null && isSame(before, edited.key)) {
        return { kind: 'unchanged', value: found };
      }
      const after = { ...edited.key, updatedAt: now, updatedBy: current.actor.id };
      const isStronger = keyIsStronger(before, after);
      const account =
        isStronger && before.serviceAccountId !== null
          ? await this.#accounts.find(current.organization.id, before.serviceAccountId)
          : null;
      return {
        kind: 'change',
        edits: [{ action, write: { kind, row: after, ends: before.revokedAt === null }, before }],
        account,
        grants: isStronger ? grantedByKey(after.scopes, account) : [],
        grantedTo: { type: 'api_key', id: after.id },
        conflict:
          isStronger && before.serviceAccountId !== null && account === null ? ACCOUNT_DELETED : conflict,
        weakens: keyIsStronger(after, before) || after.revokedAt !== null,
        value: { ...found, key: after },
      };
    });
  }

  async #find(caller: Caller, id: string): Promise<ShownKey | null> {
    const keyId = parseKeyId(id);
    return keyId === null ? null : this.#store.find(caller.organization.id, keyId);
  }

  async #account(organization: OrganizationRules, id: string): Promise<ServiceAccount | null> {
    const accountId = parseServiceAccountId(id);
    return accountId === null ? null : this.#accounts.find(organization.id, accountId);
  }
}

function mapped(result: Result<Changed<{ readonly found: ShownKey }>>): Result<Changed<ShownKey>> {
  return result.ok ? accept({ ...result.value, value: result.value.value.found }) : result;
}

function revokedBy(principal: string, key: ApiKey, reason: string | null, now: number): ApiKey {
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

function patchConflict(key: ApiKey, patch: KeyPatch, now: number): Refusal | null {
  if (key.revokedAt !== null) return { kind: 'key_revoked' };
  // Its end was settled when it was rotated.
  if (key.rotatedTo !== null && isLater(patch.expiresAt, key.expiresAt)) return { kind: 'key_rotated' };
  return patch.expiresAt !== undefined && isExpired(key.expiresAt, now) ? { kind: 'key_expired' } : null;
}

function isLater(asked: number | null | undefined, present: number | null): boolean {
  return asked !== undefined && (asked ?? Infinity) > (present ?? Infinity);
}

/** A person's key has no account to follow, so it needs a list, within what the organization lets people have. */
function personalScopeFaults(scopes: readonly Scope[] | null, organization: OrganizationRules): Fault[] {
  if (scopes === null) return [{ path: 'scopes', message: 'a personal key needs a list of scopes' }];
  const outside = uncovered(organization.personalKeyPermissions, scopes);
  return scopes.flatMap((scope, index) =>
    outside.includes(scope)
      ? [{ path: `scopes.${index}`, message: "is outside the organization's personalKeyPermissions" }]
      : [],
  );
}
