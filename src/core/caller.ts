import type { AccessToken } from './access_token.ts';
import type { Actor, Origin } from './audit.ts';
import type { Decision } from './decide.ts';
import type { OrganizationId } from './id.ts';
import type { KeyRecord, OrganizationRules } from './records.ts';
import { EVERY_SCOPE, type Scope } from './scope.ts';

/** Who calls, and what that allows. */
export interface Principal {
  readonly actor: Actor & { readonly type: Exclude<Actor['type'], 'system'> };
  readonly organizationId: OrganizationId;
  readonly scopes: readonly Scope[];
  /** The key that was presented, or that the token is of; null for root. */
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

/** A principal that was judged on D1's primary, and may change things. */
export interface Caller extends Omit<Principal, 'actor'> {
  readonly actor: Actor;
  /** What a trusted issuer says of the caller; null: it is known by what is kept here. */
  readonly vouched: Vouched | null;
  readonly organization: OrganizationRules;
  readonly origin: Origin;
}

/** Mintmark itself, carrying out what somebody allowed earlier. */
export function systemOf(organization: OrganizationRules, requestId: string): Caller {
  return {
    ...rootOf(organization.id),
    actor: { type: 'system', id: 'system', credentialId: null },
    vouched: null,
    organization,
    origin: { requestId, ip: null, userAgent: null },
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
