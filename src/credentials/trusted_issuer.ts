import type { JWTPayload } from 'jose';

import type { Vouched } from '../core/caller.ts';
import { MAX_ISSUER_TOKEN_LENGTH, MAX_USER_ID_LENGTH, NUMERIC_DATE_MS } from '../core/constants.ts';
import { Unavailable } from '../core/faults.ts';
import { isReservedPrincipal } from '../core/id.ts';
import type { Platform } from '../core/platform.ts';
import { accept, refuse, type Result } from '../core/refusal.ts';
import { intersect, scopeFault, type Scope } from '../core/scope.ts';
import { holdsSecret, holdsToken } from '../core/secret.ts';
import { isCompact } from './access_tokens.ts';
import type { IssuerKeys } from './issuer_keys.ts';
import { jose } from './jose.ts';
import type { OidcSettings } from './oidc_settings.ts';

/** Public-key signatures alone (RFC 7518 §3.1, RFC 8037): what verifies must not be able to sign. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
/** An ID token or an access token, and no logout token nor another that means something else. */
const TYPES: ReadonlySet<string> = new Set(['jwt', 'application/jwt', 'at+jwt', 'application/at+jwt']);

/** Why a token is refused whose key the issuer is not known to have. */
export const UNKNOWN_KEY = 'ERR_JWKS_NO_MATCHING_KEY';

const PRINTABLE_ASCII = /^[\x20-\x7e]+$/;

/** Reads JWTs of the one issuer that is trusted beside Mintmark itself (OpenID Connect Core 1.0, RFC 9068). */
export class TrustedIssuer {
  readonly #settings: OidcSettings;
  readonly #keys: IssuerKeys;
  readonly #clock: Platform['clock'];

  constructor(settings: OidcSettings, keys: IssuerKeys, clock: Platform['clock']) {
    this.#settings = settings;
    this.#keys = keys;
    this.#clock = clock;
  }

  /**
   * Null: it is not said to be of this issuer. `mayAsk`: whether the issuer may be asked for keys that are not known. Throws
   * `Unavailable` where they can't be had.
   */
  async read(text: string, mayAsk: boolean): Promise<Result<Vouched> | null> {
    const { issuer, audience, clockToleranceSeconds } = this.#settings;
    if (!isCompact(text, MAX_ISSUER_TOKEN_LENGTH) || (await issuerIn(text)) !== issuer) return null;
    const { errors, jwtVerify } = await jose();
    try {
      const { payload, protectedHeader } = await jwtVerify(
        text,
        async (header) => {
          const key = await this.#keys.find(header, mayAsk);
          if (key === null) throw new errors.JWKSNoMatchingKey();
          return key;
        },
        {
          issuer,
          audience: [...audience],
          algorithms: ALGORITHMS,
          requiredClaims: ['exp'],
          clockTolerance: clockToleranceSeconds,
          currentDate: new Date(this.#clock()),
        },
      );
      const typ: unknown = protectedHeader.typ ?? 'JWT';
      return typeof typ === 'string' && TYPES.has(typ.toLowerCase())
        ? vouched(payload, this.#settings)
        : refuse({ kind: 'invalid_credential', reason: 'a token of another type' });
    } catch (error) {
      if (error instanceof Unavailable) throw error;
      // A key of the issuer's that can't be used throws whatever it likes, and a client chooses which key is tried.
      return refuse({
        kind: 'invalid_credential',
        reason: error instanceof errors.JOSEError ? error.code : String(error),
      });
    }
  }
}

/** What a JWT says of its issuer, not yet verified. */
async function issuerIn(text: string): Promise<unknown> {
  const { decodeJwt } = await jose();
  try {
    return decodeJwt(text).iss;
  } catch {
    return undefined;
  }
}

/** What the settings make of verified claims. */
function vouched(payload: JWTPayload, settings: OidcSettings): Result<Vouched> {
  const { subjectClaim, organizations: allowed, organizationClaim, clockToleranceSeconds } = settings;
  const [subject] = valuesOf(payload, subjectClaim);
  if (subject === undefined || !isKept(subject) || isReservedPrincipal(subject))
    return refuse({ kind: 'invalid_credential', reason: `no usable claim ${subjectClaim}` });
  const organizations =
    organizationClaim === null
      ? allowed
      : allowed.filter((name) => valuesOf(payload, organizationClaim).includes(name));
  if (organizations.length === 0)
    return refuse({ kind: 'invalid_credential', reason: 'of no organization that is trusted to it' });
  const { jti, exp = 0 } = payload;
  const expiresAt = (exp + clockToleranceSeconds) * NUMERIC_DATE_MS;
  const tokenId = typeof jti === 'string' && isKept(jti) ? jti : null;
  return accept({ subject, organizations, scopes: scopesOf(payload, settings), tokenId, expiresAt });
}

/** What it claims, and no more than the ceiling. */
function scopesOf(
  payload: JWTPayload,
  { scopes: ceiling, scopesClaim, scopesByValue }: OidcSettings,
): readonly Scope[] {
  if (scopesClaim === null) return ceiling;
  // RFC 8693 §4.2 has scopes in one text, with spaces between; groups and roles come as lists.
  const values = valuesOf(payload, scopesClaim).flatMap((value) =>
    scopesByValue === null ? value.split(' ') : [value],
  );
  const claimed =
    scopesByValue === null
      ? values.filter((value) => scopeFault(value) === null)
      : values.flatMap((value) => scopesByValue.get(value) ?? []);
  return intersect(claimed, ceiling);
}

/** The texts of a claim: one, or a list of them. A name that is no claim may be a path into one, such as `custom.groups`. */
function valuesOf(payload: JWTPayload, name: string): string[] {
  const whole: unknown = Object.hasOwn(payload, name) ? payload[name] : memberAt(payload, name.split('.'));
  return [whole].flat().filter((value) => typeof value === 'string');
}

function memberAt(value: unknown, [first, ...rest]: readonly string[]): unknown {
  if (first === undefined) return value;
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, first)) return undefined;
  return memberAt(Reflect.get(value, first), rest);
}

/** Whether a text of somebody else's making can stand in the audit trail. */
function isKept(text: string): boolean {
  const isFit = text.length <= MAX_USER_ID_LENGTH && PRINTABLE_ASCII.test(text);
  return isFit && !holdsSecret(text) && !holdsToken(text);
}
