import type { Config } from './config.ts';
import { MAX_FLOORS } from './core/constants.ts';
import { Floors } from './core/floors.ts';
import { createIdFactory, DEFAULT_ORGANIZATION_ID } from './core/id.ts';
import type { Platform } from './core/platform.ts';
import { RootKeys } from './core/root_keys.ts';
import type { Services } from './http/app.ts';
import { Accounts } from './keyring/accounts.ts';
import { AuditTrail } from './keyring/audit_trail.ts';
import { Callers } from './keyring/callers.ts';
import { Changes } from './keyring/changes.ts';
import { Keys } from './keyring/keys.ts';
import { KeyMaker } from './keyring/new_key.ts';
import { Organizations } from './keyring/organizations.ts';
import { Rotations } from './keyring/rotations.ts';
import { AccountStore } from './store/accounts.ts';
import { AuditStore } from './store/audit.ts';
import { RecordCache } from './store/cache.ts';
import { CommitStore } from './store/commit.ts';
import { KeyStore } from './store/keys.ts';
import { OrganizationStore } from './store/organizations.ts';
import { UsageStore } from './store/usage.ts';
import { Lookup, usableMs } from './verifier/lookup.ts';
import { Succession } from './verifier/succession.ts';
import { Uses } from './verifier/uses.ts';
import { Verifier } from './verifier/verifier.ts';

/** Builds what an isolate serves with, once. */
export function createServices(config: Config, platform: Platform): Services {
  const { clock, random } = platform;
  const usable = usableMs(config.maxStalenessSeconds);
  const ids = createIdFactory(clock, random);
  const maker = new KeyMaker(ids, random);
  const floors = new Floors(MAX_FLOORS);
  const rootKeys = new RootKeys(config.rootKey, config.previousRootKey);

  const organizationStore = new OrganizationStore(config.db);
  const accountStore = new AccountStore(config.db);
  const keyStore = new KeyStore(config.db);
  const commits = new CommitStore(config.db, organizationStore, accountStore, keyStore);
  const cache = new RecordCache(config.cache, usable / 1_000);

  const lookup = new Lookup(cache, keyStore, floors, usable, platform);
  const callers = new Callers(organizationStore, keyStore, rootKeys, platform);
  const changes = new Changes(
    commits,
    cache,
    floors,
    callers,
    ids,
    config.maxStalenessSeconds * 1_000,
    platform,
  );
  const rotations = new Rotations(keyStore, accountStore, changes, maker);
  const succession = new Succession((record) => rotations.finish(record), platform);
  const uses = new Uses(new UsageStore(config.db), succession, platform);

  return {
    organizations: new Organizations(organizationStore, changes, ids),
    auditTrail: new AuditTrail(new AuditStore(config.db)),
    rotations,
    accounts: new Accounts(accountStore, changes, ids),
    keys: new Keys(keyStore, accountStore, changes, maker, clock),
    callers,
    verifier: new Verifier(lookup, organizationStore, rootKeys, uses, usable, platform),
    uses,
    rootKeys,
    probes: {
      database: () => organizationStore.find(DEFAULT_ORGANIZATION_ID),
      cache: () => cache.probe(),
    },
    platform,
  };
}
