import type { AccessToken } from '../core/access_token.ts';
import { randomBase62 } from '../core/base62.ts';
import type { Caller } from '../core/caller.ts';
import {
  MAX_RESOURCE_LENGTH,
  MAX_RESOURCES,
  MAX_SCOPES,
  MAX_TOKEN_LENGTH,
  NUMERIC_DATE_MS,
  TOKEN_RANDOM_LENGTH,
} from '../core/constants.ts';
import type { Platform } from '../core/platform.ts';
import { isManagementScope, uncovered, type Scope } from '../core/scope.ts';
import type { AccessTokens } from '../credentials/access_tokens.ts';
import type { SigningKeys } from '../credentials/signing_keys.ts';

export interface TokenRequest {
  /** Null: all that the key holds. */
  readonly scopes: readonly Scope[] | null;
  /** RFC 8707: the URIs of those that the token is for; none: this deployment. */
  readonly resources: readonly string[];
  /** What this deployment is called. */
  readonly issuer: string;
  readonly lifetimeSeconds: number;
}

export interface GrantedToken {
  readonly text: string;
  readonly token: AccessToken;
  /** Seconds that it lives from now on. */
  readonly lifetimeSeconds: number;
}

/** Why no token is given, by its word in RFC 6749 §5.2 or RFC 8707 §2. */
export interface GrantFault {
  readonly error: 'invalid_client' | 'invalid_scope' | 'invalid_target';
  readonly description: string;
}

/** Gives tokens for keys (RFC 6749 §4.4): worth what the key is worth, for a while, to who is not to have the key. */
export class TokenGrants {
  readonly #keys: SigningKeys;
  readonly #tokens: AccessTokens;
  readonly #platform: Platform;

  constructor(keys: SigningKeys, tokens: AccessTokens, platform: Platform) {
    this.#keys = keys;
    this.#tokens = tokens;
    this.#platform = platform;
  }

  /** Throws `Misconfigured` where no token can be given. */
  async ready(): Promise<void> {
    await this.#keys.signer();
  }

  /** A token for the key that the caller presented, which must be of the account that it says it is. */
  async grant(
    { credential, token: presented, scopes: held }: Caller,
    clientId: string,
    { scopes: asked, resources, issuer, lifetimeSeconds }: TokenRequest,
  ): Promise<GrantedToken | GrantFault> {
    // A token that begot tokens would outlive its time.
    if (credential === null || presented !== null || credential.account?.id !== clientId) return NO_CLIENT;
    const { key, account, organization } = credential;
    const badTarget = targetFault(resources);
    if (badTarget !== null) return { error: 'invalid_target', description: badTarget };
    const audience = resources.length === 0 ? [issuer] : [...new Set(resources.map(withoutSlash))];
    // Whoever else is shown the token could use it here.
    const isForOthers = audience.some((each) => each !== issuer);
    const grantable = isForOthers ? held.filter((scope) => !isManagementScope(scope)) : held;
    const scopes = [...new Set(asked ?? grantable)];
    const missing = uncovered(grantable, scopes);
    if (missing.length > 0 || (asked !== null && scopes.length > MAX_SCOPES))
      return { error: 'invalid_scope', description: scopeFault(missing, isForOthers) };

    const now = this.#platform.clock();
    const issuedAt = toSecond(now);
    const expiresAt = toSecond(Math.min(now + lifetimeSeconds * NUMERIC_DATE_MS, key.expiresAt ?? Infinity));
    if (expiresAt <= now) return NO_CLIENT;
    const token: AccessToken = {
      id: `${key.id}.${randomBase62(TOKEN_RANDOM_LENGTH, this.#platform.random)}`,
      keyId: key.id,
      accountId: account.id,
      scopes,
      audience,
      issuer,
      issuedAt,
      expiresAt,
    };
    const text = await this.#tokens.write(token, {
      organizationId: organization.id,
      environment: key.environment,
    });
    if (text.length > MAX_TOKEN_LENGTH)
      return { error: 'invalid_scope', description: 'so many scopes make too long a token: ask for fewer' };
    return { text, token, lifetimeSeconds: (expiresAt - issuedAt) / NUMERIC_DATE_MS };
  }
}

export const NO_CLIENT: GrantFault = {
  error: 'invalid_client',
  description: 'client_id and client_secret must be a service account and a live key of it',
};

const toSecond = (ms: number): number => Math.floor(ms / NUMERIC_DATE_MS) * NUMERIC_DATE_MS;

/** An origin is written with and without a path, and is the same. */
function withoutSlash(resource: string): string {
  const { origin } = new URL(resource);
  return resource === `${origin}/` ? origin : resource;
}

function targetFault(resources: readonly string[]): string | null {
  if (resources.length > MAX_RESOURCES) return `at most ${MAX_RESOURCES} resources can be asked for`;
  return resources.every(isResource)
    ? null
    : `resource must be an absolute URI of at most ${MAX_RESOURCE_LENGTH} characters, without a fragment`;
}

/** What a URL parser would forgive is no URI. */
const URI_WITHOUT_FRAGMENT = /^[\x21\x22\x24-\x7e]+$/;

/** RFC 8707 §2. */
function isResource(text: string): boolean {
  return text.length <= MAX_RESOURCE_LENGTH && URI_WITHOUT_FRAGMENT.test(text) && URL.canParse(text);
}

function scopeFault(missing: readonly Scope[], isForOthers: boolean): string {
  if (missing.length === 0) return `at most ${MAX_SCOPES} scopes can be asked for`;
  const [first = ''] = missing;
  return isForOthers && isManagementScope(first)
    ? 'a token for another resource holds no mintmark: scope'
    : `the key does not hold all of them: ${missing.slice(0, 5).join(' ')}`;
}
