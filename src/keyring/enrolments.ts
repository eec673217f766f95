import { grantedByAccount } from '../core/authority.ts';
import type { Caller } from '../core/caller.ts';
import { resolveExpiry } from '../core/expiry.ts';
import type { IdFactory } from '../core/id.ts';
import type { Role, ServiceAccount, Vendor } from '../core/records.ts';
import type { Result } from '../core/refusal.ts';
import type { Scope } from '../core/scope.ts';
import { refusal, type Changed, type Changes } from './changes.ts';
import { accountCreation, newAccount, type NewAccount } from './new_account.ts';
import { keyCreation, type KeyMaker, type MintedKey } from './new_key.ts';

/** A key that an account is born with: it follows the account, and lives as long as the organization lets keys live. */
export interface FirstKey {
  readonly name: string;
  readonly vendor: Vendor;
}

export interface EnrolmentRequest extends Omit<NewAccount, 'grants' | 'role'> {
  /** The account's role, given what its maker may do. */
  readonly roleOf: (held: readonly Scope[]) => Role | null;
}

export interface Enrolment extends MintedKey {
  readonly account: ServiceAccount;
}

/** A service account and its first key by one change. Needs `mintmark:accounts:write` and `mintmark:keys:write`. */
export class Enrolments {
  readonly #changes: Changes;
  readonly #maker: KeyMaker;
  readonly #ids: IdFactory;

  constructor(changes: Changes, maker: KeyMaker, ids: IdFactory) {
    this.#changes = changes;
    this.#maker = maker;
    this.#ids = ids;
  }

  create(
    caller: Caller,
    { roleOf, ...asked }: EnrolmentRequest,
    first: FirstKey,
  ): Promise<Result<Changed<Enrolment>>> {
    const needed = ['mintmark:accounts:write', 'mintmark:keys:write'] as const;
    return this.#changes.make(caller, needed, async ({ actor, organization, scopes }, now) => {
      const { maxKeyLifetime } = organization;
      const expiry = resolveExpiry({ expiresIn: maxKeyLifetime ?? undefined }, now, maxKeyLifetime);
      if (!('expiresAt' in expiry)) return refusal({ kind: 'invalid', faults: [expiry] });

      const role = roleOf(scopes);
      const account = newAccount(
        this.#ids.serviceAccount(),
        { ...asked, role },
        organization.id,
        actor.id,
        now,
      );
      const minted = await this.#maker.make(
        {
          serviceAccountId: account.id,
          userId: null,
          name: first.name,
          description: null,
          environment: 'live',
          scopes: null,
          metadata: {},
          vendor: first.vendor,
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
        edits: [accountCreation(account), keyCreation(minted)],
        grants: grantedByAccount(account),
        grantedTo: { type: 'organization', id: organization.id },
        needsRoom: true,
        weakens: false,
        value: { account, key: minted.key, secret: minted.secret },
      };
    });
  }
}
