import { changesBetween, type Action } from '../core/audit.ts';
import type { Caller } from '../core/caller.ts';
import { MAX_CHANGE_ATTEMPTS } from '../core/constants.ts';
import type { Floors } from '../core/floors.ts';
import type { IdFactory } from '../core/id.ts';
import type { Platform } from '../core/platform.ts';
import type { ServiceAccount } from '../core/records.ts';
import { accept, refuse, type Refusal, type Result } from '../core/refusal.ts';
import { coversAll, uncovered, type ManagementScope, type Scope } from '../core/scope.ts';
import type { RecordCache } from '../store/cache.ts';
import type { CommitStore, Outcome, Write } from '../store/commit.ts';
import type { Callers } from './callers.ts';

/** A change as judged: what it writes, and what it asks of its caller. */
interface Change<Value> {
  readonly kind: 'change';
  readonly action: Action;
  readonly write: Write;
  /** The row before, null for what is new: what the audit event tells the change by. */
  readonly before: object | null;
  /** The account that the judgement relied on, where it is not what is written. */
  readonly account?: Pick<ServiceAccount, 'id' | 'revision'> | null;
  /** Management scopes that result from a change that makes something stronger: the caller must hold each. */
  readonly grants: readonly Scope[];
  /** What of the present state stands in the way: told to those alone who may ask for the change. */
  readonly conflict?: Refusal | null;
  /** Whether the change takes away something that was allowed. */
  readonly weakens: boolean;
  readonly value: Value;
}

type Judgement<Value> =
  | Change<Value>
  | { readonly kind: 'refusal'; readonly refusal: Refusal }
  /** Nothing to do. `weakenedAt`: when an earlier call took away what this one would have. */
  | { readonly kind: 'unchanged'; readonly value: Value; readonly weakenedAt: number | null };

/** What a change made, and the time from which no edge accepts what it took away; null where it took nothing. */
export interface Changed<Value> {
  readonly value: Value;
  readonly effectiveBy: number | null;
}

export function refusal(reason: Refusal): { readonly kind: 'refusal'; readonly refusal: Refusal } {
  return { kind: 'refusal', refusal: reason };
}

/** Why a caller may not, or null: what every call asks before it reads anything. */
export function forbidden(caller: Caller, needed: ManagementScope): Refusal | null {
  return coversAll(caller.scopes, [needed]) ? null : { kind: 'insufficient_scope', needed };
}

/** The one way in which state changes: authorised, judged, written with its audit event, and told to the cache. */
export class Changes {
  readonly #store: CommitStore;
  readonly #cache: RecordCache;
  readonly #floors: Floors;
  readonly #callers: Callers;
  readonly #ids: IdFactory;
  readonly #boundMs: number;
  readonly #platform: Platform;

  /** `boundMs`: from a commit to the moment from which every edge knows of it. */
  constructor(
    store: CommitStore,
    cache: RecordCache,
    floors: Floors,
    callers: Callers,
    ids: IdFactory,
    boundMs: number,
    platform: Platform,
  ) {
    this.#store = store;
    this.#cache = cache;
    this.#floors = floors;
    this.#callers = callers;
    this.#ids = ids;
    this.#boundMs = boundMs;
    this.#platform = platform;
  }

  /**
   * Carries out one change. `judge` reads what it needs and says what to write, given the caller and the time; it runs
   * again when the caller or a row it relied on changed between the reading and the writing. Nothing is left behind by
   * what is refused.
   */
  async make<Value>(
    caller: Caller,
    needed: ManagementScope,
    judge: (caller: Caller, now: number) => Promise<Judgement<Value>>,
  ): Promise<Result<Changed<Value>>> {
    let current = caller;
    for (let attempt = 0; attempt < MAX_CHANGE_ATTEMPTS; attempt++) {
      const denied = forbidden(current, needed);
      if (denied !== null) return refuse(denied);
      const now = this.#platform.clock();
      const judged = await judge(current, now);
      if (judged.kind === 'refusal') return refuse(judged.refusal);
      if (judged.kind === 'unchanged') {
        return accept({ value: judged.value, effectiveBy: this.#effectiveBy(judged.weakenedAt) });
      }
      const ungrantable = uncovered(current.scopes, judged.grants);
      if (ungrantable.length > 0) return refuse({ kind: 'cannot_grant', scopes: ungrantable });
      if (judged.conflict) return refuse(judged.conflict);

      const outcome = await this.#commit(current, judged, now);
      switch (outcome.kind) {
        case 'committed':
          this.#tell(judged.write, outcome);
          return accept({
            value: judged.value,
            effectiveBy: this.#effectiveBy(judged.weakens ? this.#platform.clock() : null),
          });
        case 'caller_changed': {
          const refreshed = await this.#callers.refresh(current);
          if (!refreshed.ok) return refreshed;
          current = refreshed.value;
          break;
        }
        case 'target_changed':
          break;
        case 'name_taken':
          return refuse({ kind: 'name_taken' });
        case 'unknown':
          return refuse({ kind: 'outcome_unknown' });
      }
    }
    return refuse({ kind: 'conflict' });
  }

  #commit<Value>(caller: Caller, change: Change<Value>, now: number): Promise<Outcome> {
    const { write, action, before, account = null } = change;
    const [type, after] =
      write.kind === 'insert_key' || write.kind === 'update_key'
        ? (['api_key', write.key] as const)
        : (['service_account', write.account] as const);
    return this.#store.commit(
      {
        write,
        event: {
          ...caller.origin,
          id: this.#ids.event(),
          organizationId: caller.organization.id,
          at: now,
          action,
          actor: caller.actor,
          target: { type, id: after.id },
          changes: changesBetween(before, after),
        },
        credential: caller.credential,
        organization: caller.organization,
        account,
      },
      now,
    );
  }

  /** This isolate knows at once; others learn from KV, or from D1 when what they hold has grown too old. */
  #tell(write: Write, { seq, key }: Extract<Outcome, { kind: 'committed' }>): void {
    if (write.kind === 'update_account') this.#floors.raise(write.account.id, seq);
    if (write.kind === 'update_key') this.#floors.raise(write.key.id, seq);
    if (key === null) return;
    this.#platform.background(
      write.kind === 'insert_key'
        ? this.#cache.put(key.digest, key.record)
        : this.#cache.replace(key.digest, key.record),
    );
  }

  #effectiveBy(weakenedAt: number | null): number | null {
    return weakenedAt === null ? null : weakenedAt + this.#boundMs;
  }
}
