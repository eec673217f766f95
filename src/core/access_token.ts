import type { KeyId, ServiceAccountId, TokenId } from './id.ts';
import type { Scope } from './scope.ts';

/**
 * What an access token of ours says (RFC 9068), once its signature is known to be good. It is worth no more than its key is at the
 * time of use. Times are epoch milliseconds, of whole seconds.
 */
export interface AccessToken {
  readonly id: TokenId;
  /** The key that it was got with. */
  readonly keyId: KeyId;
  readonly accountId: ServiceAccountId;
  /** The most that it may do. */
  readonly scopes: readonly Scope[];
  /** The URIs of those that it is for: this deployment by its issuer's. */
  readonly audience: readonly string[];
  readonly issuer: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

/** Whether it is for the deployment that gave it. */
export function isForIssuer({ audience, issuer }: Pick<AccessToken, 'audience' | 'issuer'>): boolean {
  return audience.includes(issuer);
}
