import { createHash } from 'node:crypto';

import { createIdFactory, type IdFactory } from '../../src/core/id.ts';
import type { ApiKey, KeyRecord, OrganizationRules, ServiceAccount } from '../../src/core/records.ts';
import { Chance } from './chance.ts';

const MADE_AT = Date.UTC(2026, 0, 1);
const LIFETIME_MS = 90 * 86_400_000;
const KEYS_OF_AN_ACCOUNT = 10;
const ACCOUNTS_OF_AN_ORGANIZATION = 10;

type Owner = Pick<ServiceAccount, 'id' | 'organizationId'>;

/** Keys such as many have: of a service account, with an expiry and one scope, without metadata. */
export class Sample {
  readonly ids: IdFactory;
  readonly owners: readonly Owner[];
  readonly #chance: Chance;
  #madeAt = MADE_AT;

  /** For so many keys: ten accounts to an organization, ten keys to an account. The same seed makes the same. */
  constructor(keys: number, seed: number) {
    this.#chance = new Chance(seed);
    const fill = (bytes: Uint8Array<ArrayBuffer>) => bytes.map(() => Math.floor(this.#chance.next() * 256));
    this.ids = createIdFactory(() => this.#madeAt, fill);
    const accounts = Math.ceil(keys / KEYS_OF_AN_ACCOUNT);
    let organizationId = this.ids.organization();
    this.owners = Array.from({ length: accounts }, (_, index) => {
      if (index > 0 && index % ACCOUNTS_OF_AN_ORGANIZATION === 0) organizationId = this.ids.organization();
      return { id: this.ids.serviceAccount(), organizationId };
    });
  }

  /** The next one minted, a second later, for any of the accounts. */
  key(): ApiKey {
    this.#madeAt += 1_000;
    const id = this.ids.key();
    const owner = this.owners[Math.floor(this.#chance.next() * this.owners.length)];
    if (owner === undefined) throw new Error('a sample of keys has accounts');
    return {
      id,
      organizationId: owner.organizationId,
      serviceAccountId: owner.id,
      userId: null,
      name: `nightly backup ${id.slice(-4)}`,
      description: null,
      environment: 'live',
      start: `mk_live_${id.slice(-4)}`,
      fingerprint: id.slice(-4),
      scopes: ['backups:write'],
      metadata: {},
      vendor: null,
      enabled: true,
      createdAt: this.#madeAt,
      createdBy: owner.id,
      updatedAt: this.#madeAt,
      updatedBy: owner.id,
      expiresAt: this.#madeAt + LIFETIME_MS,
      revokedAt: null,
      revokedBy: null,
      revocationReason: null,
      rotatedFrom: null,
      rotatedTo: null,
      supersedes: null,
      deletedAt: null,
      revision: 1,
    };
  }
}

/** What caches hold of one of the sample's keys. */
export function recordOf(key: ApiKey): KeyRecord {
  const { id, userId, name, environment, scopes, metadata, enabled, createdAt } = key;
  const { expiresAt, revokedAt, supersedes, revision } = key;
  const ends = { expiresAt, revokedAt, supersedes, revokedTokens: [], revision };
  const organization: OrganizationRules = {
    id: key.organizationId,
    slug: 'northwind-traders',
    keyPrefix: 'mk',
    personalKeyPermissions: [],
    maxLiveKeys: null,
    maxKeyLifetime: null,
    revision: 1,
  };
  return {
    key: { id, userId, name, environment, scopes, metadata, enabled, createdAt, ...ends },
    account:
      key.serviceAccountId === null
        ? null
        : {
            id: key.serviceAccountId,
            permissions: ['backups:*'],
            role: null,
            disabledAt: null,
            revision: 1,
          },
    organization,
    generation: createHash('md5').update(key.organizationId).digest('hex'),
    asOf: createdAt % 1_000_000_000,
    readAt: createdAt,
  };
}
