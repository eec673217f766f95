import type { Caller } from '../core/caller.ts';
import { MAX_KEYS_IN_BATCH, MAX_LINEAGE_PASSES } from '../core/constants.ts';
import { isExpired } from '../core/expiry.ts';
import { Unavailable } from '../core/faults.ts';
import { revokedBy } from '../core/records.ts';
import { accept, refuse, type Result } from '../core/refusal.ts';
import type { KeyStore, ShownKey } from '../store/keys.ts';
import { refusal, type Changed, type Changes } from './changes.ts';
import type { Finder, KeyRef } from './finder.ts';

interface Pass {
  readonly found: ShownKey;
  readonly isDone: boolean;
  /** The caller as it was judged. */
  readonly by: Caller;
}

/** A key with all that it was rotated from and to. Needs `mintmark:keys:write`. */
export class Lineages {
  readonly #store: KeyStore;
  readonly #finder: Finder;
  readonly #changes: Changes;

  constructor(store: KeyStore, finder: Finder, changes: Changes) {
    this.#store = store;
    this.#finder = finder;
    this.#changes = changes;
  }

  /**
   * Ends a key and what is live of the rest, batch by batch as any plan of D1 allows, and looks again until nothing is: a rotation
   * may have come between. The caller's own key comes last, as without it nothing more could be done. Where it can't go
   * on after a first batch, how much is done is for the caller to look at.
   */
  async revoke(caller: Caller, ref: KeyRef, reason: string | null): Promise<Result<Changed<ShownKey>>> {
    const first = await this.#revokeSome(caller, ref, reason);
    if (!first.ok || first.value.value.isDone) return mapped(first);
    // D1 has found it live by the first batch.
    const judged = { ...first.value.value.by, isPresumed: false };
    try {
      for (let pass = 1; pass < MAX_LINEAGE_PASSES; pass++) {
        const next = await this.#revokeSome(judged, ref, reason);
        if (!next.ok) break;
        if (next.value.value.isDone) return mapped(next);
      }
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
    }
    return refuse({ kind: 'outcome_unknown' });
  }

  /** One batch of a lineage's revocation. */
  #revokeSome(caller: Caller, ref: KeyRef, reason: string | null): Promise<Result<Changed<Pass>>> {
    return this.#changes.make(caller, 'mintmark:keys:write', async (current, now) => {
      const shown = await this.#finder.key(current.organization.id, ref);
      if (!shown.ok) return refusal(shown.refusal);
      const found = shown.value;
      const live = (await this.#store.lineage(current.organization.id, found.key.id))
        .map(({ key }) => key)
        .filter(
          (key) => key.revokedAt === null && (key.id === found.key.id || !isExpired(key.expiresAt, now)),
        );
      const others = live.filter((key) => key.id !== current.credential?.key.id);
      const ending = others.length > 0 ? others.slice(0, MAX_KEYS_IN_BATCH) : live;
      if (ending.length === 0) return { kind: 'unchanged', value: { found, isDone: true, by: current } };
      return {
        kind: 'change',
        edits: ending.map((before) => ({
          action: 'api_key.revoked',
          write: {
            kind: 'revoke_key',
            row: revokedBy(current.actor.id, before, reason, now),
            isLast: others.length === 0,
          },
          before,
        })),
        grants: [],
        grantedTo: { type: 'api_key', id: found.key.id },
        weakens: true,
        value: {
          found: { ...found, key: revokedBy(current.actor.id, found.key, reason, now) },
          isDone: others.length === 0,
          by: current,
        },
      };
    });
  }
}

function mapped(result: Result<Changed<{ readonly found: ShownKey }>>): Result<Changed<ShownKey>> {
  return result.ok ? accept({ ...result.value, value: result.value.value.found }) : result;
}
