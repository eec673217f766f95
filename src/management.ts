import type { Config } from './config.ts';
import { IN_FLIGHT_SECONDS } from './core/constants.ts';
import { createIdFactory } from './core/id.ts';
import type { SigningKeys } from './credentials/signing_keys.ts';
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
import { CommitStore } from './store/commit.ts';
import type { Foundation } from './verification.ts';

/** What an isolate manages with. */
export interface Management {
  readonly organizations: Organizations;
  readonly auditTrail: AuditTrail;
  readonly rotations: Rotations;
  readonly accounts: Accounts;
  readonly enrolments: Enrolments;
  readonly keys: Keys;
  readonly lineages: Lineages;
  readonly surrenders: Surrenders;
  readonly grants: TokenGrants;
  readonly signingKeys: SigningKeys;
  /** What this deployment is called as an issuer; null: what a call on this machine calls it. */
  readonly issuer: string | null;
  readonly tokenLifetimeSeconds: number;
  readonly callers: Callers;
}

/** Builds what an isolate manages with, once. */
export function createManagement(
  config: Config,
  {
    credentials,
    tokens,
    signingKeys,
    organizationStore,
    keyStore,
    floods,
    feed,
    caches,
    uses,
    platform,
  }: Foundation,
): Management {
  const { clock, random } = platform;
  const ids = createIdFactory(clock, random);
  const maker = new KeyMaker(ids, random);
  const accountStore = new AccountStore(config.db);
  const commits = new CommitStore(config.db, organizationStore, accountStore, keyStore);
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
  const keys = new Keys(keyStore, finder, changes, maker, clock);

  return {
    organizations: new Organizations(organizationStore, changes, ids),
    auditTrail: new AuditTrail(new AuditStore(config.db)),
    rotations: new Rotations(keyStore, finder, changes, maker),
    accounts: new Accounts(accountStore, finder, changes, ids),
    enrolments: new Enrolments(changes, maker, ids),
    keys,
    lineages: new Lineages(keyStore, finder, changes),
    surrenders: new Surrenders(keyStore, keys, tokens, changes, clock),
    grants: new TokenGrants(signingKeys, tokens, platform),
    signingKeys,
    issuer: config.issuer,
    tokenLifetimeSeconds: config.tokenLifetimeSeconds,
    callers,
  };
}
