import type { Config } from './config.ts';
import {
  ABSENT_MS,
  FORGOTTEN_TOKEN_MS,
  MAX_ABSENT,
  MAX_FLOORS,
  MAX_MEMORY_BYTES,
  MAX_REFUSALS_LOGGED_PER_SECOND,
} from './core/constants.ts';
import { Floods } from './core/floods.ts';
import { DEFAULT_ORGANIZATION_ID } from './core/id.ts';
import { Knowledge } from './core/knowledge.ts';
import type { Platform } from './core/platform.ts';
import type { KeyRecord } from './core/records.ts';
import { RootKeys } from './core/root_keys.ts';
import { thinned } from './core/thinned.ts';
import { AccessTokens } from './credentials/access_tokens.ts';
import { Credentials } from './credentials/credentials.ts';
import { IssuerKeys } from './credentials/issuer_keys.ts';
import type { OidcSettings } from './credentials/oidc_settings.ts';
import { SigningKeys } from './credentials/signing_keys.ts';
import { TrustedIssuer } from './credentials/trusted_issuer.ts';
import type { Probes } from './http/health.ts';
import { RecordCache } from './store/cache.ts';
import { ChangeStore } from './store/changes.ts';
import { KeyStore } from './store/keys.ts';
import { LookupStore } from './store/lookups.ts';
import { OrganizationStore } from './store/organizations.ts';
import { SnapshotCache } from './store/snapshots.ts';
import { UsageStore } from './store/usage.ts';
import { Absences } from './verifier/absences.ts';
import { Caches } from './verifier/caches.ts';
import { Feed, timingOf } from './verifier/feed.ts';
import { Lookup } from './verifier/lookup.ts';
import { Memory } from './verifier/memory.ts';
import { OrganizationNames } from './verifier/organization_names.ts';
import { Outage } from './verifier/outage.ts';
import { Succession } from './verifier/succession.ts';
import { Uses } from './verifier/uses.ts';
import { Verifier } from './verifier/verifier.ts';

/** What an isolate verifies with. */
export interface Verification {
  readonly verifier: Verifier;
  readonly uses: Uses;
  readonly rootKeys: RootKeys;
  readonly credentials: Credentials;
  /** A header that carries a trusted issuer's token; null: none does. */
  readonly assertionHeader: string | null;
  readonly probes: Probes;
  /** For refused credentials, which may come in floods. */
  readonly logRefused: Platform['log'];
  /** What the scheduled handler does each minute. */
  readonly upkeep: () => Promise<void>;
  readonly platform: Platform;
}

/** What management is built on as well; for nobody else, since it looks at no caller. */
export interface Foundation {
  readonly organizationStore: OrganizationStore;
  readonly keyStore: KeyStore;
  readonly signingKeys: SigningKeys;
  readonly tokens: AccessTokens;
  readonly credentials: Credentials;
  readonly floods: Floods;
  readonly feed: Feed;
  readonly caches: Caches;
  readonly uses: Uses;
  readonly platform: Platform;
}

function trustedIssuerOf(settings: OidcSettings | null, platform: Platform): TrustedIssuer | null {
  if (settings === null) return null;
  const keys = new IssuerKeys(settings.issuer, settings.jwksUrl, platform);
  return new TrustedIssuer(settings, keys, platform.clock);
}

/** Builds what an isolate verifies with, once. `finish` ends what a key that was used supersedes; it must be safe to repeat. */
export function createVerification(
  config: Config,
  platform: Platform,
  finish: (record: KeyRecord) => Promise<unknown>,
): { readonly verification: Verification; readonly foundation: Foundation } {
  const { clock } = platform;
  const timing = timingOf(config.maxStalenessSeconds, config.syncIntervalSeconds);
  const rootKeys = new RootKeys(config.rootKey, config.previousRootKey);
  const floods = new Floods(async (source) => (await config.floods.limit({ key: source })).success, platform);
  const signingKeys = new SigningKeys(config.signingKey, config.previousSigningKey);
  const tokens = new AccessTokens(signingKeys, config.issuer, clock);
  const credentials = new Credentials(rootKeys, tokens, trustedIssuerOf(config.oidc, platform), floods);

  const organizationStore = new OrganizationStore(config.db);
  const keyStore = new KeyStore(config.db);
  const changeStore = new ChangeStore(config.db);
  const snapshots = new SnapshotCache(config.cache);

  const knowledge = new Knowledge(MAX_FLOORS);
  const memory = new Memory(MAX_MEMORY_BYTES);
  const absences = new Absences(MAX_ABSENT, ABSENT_MS);
  const feed = new Feed(knowledge, changeStore, snapshots, timing, platform, () => {
    memory.clear();
    absences.clear();
  });
  const outage = new Outage(platform);
  const limits = { usableMs: timing.usableMs, graceMs: config.outageGraceSeconds * 1_000 };
  const caches = new Caches(
    memory,
    absences,
    knowledge,
    feed,
    new RecordCache(config.cache),
    limits,
    platform,
  );
  const lookups = new LookupStore(config.db, keyStore, changeStore);
  const lookup = new Lookup(caches, knowledge, feed, lookups, floods, outage, limits, platform);
  const uses = new Uses(new UsageStore(config.db), new Succession(finish, platform), platform);
  const names = new OrganizationNames(organizationStore, knowledge, feed, limits, platform);

  const verification: Verification = {
    verifier: new Verifier(caches, lookup, names, credentials, tokens, uses, platform),
    uses,
    rootKeys,
    credentials,
    assertionHeader: config.oidc?.header ?? null,
    probes: {
      database: () => organizationStore.find(DEFAULT_ORGANIZATION_ID),
      cache: () => snapshots.probe(),
    },
    logRefused: thinned(platform, MAX_REFUSALS_LOGGED_PER_SECOND),
    upkeep: async () => {
      // Neither waits for the other, nor fails with it.
      const done = await Promise.allSettled([
        feed.publish(),
        changeStore.prune(),
        keyStore.forgetTokens(clock() - FORGOTTEN_TOKEN_MS),
      ]);
      for (const one of done) if (one.status === 'rejected') throw one.reason;
    },
    platform,
  };
  const foundation: Foundation = {
    organizationStore,
    keyStore,
    signingKeys,
    tokens,
    credentials,
    floods,
    feed,
    caches,
    uses,
    platform,
  };
  return { verification, foundation };
}
