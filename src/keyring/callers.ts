import type { AccessToken } from '../core/access_token.ts';
import type { Origin } from '../core/audit.ts';
import { holderOf, personOf, rootOf, type Caller, type Vouched } from '../core/caller.ts';
import { decide, LIVE } from '../core/decide.ts';
import type { Floods } from '../core/floods.ts';
import type { Handle } from '../core/handle.ts';
import { DEFAULT_ORGANIZATION_ID } from '../core/id.ts';
import type { Platform } from '../core/platform.ts';
import { isNamed, type KeyRecord } from '../core/records.ts';
import { accept, ORGANIZATION_NEEDED, refuse, type Result } from '../core/refusal.ts';
import type { Scope } from '../core/scope.ts';
import type { Credentials } from '../credentials/credentials.ts';
import type { KeyStore } from '../store/keys.ts';
import type { OrganizationStore } from '../store/organizations.ts';

/** Who may manage: judged on D1's primary at every call, so that a revoked administrator can do nothing, at once. */
export class Callers {
  readonly #organizations: OrganizationStore;
  readonly #keys: KeyStore;
  readonly #credentials: Credentials;
  readonly #floods: Floods;
  readonly #isKnown: (handle: Handle) => Promise<boolean>;
  readonly #platform: Platform;

  /** `isKnown`: whether a cache knows a key. Where unknown ones flood in, D1 is asked of no others. */
  constructor(
    organizations: OrganizationStore,
    keys: KeyStore,
    credentials: Credentials,
    floods: Floods,
    isKnown: (handle: Handle) => Promise<boolean>,
    platform: Platform,
  ) {
    this.#organizations = organizations;
    this.#keys = keys;
    this.#credentials = credentials;
    this.#floods = floods;
    this.#isKnown = isKnown;
    this.#platform = platform;
  }

  /**
   * The caller behind a credential, by one D1 query. `organizations` is what it named, each by id or slug, and all must be
   * the same one; where it named none, it is its own, or the default one for root.
   */
  async identify(
    credential: string,
    organizations: readonly string[],
    origin: Origin,
  ): Promise<Result<Caller>> {
    const read = await this.#credentials.read(credential, origin.ip);
    if (!read.ok) return read;
    const presented = read.value;
    if (presented.kind === 'root') return this.#root(organizations, origin);
    if (presented.kind === 'vouched') return this.#person(presented.vouched, organizations, origin);
    const { asker } = presented;
    const token = presented.kind === 'token' ? presented.token : null;
    const handle = presented.kind === 'token' ? presented.token.keyId : presented.digest;
    // A token's signature says that its key is there.
    if (token === null && this.#floods.isPaused(asker) && !(await this.#isKnown(handle)))
      return refuse({ kind: 'rate_limited' });
    const record = await this.#keys.record(handle, this.#platform.clock());
    if (record === null) this.#floods.note(asker);
    const caller = this.#holder(record, token, origin);
    if (!caller.ok) return caller;
    const { organization } = caller.value;
    return organizations.every((named) => isNamed(organization, named))
      ? caller
      : refuse({ kind: 'not_found', what: 'organization' });
  }

  /** The caller that a binding's deployer says it is, in an organization named by id or slug. */
  async bound(
    organization: string,
    actor: Caller['actor'],
    scopes: readonly Scope[],
    origin: Origin,
  ): Promise<Result<Caller>> {
    const found = await this.#organizations.find(organization);
    return found === null
      ? refuse({ kind: 'not_found', what: 'organization' })
      : accept({
          actor,
          scopes,
          organizationId: found.id,
          credential: null,
          token: null,
          vouched: null,
          organization: found,
          origin,
        });
  }

  /** The same caller as it stands now, or why it may no longer call. */
  async refresh(caller: Caller): Promise<Result<Caller>> {
    const { credential, token, vouched, origin } = caller;
    if (vouched !== null) return this.#person(vouched, [caller.organization.id], origin);
    if (credential !== null) {
      return this.#holder(await this.#keys.record(credential.key.id, this.#platform.clock()), token, origin);
    }
    const organization = await this.#organizations.find(caller.organization.id);
    return organization === null
      ? refuse({ kind: 'not_found', what: 'organization' })
      : accept({ ...caller, organization });
  }

  async #root(named: readonly string[], origin: Origin): Promise<Result<Caller>> {
    const [first = DEFAULT_ORGANIZATION_ID] = named;
    const organization = await this.#organizations.find(first);
    return organization !== null && named.every((name) => isNamed(organization, name))
      ? accept({ ...rootOf(organization.id), vouched: null, organization, origin })
      : refuse({ kind: 'not_found', what: 'organization' });
  }

  /** In the organization that is named, if it is one of the person's; else in the person's, if there is one alone. */
  async #person(vouched: Vouched, named: readonly string[], origin: Origin): Promise<Result<Caller>> {
    if (vouched.expiresAt <= this.#platform.clock())
      return refuse({ kind: 'invalid_credential', reason: 'EXPIRED' });
    const [own, another] = vouched.organizations;
    const [first = another === undefined ? own : undefined] = named;
    if (first === undefined) return refuse(ORGANIZATION_NEEDED);
    const organization = await this.#organizations.find(first);
    const isNamedBy = (name: string): boolean => organization !== null && isNamed(organization, name);
    return organization !== null && vouched.organizations.some(isNamedBy) && named.every(isNamedBy)
      ? accept({ ...personOf(organization.id, vouched), vouched, organization, origin })
      : refuse({ kind: 'not_found', what: 'organization' });
  }

  #holder(record: KeyRecord | null, token: AccessToken | null, origin: Origin): Result<Caller> {
    const decision = decide(record, LIVE, this.#platform.clock(), token);
    if (decision.code !== 'VALID') return refuse({ kind: 'invalid_credential', reason: decision.code });
    return accept({
      ...holderOf(decision),
      vouched: null,
      organization: decision.record.organization,
      origin,
    });
  }
}
