import type { AccessToken } from './access_token.ts';
import { effectiveScopes } from './authority.ts';
import { isExpired } from './expiry.ts';
import type { OrganizationId } from './id.ts';
import { isNamed, type KeyRecord } from './records.ts';
import { coversAll, intersect, type Scope } from './scope.ts';
import type { Environment } from './secret.ts';

/** Every outcome of a verification, in the order in which they are looked for. */
export const VERDICT_CODES = [
  'MALFORMED',
  'NOT_FOUND',
  'REVOKED',
  'ACCOUNT_DISABLED',
  'DISABLED',
  'EXPIRED',
  'WRONG_ENVIRONMENT',
  'IP_DENIED',
  'INSUFFICIENT_SCOPE',
  'RATE_LIMITED',
  'USAGE_EXCEEDED',
  'VALID',
] as const;
export type VerdictCode = (typeof VERDICT_CODES)[number];

/** What is asked of a key. */
export interface Question {
  /** The organization that the key must belong to; null for a caller's own key, which names it. */
  readonly organizationId: OrganizationId | null;
  /** The same where the asker has an id or a slug, as somebody wrote it. */
  readonly organizationNamed?: string | undefined;
  /** All of them must be covered. */
  readonly scopes: readonly Scope[];
  /** Undefined: either will do. */
  readonly environment?: Environment | undefined;
}

export type Decision =
  /** `RATE_LIMITED` here: the key was not looked for. */
  | { readonly code: 'MALFORMED' | 'NOT_FOUND' | 'RATE_LIMITED' }
  | (Judged & { readonly code: Exclude<VerdictCode, 'MALFORMED' | 'NOT_FOUND' | 'VALID'> })
  | (Judged & { readonly code: 'VALID'; readonly scopes: readonly Scope[] });

/** What a decision is about. */
interface Judged {
  readonly record: KeyRecord;
  /** The token of that key which was presented; null: the key itself was. */
  readonly token: AccessToken | null;
}

/** Asks no more of a key than to be live: how a caller's own key is judged. */
export const LIVE: Question = { organizationId: null, scopes: [] };

/**
 * The verdict on a record, or on its absence, at a time in epoch milliseconds. `token`: what was presented is a token of the
 * key, which allows no more than the key does now. Pure: every entrance ends here.
 */
export function decide(
  record: KeyRecord | null,
  question: Question,
  now: number,
  token: AccessToken | null = null,
): Decision {
  if (record === null) return { code: 'NOT_FOUND' };
  if (question.organizationId !== null && record.organization.id !== question.organizationId) {
    return { code: 'NOT_FOUND' };
  }
  if (!isNamed(record.organization, question.organizationNamed ?? null)) return { code: 'NOT_FOUND' };
  const { key, account } = record;
  if (token !== null && token.accountId !== account?.id) return { code: 'NOT_FOUND' };
  const judged = { record, token };
  const isRevoked = key.revokedAt !== null || (token !== null && key.revokedTokens.includes(token.id));
  if (isRevoked) return { code: 'REVOKED', ...judged };
  if (account !== null && account.disabledAt !== null) return { code: 'ACCOUNT_DISABLED', ...judged };
  if (!key.enabled) return { code: 'DISABLED', ...judged };
  if (isExpired(endOf(judged), now)) return { code: 'EXPIRED', ...judged };
  if (question.environment !== undefined && key.environment !== question.environment) {
    return { code: 'WRONG_ENVIRONMENT', ...judged };
  }
  const most = effectiveScopes(record);
  const scopes = token === null ? most : intersect(token.scopes, most);
  if (!coversAll(scopes, question.scopes)) return { code: 'INSUFFICIENT_SCOPE', ...judged };
  return { code: 'VALID', ...judged, scopes };
}

/** When what was presented ends, in epoch milliseconds; null: never. */
export function endOf({ record, token }: Judged): number | null {
  const ends = [record.key.expiresAt, token?.expiresAt ?? null].filter((end) => end !== null);
  return ends.length === 0 ? null : Math.min(...ends);
}
