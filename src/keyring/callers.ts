import type { Origin } from '../core/audit.ts';
import {
  hasEnded,
  holderOf,
  personOf,
  rootOf,
  type Caller,
  type Claim,
  type Principal,
} from '../core/caller.ts';
import { MAX_PRESUMED, PRESUMED_MS } from '../core/constants.ts';
import { decide, LIVE } from '../core/decide.ts';
import type { Floods } from '../core/floods.ts';
import type { Handle } from '../core/handle.ts';
import { DEFAULT_ORGANIZATION_ID, type OrganizationId } from '../core/id.ts';
import type { ReadOf } from '../core/knowledge.ts';
import type { Platform } from '../core/platform.ts';
import { Recent } from '../core/recent.ts';
import { isNamed, type KeyRecord, type LastUse } from '../core/records.ts';
import { accept, ORGANIZATION_NEEDED, refuse, type Refusal, type Result } from '../core/refusal.ts';
import type { Credentials, Presented } from '../credentials/credentials.ts';
import type { KeyStore } from '../store/keys.ts';
import type { FoundOrganization, OrganizationStore } from '../store/organizations.ts';

type ClaimBy<Kind extends Claim['by']['kind']> = Extract<Claim['by'], { kind: Kind }>;

export type BoundClaim = Claim & { readonly by: ClaimBy<'bound'> };

const NO_SUCH_ORGANIZATION: Refusal = { kind: 'not_found', what: 'organization' };

/** What the verifier of this isolate is asked, and told. */
interface Edge {
  /** Whether a cache knows a key. Where unknown ones flood in, D1 is asked of no others. */
  readonly knows: (handle: Handle) => Promise<boolean>;
  /** Called before D1 is asked; what it returns is given the answer, which may show the database to be another one. */
  readonly listen: () => (read: Pick<ReadOf, 'generation'> | null) => void;
  readonly noteUse: (record: KeyRecord, use: LastUse) => void;
}

/** Who may manage, by what D1's primary says: a revoked administrator can do nothing, at once. */
export class Callers {
  readonly #organizations: OrganizationStore;
  readonly #keys: KeyStore;
  readonly #credentials: Credentials;
  readonly #floods: Floods;
  readonly #edge: Edge;
  readonly #platform: Platform;
  readonly #recentRecords: Recent<Handle, KeyRecord>;
  readonly #recentOrganizations: Recent<string, FoundOrganization>;

  constructor(
    organizations: OrganizationStore,
    keys: KeyStore,
    credentials: Credentials,
    floods: Floods,
    edge: Edge,
    platform: Platform,
  ) {
    this.#organizations = organizations;
    this.#keys = keys;
    this.#credentials = credentials;
    this.#floods = floods;
    this.#edge = edge;
    this.#platform = platform;
    this.#recentRecords = new Recent(MAX_PRESUMED, PRESUMED_MS, platform.clock);
    this.#recentOrganizations = new Recent(MAX_PRESUMED, PRESUMED_MS, platform.clock);
  }

  /**
   * The caller behind a credential, by one D1 query. `named` are organizations, each by id or slug, and all must be the
   * same one; where there are none, it is the caller's own, or the default one for root.
   */
  identify(credential: string, named: readonly string[], origin: Origin): Promise<Result<Caller>> {
    return this.#identify(credential, named, origin, false);
  }

  /**
   * As {@link identify}, for a call that does nothing but make a change, whose batch judges the caller on D1's primary: what
   * D1 said of it earlier will do, without a query.
   */
  presume(credential: string, named: readonly string[], origin: Origin): Promise<Result<Caller>> {
    return this.#identify(credential, named, origin, true);
  }

  /** The caller that a binding's deployer says it is. */
  bound(claim: BoundClaim): Promise<Result<Caller>> {
    return this.#judge(claim);
  }

  /** As {@link bound}, for a call that does nothing but make a change. */
  async presumeBound(claim: BoundClaim): Promise<Result<Caller>> {
    return this.#presumed(claim) ?? this.#judge(claim);
  }

  /** The same caller as it stands now, or why it may no longer call. */
  refresh({ claim }: Caller): Promise<Result<Caller>> {
    return this.#judge(claim);
  }

  /** Asks D1 who calls before the next change: while it can't be reached, that says so before anything is sent off. */
  presumeNothing(): void {
    this.#recentRecords.clear();
    this.#recentOrganizations.clear();
  }

  /** Takes note that a caller's key was used: once D1 has said that it was good. */
  noteUse({ credential, claim: { origin } }: Caller): void {
    if (credential === null) return;
    const { ip, userAgent } = origin;
    this.#edge.noteUse(credential, { at: this.#platform.clock(), ip, userAgent });
  }

