import type { RandomSource } from '../core/base62.ts';
import type { IdFactory } from '../core/id.ts';
import type { ApiKey, OrganizationRules } from '../core/records.ts';
import { digestOf, fingerprintOf, mintSecret, startOf, type Digest, type Secret } from '../core/secret.ts';
import type { Edit } from './changes.ts';

/** A new key with its secret, which is nowhere else and never told again. */
export interface MintedKey {
  readonly key: ApiKey;
  readonly secret: Secret;
}

/** With what is stored of the secret. */
interface DigestedKey extends MintedKey {
  readonly digest: Digest;
}

/** What a new key is asked to be; one without a name goes by its start. */
interface KeyRequest extends Pick<
  ApiKey,
  | 'serviceAccountId'
  | 'userId'
  | 'description'
  | 'environment'
  | 'scopes'
  | 'metadata'
  | 'expiresAt'
  | 'rotatedFrom'
  | 'supersedes'
  | 'vendor'
> {
  readonly name: string | null;
}

/** Draws a secret of the organization's brand, and makes the key around it. */
export class KeyMaker {
  readonly #ids: IdFactory;
  readonly #random: RandomSource;

  constructor(ids: IdFactory, random: RandomSource) {
    this.#ids = ids;
    this.#random = random;
  }

  async make(
    request: KeyRequest,
    organization: OrganizationRules,
    principal: string,
    now: number,
  ): Promise<DigestedKey> {
    const secret = mintSecret(organization.keyPrefix, request.environment, this.#random);
    const start = startOf(secret);
    const key: ApiKey = {
      id: this.#ids.key(),
      organizationId: organization.id,
      ...request,
      name: request.name ?? `key-${start}`,
      start,
      fingerprint: fingerprintOf(secret),
      enabled: true,
      createdAt: now,
      createdBy: principal,
      updatedAt: now,
      updatedBy: principal,
      revokedAt: null,
      revokedBy: null,
      revocationReason: null,
      rotatedTo: null,
      deletedAt: null,
      revision: 1,
    };
    return { key, secret, digest: await digestOf(secret) };
  }
}

/** The edit that writes a new key. `isNamedAlone`: only where no live key of its account has its name. */
export function keyCreation({ key, digest }: DigestedKey, isNamedAlone = false): Edit {
  return {
    action: 'api_key.created',
    write: { kind: 'insert_key', row: key, digest, isNamedAlone },
    before: null,
  };
}
