import './contract/zod.ts';
import * as z from 'zod/mini';

import { ruled } from './contract/ruled.ts';
import {
  DEFAULT_MAX_STALENESS_SECONDS,
  DEFAULT_OUTAGE_GRACE_SECONDS,
  DEFAULT_SYNC_INTERVAL_SECONDS,
  DEFAULT_TOKEN_LIFETIME_SECONDS,
  LARGEST_MAX_STALENESS_SECONDS,
  LARGEST_OUTAGE_GRACE_SECONDS,
  LARGEST_SYNC_INTERVAL_SECONDS,
  LONGEST_TOKEN_LIFETIME_SECONDS,
  SHORTEST_TOKEN_LIFETIME_SECONDS,
} from './core/constants.ts';
import { issuerFault } from './core/issuer.ts';
import type { Fault } from './core/refusal.ts';
import { privateJwkSetting, publicJwkSetting, type PrivateJwk, type PublicJwk } from './credentials/jwk.ts';
import { readOidcSettings, type OidcSettings } from './credentials/oidc_settings.ts';
import { unset } from './credentials/settings.ts';

/**
 * What `wrangler.toml` binds. Written here and not taken from a global type, since whoever binds to this Worker
 * type-checks these sources beside their own.
 */
export interface Bindings {
  readonly DB: D1Database;
  readonly CACHE: KVNamespace;
  readonly FLOODS: RateLimit;
}

/** What a deployment is configured with. */
export interface Config {
  readonly db: D1Database;
  readonly cache: KVNamespace;
  readonly floods: RateLimit;
  /** Undefined or under 32 characters: root is refused. */
  readonly rootKey: string | undefined;
  /** Accepted beside the root key while that is being replaced. */
  readonly previousRootKey: string | undefined;
  /** From a change's commit to the moment from which every edge knows of it. */
  readonly maxStalenessSeconds: number;
  /** How often an isolate that serves asks D1 what has changed. */
  readonly syncIntervalSeconds: number;
  /** How long an edge that is cut off from D1 goes on by what it knows. */
  readonly outageGraceSeconds: number;
  /** Undefined: no tokens are given. */
  readonly signingKey: PrivateJwk | undefined;
  /** Published, and tokens that it signed are accepted, while the signing key is new. */
  readonly previousSigningKey: PublicJwk | undefined;
  /** The origin by which this deployment is known as an issuer of tokens; null: only on this machine it is one. */
  readonly issuer: string | null;
  readonly tokenLifetimeSeconds: number;
  /** An issuer whose tokens are credentials here; null: there is none. */
  readonly oidc: OidcSettings | null;
}

const wholeNumber = (lowest: number, highest: number) => {
  const error = `must be a whole number from ${lowest} to ${highest}`;
  return z
    .pipe(
      z.union([z.string().check(z.regex(/^[0-9]{1,6}$/, { error })), z.int()], { error }),
      z.transform((value: string | number) => Number(value)),
    )
    .check(z.refine((value) => value >= lowest && value <= highest, { error }));
};

const variables = z.object({
  MINTMARK_ROOT_KEY: z.optional(z.string()),
  MINTMARK_ROOT_KEY_PREVIOUS: z.optional(z.string()),
  MAX_STALENESS_SECONDS: z.prefault(
    wholeNumber(0, LARGEST_MAX_STALENESS_SECONDS),
    DEFAULT_MAX_STALENESS_SECONDS,
  ),
  SYNC_INTERVAL_SECONDS: z.prefault(
    wholeNumber(1, LARGEST_SYNC_INTERVAL_SECONDS),
    DEFAULT_SYNC_INTERVAL_SECONDS,
  ),
  OUTAGE_GRACE_SECONDS: z.prefault(
    wholeNumber(0, LARGEST_OUTAGE_GRACE_SECONDS),
    DEFAULT_OUTAGE_GRACE_SECONDS,
  ),
  MINTMARK_SIGNING_KEY: privateJwkSetting,
  MINTMARK_SIGNING_KEY_PREVIOUS: publicJwkSetting,
  MINTMARK_ISSUER: z.optional(z.union([unset, z.string().check(ruled(issuerFault))])),
  TOKEN_LIFETIME_SECONDS: z.prefault(
    wholeNumber(SHORTEST_TOKEN_LIFETIME_SECONDS, LONGEST_TOKEN_LIFETIME_SECONDS),
    DEFAULT_TOKEN_LIFETIME_SECONDS,
  ),
});

/** Reads the environment once: all of it, or the faults that name what is missing or wrong. */
export function readConfig(
  env: Partial<Bindings>,
): { readonly config: Config } | { readonly faults: readonly Fault[] } {
  const parsed = variables.safeParse(env);
  const issuer = readOidcSettings(env);
  const { DB: db, CACHE: cache, FLOODS: floods } = env;
  const faults: Fault[] = [
    ...(db === undefined ? [{ path: 'DB', message: 'the D1 binding is missing' }] : []),
    ...(cache === undefined ? [{ path: 'CACHE', message: 'the KV binding is missing' }] : []),
    ...(floods === undefined ? [{ path: 'FLOODS', message: 'the rate limit binding is missing' }] : []),
    ...(parsed.error?.issues ?? []).map(({ path, message }) => ({ path: path.join('.'), message })),
    ...('faults' in issuer ? issuer.faults : []),
  ];
  if (
    db === undefined ||
    cache === undefined ||
    floods === undefined ||
    !parsed.success ||
    'faults' in issuer
  )
    return { faults };
  return {
    config: {
      db,
      cache,
      floods,
      rootKey: parsed.data.MINTMARK_ROOT_KEY,
      previousRootKey: parsed.data.MINTMARK_ROOT_KEY_PREVIOUS,
      maxStalenessSeconds: parsed.data.MAX_STALENESS_SECONDS,
      syncIntervalSeconds: parsed.data.SYNC_INTERVAL_SECONDS,
      outageGraceSeconds: parsed.data.OUTAGE_GRACE_SECONDS,
      signingKey: parsed.data.MINTMARK_SIGNING_KEY,
      previousSigningKey: parsed.data.MINTMARK_SIGNING_KEY_PREVIOUS,
      issuer: parsed.data.MINTMARK_ISSUER ?? null,
      tokenLifetimeSeconds: parsed.data.TOKEN_LIFETIME_SECONDS,
      oidc: issuer.oidc,
    },
  };
}
