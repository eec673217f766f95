import { grantedByKey } from '../core/authority.ts';
import { systemOf, type Caller } from '../core/caller.ts';
import { DEFAULT_GRACE_PERIOD, LATEST_EXPIRY_MS, MAX_KEYS_IN_BATCH } from '../core/constants.ts';
import { isExpired, parseDuration, resolveExpiry, type ExpiryRequest } from '../core/expiry.ts';
import type { KeyId } from '../core/id.ts';
import { revokedBy, type ApiKey, type KeyRecord, type ServiceAccount } from '../core/records.ts';
import type { Refusal, Result } from '../core/refusal.ts';
import type { KeyStore, ShownKey } from '../store/keys.ts';
import { refusal, type Changed, type Changes, type Edit } from './changes.ts';
import type { Finder, KeyRef } from './finder.ts';
import { keyCreation, type KeyMaker, type MintedKey } from './new_key.ts';

export interface RotationRequest extends ExpiryRequest {
  /** How long the old key may go on, `0s` to `30d`; a day unless said. Null: it is revoked at once. */
  readonly gracePeriod?: string | null | undefined;
  /** Refuse a grace period that the old key does not live through. */
  readonly isWholeGrace?: boolean | undefined;
  /** End the old key as soon as the new one is used, at the latest when the grace period ends. */
  readonly untilFirstUse?: boolean | undefined;
}

export interface RotatedKey extends MintedKey {
  readonly previous: ShownKey;
}

const SUPERSEDED = 'its successor was used';
const REPLACED = 'it was rotated without a grace period';

/** Replacing a key by a successor, with an overlap in which both are good. Needs `mintmark:keys:write`. */
export class Rotations {
  readonly #store: KeyStore;
  readonly #finder: Finder;
  readonly #changes: Changes;
  readonly #maker: KeyMaker;

  constructor(store: KeyStore, finder: Finder, changes: Changes, maker: KeyMaker) {
    this.#store = store;
    this.#finder = finder;
    this.#changes = changes;
    this.#maker = maker;
  }

  /** A key has one successor, however many ask at once; the answer tells the successor's secret. */
  rotate(caller: Caller, ref: KeyRef, request: RotationRequest): Promise<Result<Changed<RotatedKey>>> {
    return this.#changes.make(caller, 'mintmark:keys:write', async (current, now) => {
      const { actor, organization } = current;
      const found = await this.#finder.keyWithAccount(current, ref);
      if (!found.ok) return refusal(found.refusal);
      const { shown, account } = found.value;
      const before = shown.key;
      const graceEndsAt = now + graceMsOf(request);
      const conflict = rotationConflict(before, account, now);
      const expiry = resolveExpiry(withLifetimeOf(before, request, now), now, organization.maxKeyLifetime);
      const faults = [
        // Of a key that can't be rotated, what would follow from its own life says nothing.
        ...('expiresAt' in expiry || (conflict !== null && !saysExpiry(request)) ? [] : [expiry]),
        ...(conflict === null && request.isWholeGrace === true && isExpired(before.expiresAt, graceEndsAt - 1)
          ? [{ path: 'gracePeriod', message: 'must not outlast the old key' }]
          : []),
      ];
      if (faults.length > 0) return refusal({ kind: 'invalid', faults });

      const minted = await this.#maker.make(
        {
          serviceAccountId: before.serviceAccountId,
          userId: before.userId,
          name: before.name,
          description: before.description,
          environment: before.environment,
          scopes: before.scopes,
          metadata: before.metadata,
          vendor: before.vendor,
          expiresAt: 'expiresAt' in expiry ? expiry.expiresAt : null,
          rotatedFrom: before.id,
          supersedes: request.untilFirstUse === true ? before.id : null,
        },
        organization,
        actor.id,
        now,
      );
      const previous: ApiKey = {
        ...before,
        rotatedTo: minted.key.id,
        expiresAt:
          request.gracePeriod === null
            ? before.expiresAt
            : Math.min(before.expiresAt ?? Infinity, graceEndsAt),
        updatedAt: now,
        updatedBy: actor.id,
      };
      const ended = request.gracePeriod === null ? revokedBy(actor.id, previous, REPLACED, now) : previous;
      return {
        kind: 'change',
        edits: [
          { action: 'api_key.rotated', write: { kind: 'update_key', row: previous }, before },
          ...(ended === previous
            ? []
            : [
                {
                  action: 'api_key.revoked',
                  write: { kind: 'revoke_key', row: ended },
                  before: previous,
                } as const,
              ]),
          keyCreation(minted),
        ],
        account,
        grants: grantedByKey(before.scopes, account),
        grantedTo: { type: 'api_key', id: before.id },
        conflict,
        weakens: true,
        value: { key: minted.key, secret: minted.secret, previous: { ...shown, key: ended } },
      };
    });
  }

  /**
   * Ends what a used successor supersedes, and what that would have ended had it been used itself, in Mintmark's own
   * name. Safe to repeat: once it is done there is nothing left to do. Throws where it could not be done.
   */
  async finish(record: KeyRecord): Promise<void> {
    const {
      key: { id },
      organization,
    } = record;
    const caller = systemOf(record, `first-use-of-${id}`);
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
  if (saysExpiry(request)) return request;
  if (key.expiresAt === null) return { expiresAt: null };
  return { expiresAt: Math.min(now + key.expiresAt - key.createdAt, LATEST_EXPIRY_MS), isFar: true };
}

const saysExpiry = ({ expiresAt, expiresIn }: ExpiryRequest): boolean =>
  expiresAt !== undefined || expiresIn !== undefined;

function graceMsOf({ gracePeriod = DEFAULT_GRACE_PERIOD }: RotationRequest): number {
  return gracePeriod === null ? 0 : (parseDuration(gracePeriod) ?? 0);
}

function rotationConflict(key: ApiKey, account: ServiceAccount | null, now: number): Refusal | null {
  if (key.revokedAt !== null) return { kind: 'key_revoked' };
  if (!key.enabled) return { kind: 'key_disabled' };
  if (isExpired(key.expiresAt, now)) return { kind: 'key_expired' };
  if (key.rotatedTo !== null) return { kind: 'key_rotated' };
  if (key.serviceAccountId !== null && account === null) return { kind: 'key_revoked' };
  return account !== null && account.disabledAt !== null ? { kind: 'account_disabled' } : null;
}
