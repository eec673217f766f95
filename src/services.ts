import type { Services } from './app.ts';
import type { Config } from './config.ts';
import {
  ABSENT_MS,
  FORGOTTEN_TOKEN_MS,
  IN_FLIGHT_SECONDS,
  MAX_ABSENT,
  MAX_FLOORS,
  MAX_MEMORY_BYTES,
} from './core/constants.ts';
import { Floods } from './core/floods.ts';
import { createIdFactory, DEFAULT_ORGANIZATION_ID } from './core/id.ts';
import { Knowledge } from './core/knowledge.ts';
import type { Platform } from './core/platform.ts';
import { RootKeys } from './core/root_keys.ts';
import { AccessTokens } from './credentials/access_tokens.ts';
import { Credentials } from './credentials/credentials.ts';
import { IssuerKeys } from './credentials/issuer_keys.ts';
import type { OidcSettings } from './credentials/oidc_settings.ts';
import { SigningKeys } from './credentials/signing_keys.ts';
import { TrustedIssuer } from './credentials/trusted_issuer.ts';
import { Accounts } from './keyring/accounts.ts';
import { AuditTrail } from './keyring/audit_trail.ts';
import { Callers } from './keyring/callers.ts';
import { Changes } from './keyring/changes.ts';
import { Enrolments } from './keyring/enrolments.ts';
import { Finder } from './keyring/finder.ts';
import { Keys } from './keyring/keys.ts';
import { Lineages } from './keyring/lineages.ts';
import { KeyMaker } from './keyring/new_key.ts';
import { Organizations } from './keyring/organizations.ts';
import { Rotations } from './keyring/rotations.ts';
import { Surrenders } from './keyring/surrenders.ts';
import { TokenGrants } from './keyring/token_grants.ts';
import { AccountStore } from './store/accounts.ts';
import { AuditStore } from './store/audit.ts';
import { RecordCache } from './store/cache.ts';
import { ChangeStore } from './store/changes.ts';
import { CommitStore } from './store/commit.ts';
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

function trustedIssuerOf(settings: OidcSettings | null, platform: Platform): TrustedIssuer | null {
  if (settings === null) return null;
  const keys = new IssuerKeys(settings.issuer, settings.jwksUrl, platform);
  return new TrustedIssuer(settings, keys, platform.clock);
}

/** Builds what an isolate serves with, once. */
export function createServices(config: Config, platform: Platform): Services {
  const { clock, random } = platform;
  const timing = timingOf(config.maxStalenessSeconds, config.syncIntervalSeconds);
  const ids = createIdFactory(clock, random);
  const maker = new KeyMaker(ids, random);
  const rootKeys = new RootKeys(config.rootKey, config.previousRootKey);
  const floods = new Floods(async (source) => (await config.floods.limit({ key: source })).success, platform);
  const signingKeys = new SigningKeys(config.signingKey, config.previousSigningKey);
  const tokens = new AccessTokens(signingKeys, config.issuer, clock);
  const credentials = new Credentials(rootKeys, tokens, trustedIssuerOf(config.oidc, platform), floods);

  const organizationStore = new OrganizationStore(config.db);
  const accountStore = new AccountStore(config.db);
  const keyStore = new KeyStore(config.db);
  const changeStore = new ChangeStore(config.db);
  const commits = new CommitStore(config.db, organizationStore, accountStore, keyStore);
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

  const uses = new Uses(
    new UsageStore(config.db),
    new Succession((record) => rotations.finish(record), platform),
    platform,
  );
  const names = new OrganizationNames(organizationStore, knowledge, feed, limits, platform);
  const callers = new Callers(
    organizationStore,
    keyStore,
    credentials,
    floods,
    {
      knows: (handle) => caches.knows(handle),
      listen: () => feed.listen(),
      noteUse: (record, use) => uses.note(record, use),
    },
    platform,
  );
  const changes = new Changes(
    commits,
    () => caches.expect(),
    callers,
    ids,
    // Even where nothing is cached, a verdict may be on its way.
    Math.max(config.maxStalenessSeconds, IN_FLIGHT_SECONDS) * 1_000,
    platform,
  );
  const finder = new Finder(accountStore, keyStore, clock);
  const rotations = new Rotations(keyStore, finder, changes, maker);
  const keys = new Keys(keyStore, finder, changes, maker, clock);

  return {
    organizations: new Organizations(organizationStore, changes, ids),
    auditTrail: new AuditTrail(new AuditStore(config.db)),
    rotations,
    accounts: new Accounts(accountStore, finder, changes, ids),
    enrolments: new Enrolments(changes, maker, ids),
    keys,
    surrenders: new Surrenders(keyStore, keys, tokens, changes, clock),
    grants: new TokenGrants(signingKeys, tokens, platform),
    signingKeys,
    issuer: config.issuer,
    tokenLifetimeSeconds: config.tokenLifetimeSeconds,
    assertionHeader: config.oidc?.header ?? null,
    lineages: new Lineages(keyStore, finder, changes),
    callers,
    verifier: new Verifier(caches, lookup, names, credentials, tokens, uses, platform),
    uses,
    rootKeys,
    credentials,
    probes: {
      database: () => organizationStore.find(DEFAULT_ORGANIZATION_ID),
      cache: () => snapshots.probe(),
    },
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
}
