import type { Caller } from '../core/caller.ts';
import { MAX_PRESUMED, PRESUMED_MS } from '../core/constants.ts';
import { parseKeyId, parseServiceAccountId, type OrganizationId } from '../core/id.ts';
import { Recent } from '../core/recent.ts';
import type { ServiceAccount } from '../core/records.ts';
import { accept, refuse, type Refusal, type Result } from '../core/refusal.ts';
import type { AccountStore } from '../store/accounts.ts';
import type { KeyStore, ShownKey } from '../store/keys.ts';

/** Which service account is meant: by its id, or by its name, which one living account of an organization has. */
export type AccountRef = { readonly id: string } | { readonly name: string };

/** Which key is meant; where `account` is said, only if it is that account's. */
export interface KeyRef {
  readonly id: string;
  readonly account?: AccountRef | undefined;
}

interface FoundKey {
  readonly shown: ShownKey;
  readonly account: ServiceAccount | null;
}

/** An account, and the life of the database in which it was read: that of a caller who was read before it, or an earlier one. */
interface Remembered {
  readonly account: ServiceAccount;
  readonly generation: string;
}

export const KEY_NOT_FOUND: Refusal = { kind: 'not_found', what: 'API key' };
const ACCOUNT_NOT_FOUND: Refusal = { kind: 'not_found', what: 'service account' };

/** Finds what a call names among what is the caller's organization's and not deleted. */
export class Finder {
  readonly #accounts: AccountStore;
  readonly #keys: KeyStore;
  readonly #recent: Recent<ServiceAccount['id'], Remembered>;

  constructor(accounts: AccountStore, keys: KeyStore, clock: () => number) {
    this.#accounts = accounts;
    this.#keys = keys;
    this.#recent = new Recent(MAX_PRESUMED, PRESUMED_MS, clock);
  }

  async account(organizationId: OrganizationId, ref: AccountRef): Promise<Result<ServiceAccount>> {
    const found = await this.#account(organizationId, ref);
    return found === null ? refuse(ACCOUNT_NOT_FOUND) : accept(found);
  }

  /**
   * The account that a change relies on, and whose revision its batch asserts: for a caller that is presumed, it may be what D1
   * said earlier.
   */
  async reliedOn(
    { organization, generation, isPresumed }: Caller,
    ref: AccountRef,
  ): Promise<Result<ServiceAccount>> {
    const id = 'id' in ref ? parseServiceAccountId(ref.id) : null;
    const recent = isPresumed && id !== null ? this.#recent.get(id) : undefined;
    // The batch asserts the caller's generation, and with it the account's.
    if (recent?.generation === generation && recent.account.organizationId === organization.id)
      return accept(recent.account);
    const found = await this.account(organization.id, ref);
    if (found.ok) this.#recent.set(found.value.id, { account: found.value, generation });
    return found;
  }

  async key(organizationId: OrganizationId, ref: KeyRef): Promise<Result<ShownKey>> {
    const found = await this.#key(organizationId, ref);
    return found.ok ? accept(found.value.shown) : found;
  }

  /** A key and its account; null for a person's key, and where the account was deleted. */
  async keyWithAccount(caller: Caller, ref: KeyRef): Promise<Result<FoundKey>> {
    const found = await this.#key(caller.organization.id, ref);
    if (!found.ok || found.value.account !== null) return found;
    const { shown } = found.value;
    const { serviceAccountId: id } = shown.key;
    const account = id === null ? null : await this.reliedOn(caller, { id });
    return accept({ shown, account: account?.ok === true ? account.value : null });
  }

  /** The account as well, where the key was named within one. */
  async #key(organizationId: OrganizationId, { id, account }: KeyRef): Promise<Result<FoundKey>> {
    const owner = account === undefined ? accept(null) : await this.account(organizationId, account);
    if (!owner.ok) return owner;
    const keyId = parseKeyId(id);
    const shown = keyId === null ? null : await this.#keys.find(organizationId, keyId);
    if (shown === null || (owner.value !== null && shown.key.serviceAccountId !== owner.value.id))
      return refuse(KEY_NOT_FOUND);
    return accept({ shown, account: owner.value });
  }

  async #account(organizationId: OrganizationId, ref: AccountRef): Promise<ServiceAccount | null> {
    if ('name' in ref) return this.#accounts.findNamed(organizationId, ref.name);
    const id = parseServiceAccountId(ref.id);
    return id === null ? null : this.#accounts.find(organizationId, id);
  }
}