  async #identify(
    credential: string,
    named: readonly string[],
    origin: Origin,
    isPresumable: boolean,
  ): Promise<Result<Caller>> {
    const read = await this.#credentials.read(credential, origin.ip);
    if (!read.ok) return read;
    const presented = read.value;
    const claim: Claim = { by: claimOf(presented), named, origin };
    const presumed = isPresumable ? this.#presumed(claim) : null;
    if (presumed !== null) return presumed;
    // A token's signature says that its key is there.
    const isRefused =
      presented.kind === 'key' &&
      this.#floods.isPaused(presented.asker) &&
      !(await this.#edge.knows(presented.digest));
    if (isRefused) return refuse({ kind: 'rate_limited' });
    const judged = await this.#judge(claim);
    if ('asker' in presented && !judged.ok && isUnknown(judged.refusal)) this.#floods.note(presented.asker);
    return judged;
  }

  /** By one D1 query. */
  async #judge(claim: Claim): Promise<Result<Caller>> {
    const { by } = claim;
    const heard = this.#edge.listen();
    if (by.kind === 'key') {
      const record = await this.#keys.record(by.handle, this.#platform.clock());
      heard(record);
      // What is to end with a first use is not remembered as ahead of it.
      this.#recentRecords.set(by.handle, record?.key.supersedes === null ? record : null);
      return this.#holder(claim, by, record, false);
    }
    const name = organizationOf(claim);
    if (name === undefined) return refuse(ORGANIZATION_NEEDED);
    const found = await this.#organizations.read(name);
    heard(found);
    this.#recentOrganizations.set(name, found);
    return this.#member(claim, by, found, false);
  }

  /** By what D1 said earlier; null: that does not make it a caller, and D1 is to be asked. */
  #presumed(claim: Claim): Result<Caller> | null {
    const { by } = claim;
    const presumed =
      by.kind === 'key'
        ? this.#holder(claim, by, this.#recentRecords.get(by.handle) ?? null, true)
        : this.#member(claim, by, this.#recentOrganizations.get(organizationOf(claim) ?? '') ?? null, true);
    return presumed.ok ? presumed : null;
  }

  #holder(
    claim: Claim,
    { token }: ClaimBy<'key'>,
    record: KeyRecord | null,
    isPresumed: boolean,
  ): Result<Caller> {
    const decision = decide(record, LIVE, this.#platform.clock(), token);
    if (decision.code !== 'VALID') return refuse({ kind: 'invalid_credential', reason: decision.code });
    const { organization, generation } = decision.record;
    return claim.named.every((name) => isNamed(organization, name))
      ? accept({ ...holderOf(decision), organization, generation, isPresumed, claim })
      : refuse(NO_SUCH_ORGANIZATION);
  }

  #member(
    claim: Claim,
    by: Exclude<Claim['by'], { kind: 'key' }>,
    found: FoundOrganization | null,
    isPresumed: boolean,
  ): Result<Caller> {
    if (hasEnded(claim, this.#platform.clock()))
      return refuse({ kind: 'invalid_credential', reason: 'EXPIRED' });
    if (found === null) return refuse(NO_SUCH_ORGANIZATION);
    const { organization, generation } = found;
    const isOf = (name: string): boolean => isNamed(organization, name);
    const isIn = by.kind !== 'vouched' || by.vouched.organizations.some(isOf);
    return isIn && claim.named.every(isOf)
      ? accept({ ...principalOf(by, organization.id), organization, generation, isPresumed, claim })
      : refuse(NO_SUCH_ORGANIZATION);
  }
}

function claimOf(presented: Presented): Claim['by'] {
  switch (presented.kind) {
    case 'root':
      return { kind: 'root' };
    case 'vouched':
      return { kind: 'vouched', vouched: presented.vouched };
    case 'token':
      return { kind: 'key', handle: presented.token.keyId, token: presented.token };
    case 'key':
      return { kind: 'key', handle: presented.digest, token: null };
  }
}

/** The organization that is meant; undefined: it must be said. A person's is its own, if it is in one alone. */
function organizationOf({ by, named: [named] }: Claim): string | undefined {
  if (by.kind !== 'vouched') return named ?? DEFAULT_ORGANIZATION_ID;
  const [own, another] = by.vouched.organizations;
  return named ?? (another === undefined ? own : undefined);
}

function principalOf(
  by: Exclude<Claim['by'], { kind: 'key' }>,
  organizationId: OrganizationId,
): Omit<Principal, 'actor'> & Pick<Caller, 'actor'> {
  switch (by.kind) {
    case 'root':
      return rootOf(organizationId);
    case 'vouched':
      return personOf(organizationId, by.vouched);
    case 'bound':
      return { actor: by.actor, scopes: by.scopes, organizationId, credential: null, token: null };
  }
}

function isUnknown(refusal: Refusal): boolean {
  return refusal.kind === 'invalid_credential' && refusal.reason === 'NOT_FOUND';
}
