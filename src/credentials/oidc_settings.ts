import * as z from 'zod/mini';

import { DEFAULT_CLOCK_TOLERANCE_SECONDS, LARGEST_CLOCK_TOLERANCE_SECONDS } from '../core/constants.ts';
import { isSafeUrl } from '../core/issuer.ts';
import type { Fault } from '../core/refusal.ts';
import { scopeFault, type Scope } from '../core/scope.ts';
import { json } from './settings.ts';

/** A trusted issuer of JWTs, and what they are worth here. */
export interface OidcSettings {
  readonly issuer: string;
  /** One of them must be a token's. */
  readonly audience: readonly string[];
  /** Null: as the issuer's own configuration says. */
  readonly jwksUrl: string | null;
  /** A header beside the contract's that carries such a token; null: none. */
  readonly header: string | null;
  readonly subjectClaim: string;
  /** The only ones that its tokens may act in, by id or slug. */
  readonly organizations: readonly string[];
  /** Null: a token may act in all of them. */
  readonly organizationClaim: string | null;
  /** The most that its tokens may do. */
  readonly scopes: readonly Scope[];
  /** Null: each may do all of that. */
  readonly scopesClaim: string | null;
  /** What each value of the claim stands for; null: a value is a scope. */
  readonly scopesByValue: ReadonlyMap<string, readonly Scope[]> | null;
  readonly clockToleranceSeconds: number;
}

/** Said in place of a claim's name: every token has all that any has. Outright, so that no slip opens so much. */
const EVERYBODY = '*';

const text = z.pipe(
  z.string(),
  z.transform((value: string) => value.trim()),
);
const list = z.pipe(
  text,
  z.transform((value: string) => value.split(/[\s,]+/).filter((one) => one !== '')),
);
const someOf = list.check(z.refine((given) => given.length > 0, { error: 'is required beside OIDC_ISSUER' }));
const url = text.check(z.refine(isSafeUrl, { error: 'must be an https URL' }));
const someScopes = z.array(z.string()).check(
  z.refine((scopes) => scopes.every((scope) => scopeFault(scope) === null), {
    error: 'must be scopes of Mintmark',
  }),
);

const CLAIM_RULE = 'must be a JSON object of lists of scopes, such as {"admins": ["mintmark:*"]}';
const byValue = z.pipe(
  z.pipe(json(CLAIM_RULE), z.record(z.string(), someScopes, { error: CLAIM_RULE })),
  z.transform((record: Record<string, string[]>) => new Map(Object.entries(record))),
);

const HEADER_RULE = 'must be the name of a header that carries nothing else';

const TOLERANCE_RULE = `must be a whole number from 0 to ${LARGEST_CLOCK_TOLERANCE_SECONDS}`;
const clockTolerance = z
  .pipe(
    z.union([z.string().check(z.regex(/^[0-9]{1,3}$/)), z.int()], { error: TOLERANCE_RULE }),
    z.transform((value: string | number) => Number(value)),
  )
  .check(
    z.refine((value) => value >= 0 && value <= LARGEST_CLOCK_TOLERANCE_SECONDS, { error: TOLERANCE_RULE }),
  );

/** Headers that a credential comes in already, or that mean something else. */
const TAKEN =
  /^(?:authorization|x-api-key|cookie|host|origin|user-agent|x-request-id|x-org-id|(?:mintmark|x-blaxel|blaxel|content|accept|sec|transfer|proxy)-.*|x-forwarded-.*|forwarded|x-real-ip|true-client-ip|referer|date|cf-(?:connecting-ip|ray|visitor).*|accept|upgrade|connection|te|range|if-.*)$/i;

const variables = z
  .strictObject({
    OIDC_ISSUER: url.check(
      z.refine((issuer) => !/[?#]/.test(issuer), { error: 'must have no query and no fragment' }),
    ),
    OIDC_AUDIENCE: someOf,
    OIDC_JWKS_URL: z.optional(url),
    OIDC_HEADER: z.optional(
      text.check(
        z.refine((name) => /^[A-Za-z0-9-]{1,64}$/.test(name) && !TAKEN.test(name), { error: HEADER_RULE }),
      ),
    ),
    OIDC_SUBJECT_CLAIM: z.prefault(text, 'sub'),
    OIDC_ORGANIZATIONS: someOf,
    OIDC_ORGANIZATION_CLAIM: z.optional(text),
    OIDC_SCOPES: z.pipe(list, someScopes),
    OIDC_SCOPES_CLAIM: text,
    OIDC_SCOPES_BY_VALUE: z.optional(byValue),
    OIDC_CLOCK_TOLERANCE_SECONDS: z.prefault(clockTolerance, DEFAULT_CLOCK_TOLERANCE_SECONDS),
  })
  .check(
    z.refine(
      ({ OIDC_ORGANIZATIONS: names, OIDC_ORGANIZATION_CLAIM: claim }) =>
        names.length < 2 || claim !== undefined,
      {
        path: ['OIDC_ORGANIZATION_CLAIM'],
        error: `is required where there are several OIDC_ORGANIZATIONS: the claim that tells which, or ${EVERYBODY} for all`,
      },
    ),
  );

/** The settings of a trusted issuer: null where none is named, or what is wrong with them. */
export function readOidcSettings(
  env: object,
): { readonly oidc: OidcSettings | null } | { readonly faults: readonly Fault[] } {
  // An empty variable is one that is not set.
  const given = Object.fromEntries(
    Object.entries(env).filter(
      ([name, value]) => name.startsWith('OIDC_') && !(typeof value === 'string' && value.trim() === ''),
    ),
  );
  const [first] = Object.keys(given);
  if (first === undefined) return { oidc: null };
  if (given['OIDC_ISSUER'] === undefined)
    return { faults: [{ path: 'OIDC_ISSUER', message: `is required beside ${first}` }] };
  const { data, error } = variables.safeParse(given);
  if (data === undefined) {
    const unknown = error.issues.flatMap((issue) => (issue.code === 'unrecognized_keys' ? issue.keys : []));
    return {
      faults: [
        ...unknown.map((path) => ({ path, message: 'is not a known setting' })),
        ...error.issues
          .filter(({ code }) => code !== 'unrecognized_keys')
          .map(({ path, message }) => ({ path: String(path[0]), message })),
      ],
    };
  }
  const { OIDC_SCOPES_CLAIM: scopesClaim, OIDC_ORGANIZATION_CLAIM: organizationClaim } = data;
  return {
    oidc: {
      issuer: data.OIDC_ISSUER,
      audience: data.OIDC_AUDIENCE,
      jwksUrl: data.OIDC_JWKS_URL ?? null,
      header: data.OIDC_HEADER ?? null,
      subjectClaim: data.OIDC_SUBJECT_CLAIM,
      organizations: data.OIDC_ORGANIZATIONS,
      organizationClaim: organizationClaim === EVERYBODY ? null : (organizationClaim ?? null),
      scopes: data.OIDC_SCOPES,
      scopesClaim: scopesClaim === EVERYBODY ? null : scopesClaim,
      scopesByValue: data.OIDC_SCOPES_BY_VALUE ?? null,
      clockToleranceSeconds: data.OIDC_CLOCK_TOLERANCE_SECONDS,
    },
  };
}
