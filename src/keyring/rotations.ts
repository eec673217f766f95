import { grantedByKey } from '../core/authority.ts';
import { systemOf, type Caller } from '../core/caller.ts';
import { DEFAULT_GRACE_PERIOD, MAX_KEYS_IN_BATCH, MAX_LIFETIME_MS } from '../core/constants.ts';
import { isExpired, parseDuration, resolveExpiry, type ExpiryRequest } from '../core/expiry.ts';
import { parseKeyId, type KeyId } from '../core/id.ts';
import type { ApiKey, KeyRecord, ServiceAccount } from '../core/records.ts';
import type { Refusal, Result } from '../core/refusal.ts';
import type { AccountStore } from '../store/accounts.ts';
import type { KeyStore, ShownKey } from '../store/keys.ts';
import { refusal, type Changed, type Changes, type Edit } from './changes.ts';
import type { KeyMaker, MintedKey } from './new_key.ts';

export interface RotationRequest extends ExpiryRequest {
  /** How long the old key may go on, `0s` to `30d`; a day unless said. */
  readonly gracePeriod?: string | undefined;
  /** End the old key as soon as the new one is used, at the latest when the grace period ends. */
  readonly untilFirstUse?: boolean | undefined;
}

export interface RotatedKey extends MintedKey {
  readonly previous: ShownKey;
}

const SUPERSEDED = 'its successor was used';

/** Replacing a key by a successor, with an overlap in which both are good. Needs `mintmark:keys:write`. */
export class Rotations {
  readonly #store: KeyStore;
  readonly #accounts: AccountStore;
  readonly #changes: Changes;
  readonly #maker: KeyMaker;

  constructor(store: KeyStore, accounts: AccountStore, changes: Changes, maker: KeyMaker) {
    this.#store = store;
    this.#accounts = accounts;
    this.#changes = changes;
    this.#maker = maker;
  }

  /** A key has one successor, however many ask at once; the answer tells the successor's secret. */
  rotate(caller: Caller, id: string, request: RotationRequest): Promise<Result<Changed<RotatedKey>>> {
    return this.#changes.make(caller, 'mintmark:keys:write', async ({ actor, organization }, now) => {
      const keyId = parseKeyId(id);
      const found = keyId === null ? null : await this.#store.find(organization.id, keyId);
      if (found === null) return refusal({ kind: 'not_found', what: 'API key' });
      const before = found.key;
      const expiry = resolveExpiry(withLifetimeOf(before, request, now), now, organization.maxKeyLifetime);
      if (!('expiresAt' in expiry)) return refusal({ kind: 'invalid', faults: [expiry] });
      const account =
        before.serviceAccountId === null
          ? null
          : await this.#accounts.find(organization.id, before.serviceAccountId);

      const { key, secret, digest } = await this.#maker.make(
        {
          serviceAccountId: before.serviceAccountId,
          userId: before.userId,
          name: before.name,
          description: before.description,
          environment: before.environment,
          scopes: before.scopes,
          metadata: before.metadata,
          expiresAt: expiry.expiresAt,
          rotatedFrom: before.id,
          supersedes: request.untilFirstUse === true ? before.id : null,
        },
        organization,
        actor.id,
        now,
      );
      const graceEndsAt = now + (parseDuration(request.gracePeriod ?? DEFAULT_GRACE_PERIOD) ?? 0);
      const previous: ApiKey = {
        ...before,
        rotatedTo: key.id,
        expiresAt: Math.min(before.expiresAt ?? Infinity, graceEndsAt),
        updatedAt: now,
        updatedBy: actor.id,
      };
      return {
        kind: 'change',
        edits: [
          { action: 'api_key.rotated', write: { kind: 'update_key', row: previous }, before },
          { action: 'api_key.created', write: { kind: 'insert_key', row: key, digest }, before: null },
        ],
        account,
        grants: grantedByKey(before.scopes, account),
        grantedTo: { type: 'api_key', id: before.id },
        conflict: rotationConflict(before, account, now),
        weakens: true,
        value: { key, secret, previous: { ...found, key: previous } },
      };
    });
  }

  /**
   * Ends what a used successor supersedes, and what that would have ended had it been used itself, in Mintmark's own
   * name. Safe to repeat: once it is done there is nothing left to do. Throws where it could not be done.
   */
  async finish({ key: { id }, organization }: KeyRecord): Promise<void> {
    const caller = systemOf(organization, `first-use-of-${id}`);
    const finished = await this.#changes.make(caller, 'mintmark:keys:write', async (_, now) => {
      const successor = (await this.#store.find(organization.id, id))?.key;
      if (successor === undefined || successor.supersedes === null) return { kind: 'unchanged', value: null };
      const stamp = { updatedAt: now, updatedBy: 'system' };
      const edits: Edit[] = [
        {
          action: 'api_key.updated',
          write: { kind: 'settle_key', row: { ...successor, ...stamp, supersedes: null } },
          before: successor,
        },
      ];
      let superseded: KeyId | null = successor.supersedes;
      while (superseded !== null && edits.length < MAX_KEYS_IN_BATCH) {
        const before: ApiKey | undefined = (await this.#store.find(organization.id, superseded))?.key;
        superseded = before?.supersedes ?? null;
        if (before === undefined || before.revokedAt !== null || isExpired(before.expiresAt, now)) continue;
        const end = { revokedAt: now, revokedBy: 'system', revocationReason: SUPERSEDED };
        edits.push({
          action: 'api_key.revoked',
          write: { kind: 'revoke_key', row: { ...before, ...stamp, ...end } },
          before,
        });
      }
      return {
        kind: 'change',
        edits,
        grants: [],
        grantedTo: { type: 'api_key', id },
        weakens: true,
        value: null,
      };
    });
    if (!finished.ok) throw new Error(`what ${id} supersedes could not be ended: ${finished.refusal.kind}`);
  }
}

/** Unless told otherwise, a successor lives as long from now as the old key was to live. */
function withLifetimeOf(key: ApiKey, request: RotationRequest, now: number): ExpiryRequest {
  if (request.expiresAt !== undefined || request.expiresIn !== undefined) return request;
  if (key.expiresAt === null) return { expiresAt: null };
  return { expiresAt: now + Math.min(key.expiresAt - key.createdAt, MAX_LIFETIME_MS) };
}

function rotationConflict(key: ApiKey, account: ServiceAccount | null, now: number): Refusal | null {
  if (key.revokedAt !== null) return { kind: 'key_revoked' };
  if (!key.enabled) return { kind: 'key_disabled' };
  if (isExpired(key.expiresAt, now)) return { kind: 'key_expired' };
  if (key.rotatedTo !== null) return { kind: 'key_rotated' };
  if (key.serviceAccountId !== null && account === null) return { kind: 'key_revoked' };
  return account !== null && account.disabledAt !== null ? { kind: 'account_disabled' } : null;
}
