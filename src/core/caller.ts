import type { AccessToken } from './access_token.ts';
import type { Actor, Origin } from './audit.ts';
import type { Decision } from './decide.ts';
import type { Handle } from './handle.ts';
import type { OrganizationId } from './id.ts';
import type { KeyRecord, OrganizationRules } from './records.ts';
import { EVERY_SCOPE, type Scope } from './scope.ts';

/** Who calls, and what that allows. */
export interface Principal {
  readonly actor: Actor & { readonly type: Exclude<Actor['type'], 'system'> };
  readonly organizationId: OrganizationId;
  readonly scopes: readonly Scope[];
  /** The key that was presented, or that the token is of; null for who has none: root, a person, a binding. */
  readonly credential: KeyRecord | null;
  /** The token that was presented, if one was. */
  readonly token: AccessToken | null;
}

/** Whom a trusted issuer vouches for, as the settings read its claims. */
export interface Vouched {
  readonly subject: string;
  /** Organizations that it may act in, each as the settings name it, by id or slug. */
  readonly organizations: readonly string[];
  readonly scopes: readonly Scope[];
  /** Its `jti`, if it has one that can be kept. */
  readonly tokenId: string | null;
  /** Epoch milliseconds, what clocks may differ by included. */
  readonly expiresAt: number;
}

/** A principal that manages. What it reads, and what it changes, is judged on D1's primary. */
export interface Caller extends Omit<Principal, 'actor'> {
  readonly actor: Actor;
  readonly organization: OrganizationRules;
  /** The life of the database in which all this was read. */
  readonly generation: string;
  /**
   * Whether this is what D1's primary said earlier: enough to prepare a change, whose batch asks it again, and for nothing
   * else. No answer may follow from what it may do, or where.
   */
  readonly isPresumed: boolean;
  readonly claim: Claim;
}

/** Who somebody says they are, by what they presented: what a caller is judged by, again where need be. */
export interface Claim {
  readonly by:
    | { readonly kind: 'root' }
    /** By a key or, in its place, a token of it. */
    | { readonly kind: 'key'; readonly handle: Handle; readonly token: AccessToken | null }
    /** By a token of the issuer that is trusted. */
    | { readonly kind: 'vouched'; readonly vouched: Vouched }
    /** By who deployed the binding, or by Mintmark itself. */
    | { readonly kind: 'bound'; readonly actor: Actor; readonly scopes: readonly Scope[] };
  /** Organizations, each by id or slug: all must be the same one. */
  readonly named: readonly string[];
  readonly origin: Origin;
}

/** Whether what was presented has ended by itself, where no row tells of it: a trusted issuer's token. */
export const hasEnded = ({ by }: Claim, now: number): boolean =>
  by.kind === 'vouched' && by.vouched.expiresAt <= now;

/** Mintmark itself, carrying out what somebody allowed earlier. */
export function systemOf({ organization, generation }: KeyRecord, requestId: string): Caller {
  const actor = { type: 'system', id: 'system', credentialId: null } as const;
  return {
    ...rootOf(organization.id),
    actor,
    organization,
    generation,
    isPresumed: false,
    claim: {
      by: { kind: 'bound', actor, scopes: EVERY_SCOPE },
      named: [organization.id],
      origin: { requestId, ip: null, userAgent: null },
    },
  };
}

export function rootOf(organizationId: OrganizationId): Principal {
  return {
    actor: { type: 'root', id: 'root', credentialId: null },
    organizationId,
    scopes: EVERY_SCOPE,
    credential: null,
    token: null,
  };
}

/** A person whom a trusted issuer vouches for. */
export function personOf(organizationId: OrganizationId, { subject, scopes, tokenId }: Vouched): Principal {
  return {
    actor: { type: 'user', id: subject, credentialId: tokenId },
    organizationId,
    scopes,
    credential: null,
    token: null,
  };
}

/** The principal behind a valid key, or a token of it. */
export function holderOf({ record, token, scopes }: Extract<Decision, { code: 'VALID' }>): Principal {
  const { key, account, organization } = record;
  const credentialId = token?.id ?? key.id;
  return {
    actor:
      account === null
        ? { type: 'user', id: key.userId ?? '', credentialId }
        : { type: 'service_account', id: account.id, credentialId },
    organizationId: organization.id,
    scopes,
    credential: record,
    token,
  };
}
