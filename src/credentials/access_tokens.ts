import * as z from 'zod/mini';

import type { AccessToken } from '../core/access_token.ts';
import { CLOCK_TOLERANCE_MS, MAX_TOKEN_LENGTH, NUMERIC_DATE_MS } from '../core/constants.ts';
import { KEY_ID_PATTERN, SERVICE_ACCOUNT_ID_PATTERN, type OrganizationId } from '../core/id.ts';
import { isLocalOrigin } from '../core/issuer.ts';
import type { Environment } from '../core/secret.ts';
import { jose } from './jose.ts';
import { SIGNING_ALGORITHM, type SigningKeys } from './signing_keys.ts';

/** RFC 9068 §2.1. */
const TOKEN_TYPE = 'at+jwt';

const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** Up to the last time that a date can be. */
const seconds = z.int().check(z.minimum(0), z.maximum(8.64e12));

/** RFC 7519 §4.1.3: a single one may stand without a list. */
const oneAudience = z.pipe(
  z.string(),
  z.transform((one: string) => [one]),
);

/** The claims of RFC 9068 §2.2, and whose key it was got with. */
const claims = z.object({
  iss: z.string(),
  sub: z.templateLiteral(['sa_', z.string()]).check(z.refine((id) => SERVICE_ACCOUNT_ID_PATTERN.test(id))),
  client_id: z.string(),
  aud: z.union([oneAudience, z.array(z.string())]),
  iat: seconds,
  nbf: z.optional(seconds),
  exp: seconds,
  jti: z.templateLiteral(['key_', z.string(), '.', z.string()]),
  key_id: z.templateLiteral(['key_', z.string()]).check(z.refine((id) => KEY_ID_PATTERN.test(id))),
  scope: z.prefault(z.string(), ''),
});

/** What is said of a token's key beside what the token itself says. */
interface Holder {
  readonly organizationId: OrganizationId;
  readonly environment: Environment;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

/** Whether a text has the form of a JWT, in length as well. */
export function isCompact(text: string, maxLength = MAX_TOKEN_LENGTH): boolean {
  return text.length <= maxLength && COMPACT.test(text);
}

/** Writes and reads access tokens: JWTs as RFC 9068 has them. No I/O. */
export class AccessTokens {
  readonly #keys: SigningKeys;
  readonly #issuer: string | null;
  readonly #clock: () => number;

  /** `issuer` null: none is configured, and a token is only taken where its issuer was this machine. */
  constructor(keys: SigningKeys, issuer: string | null, clock: () => number) {
    this.#keys = keys;
    this.#issuer = issuer;
    this.#clock = clock;
  }

  /** Signs a token. Throws `Misconfigured` where there is nothing to sign with. */
  async write(token: AccessToken, { organizationId, environment }: Holder): Promise<string> {
    const { SignJWT } = await jose();
    const { kid, key } = await this.#keys.signer();
    const { id, keyId, accountId, scopes, audience, issuer, issuedAt, expiresAt } = token;
    const [only = '', ...others] = audience;
    return new SignJWT({
      client_id: accountId,
      ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
      key_id: keyId,
      org_id: organizationId,
      environment,
    })
      .setProtectedHeader({ alg: SIGNING_ALGORITHM, typ: TOKEN_TYPE, kid })
      .setIssuer(issuer)
      .setSubject(accountId)
      .setAudience(others.length === 0 ? only : [...audience])
      .setIssuedAt(issuedAt / NUMERIC_DATE_MS)
      .setExpirationTime(expiresAt / NUMERIC_DATE_MS)
      .setJti(id)
      .sign(key);
  }

  /** What a token of this deployment says, whether or not it has expired; null: it is none. */
  async read(text: string): Promise<AccessToken | null> {
    if (!isCompact(text)) return null;
    const { compactVerify, errors } = await jose();
    const key = await this.#keyOf(text);
    if (key === null) return null;
    try {
      const { payload } = await compactVerify(text, key, { algorithms: [SIGNING_ALGORITHM] });
      const parsed = claims.safeParse(JSON.parse(utf8.decode(payload)));
      if (!parsed.success || !this.#isOurs(parsed.data.iss)) return null;
      const { iat, nbf = iat } = parsed.data;
      const isEarly = Math.max(iat, nbf) * NUMERIC_DATE_MS > this.#clock() + CLOCK_TOLERANCE_MS;
      return isEarly ? null : tokenOf(parsed.data);
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof SyntaxError || error instanceof TypeError)
        return null;
      throw error;
    }
  }

  /** The key is chosen by the header's `kid` among ours alone: what else a header offers is not looked at. */
  async #keyOf(text: string) {
    const { kid, typ, alg } = await headerOf(text);
    return kid === undefined || typ !== TOKEN_TYPE || alg !== SIGNING_ALGORITHM
      ? null
      : this.#keys.verifier(kid);
  }

  #isOurs(issuer: string): boolean {
    return this.#issuer === null ? isLocalOrigin(issuer) : issuer === this.#issuer;
  }
}

/** The header of what has the form of a JWT, not yet verified; empty where it is none. */
async function headerOf(text: string): Promise<{ kid?: string; typ?: string; alg?: string }> {
  const { decodeProtectedHeader } = await jose();
  try {
    return decodeProtectedHeader(text);
  } catch {
    return {};
  }
}

function tokenOf({ jti, key_id, sub, scope, aud, iss, iat, exp }: z.output<typeof claims>): AccessToken {
  return {
    id: jti,
    keyId: key_id,
    accountId: sub,
    scopes: scope === '' ? [] : scope.split(' '),
    audience: aud,
    issuer: iss,
    issuedAt: iat * NUMERIC_DATE_MS,
    expiresAt: exp * NUMERIC_DATE_MS,
  };
}
