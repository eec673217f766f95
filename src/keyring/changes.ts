import { changesBetween, type Action, type AuditEvent, type Target } from '../core/audit.ts';
import { hasEnded, type Caller } from '../core/caller.ts';
import { MAX_CHANGE_ATTEMPTS } from '../core/constants.ts';
import type { IdFactory } from '../core/id.ts';
import type { News } from '../core/news.ts';
import type { Platform } from '../core/platform.ts';
import type { ServiceAccount } from '../core/records.ts';
import { accept, refuse, type Refusal, type Result } from '../core/refusal.ts';
import { uncovered, type ManagementScope, type Scope } from '../core/scope.ts';
import type { CommitStore } from '../store/commit.ts';
import type { Outcome, Write } from '../store/mutation.ts';
import type { Callers } from './callers.ts';

/** One row's change as judged. `before` is the row as it was, null for what is new: what the audit event tells it by. */
export interface Edit {
  readonly action: Action;
  readonly write: Write;
  readonly before: object | null;
}

/** A change as judged: what it writes, and what it asks of its caller. */
interface Change<Value> {
  readonly kind: 'change';
  /** Rows that change together or not at all. */
  readonly edits: readonly Edit[];
  /** The account that the judgement relied on, where it is not what is written. */
  readonly account?: Pick<ServiceAccount, 'id' | 'revision'> | null;
  /** Management scopes that result from a change that makes something stronger: the caller must hold each. */
  readonly grants: readonly Scope[];
  /** What the grant is made to, for the audit trail of one that is refused. */
  readonly grantedTo: Target;
  /** What of the present state stands in the way: told to those alone who may ask for the change. */
  readonly conflict?: Refusal | null;
  /** Whether the change needs room among the organization's live keys. */
  readonly needsRoom?: boolean;
  /** Whether the change takes away something that was allowed. */
  readonly weakens: boolean;
  readonly value: Value;
}

interface Refused {
  readonly kind: 'refusal';
  readonly refusal: Refusal;
  /** What more would have been granted to than the caller holds, for the audit trail. */
  readonly grantedTo?: Target;
}

type Judgement<Value> =
  | Change<Value>
  | Refused
  /** Nothing to do. What was asked to be taken away may be gone by a call just before, so the answer tells a time. */
  | { readonly kind: 'unchanged'; readonly value: Value };

/** What a change made, and the time from which no edge accepts what it took away; null where it took nothing. */
export interface Changed<Value> {
  readonly value: Value;
  readonly effectiveBy: number | null;
}

export function refusal(reason: Refusal): Refused {
  return { kind: 'refusal', refusal: reason };
}

/** What a call needs: management scopes, or to be root; null: nothing, for what is the caller's own. */
export type Needed = ManagementScope | readonly ManagementScope[] | 'root' | null;

/** Why a caller may not, or null: asked before anything is read. Throws for one that is presumed, which may only change. */
export function forbidden(caller: Caller, needed: Needed): Refusal | null {
  if (caller.isPresumed) throw new Error('who reads must be judged on D1');
  return lacking(caller, needed);
}

function lacking(caller: Caller, needed: Needed): Refusal | null {
  if (needed === null) return null;
  if (needed === 'root') return caller.actor.type === 'root' ? null : { kind: 'root_required' };
  const [first] = uncovered(caller.scopes, typeof needed === 'string' ? [needed] : needed);
  return first === undefined ? null : { kind: 'insufficient_scope', needed: [first] };
}

/** What a change comes to for a caller, with what it takes to make it. */
async function judgedBy<Value>(
  caller: Caller,
  needed: Needed,
  now: number,
  judge: (caller: Caller, now: number) => Promise<Judgement<Value>>,
): Promise<Judgement<Value>> {
  const denied = lacking(caller, needed);
  if (denied !== null) return refusal(denied);
  const judged = await judge(caller, now);
  if (judged.kind !== 'change') return judged;
  const ungrantable = uncovered(caller.scopes, judged.grants);
  if (ungrantable.length > 0)
    return { ...refusal({ kind: 'cannot_grant', scopes: ungrantable }), grantedTo: judged.grantedTo };
  return judged.conflict ? refusal(judged.conflict) : judged;
}

/** The one way in which state changes: authorised, judged, written with its audit event, and told. */
export class Changes {
  readonly #store: CommitStore;
  readonly #expect: () => (news: News) => void;
  readonly #callers: Callers;
  readonly #ids: IdFactory;
  readonly #boundMs: number;
  readonly #platform: Platform;

  /**
   * `expect` is called before each commit, and what it returns hears of the change if it was committed. `boundMs`: from a
   * commit to the moment from which every edge knows of it.
   */
  constructor(
    store: CommitStore,
    expect: () => (news: News) => void,
    callers: Callers,
    ids: IdFactory,
    boundMs: number,
    platform: Platform,
  ) {
    this.#store = store;
    this.#expect = expect;
    this.#callers = callers;
    this.#ids = ids;
    this.#boundMs = boundMs;
    this.#platform = platform;
  }

  /**
   * Carries out one change. `judge` reads what it needs and says what to write, given the caller and the time; it runs
   * again when the caller or a row it relied on changed between the reading and the writing. Nothing is left behind by
   * what is refused. Of a caller that is presumed, D1's primary has the last word: its batch asserts what was presumed, and
   * whatever comes to no batch is judged anew by what D1 says now. What the caller named may be another organization by then,
   * so `judge` goes by the one that it is given.
   */
  async make<Value>(
    caller: Caller,
    needed: Needed,
    judge: (caller: Caller, now: number) => Promise<Judgement<Value>>,
  ): Promise<Result<Changed<Value>>> {
    let current = caller;
    for (let attempt = 0; attempt < MAX_CHANGE_ATTEMPTS; attempt++) {
      const now = this.#platform.clock();
      const judged = await judgedBy(current, needed, now, judge);
      // The batch could ask no row, and the body may have been long on its way.
      if (hasEnded(current.claim, this.#platform.clock()))
        return refuse({ kind: 'invalid_credential', reason: 'EXPIRED' });
      if (judged.kind === 'change') {
        const tell = this.#expect();
        const outcome = await this.#commit(current, judged, now);
        if (current.isPresumed && isOfLiveCaller(outcome)) this.#callers.noteUse(current);
        if (outcome.kind === 'committed') {
          tell(newsOf(judged, outcome));
          return accept({ value: judged.value, effectiveBy: this.#effectiveBy(judged.weakens) });
        }
        if (outcome.kind === 'unknown') this.#callers.presumeNothing();
        const refused = refusalOf(outcome, current);
        if (refused !== null) return refuse(refused);
        if (outcome.kind === 'target_changed' && !current.isPresumed) continue;
      } else if (!current.isPresumed) {
        if (judged.kind === 'refusal') {
          await this.#trace(current, judged);
          return refuse(judged.refusal);
        }
        // No batch holds this answer to the caller's still being live, and the body may have been long on its way.
        const live = await this.#callers.refresh(current);
        return live.ok ? accept({ value: judged.value, effectiveBy: this.#effectiveBy(true) }) : live;
      }
      const refreshed = await this.#callers.refresh(current);
      if (!refreshed.ok) return refreshed;
      if (current.isPresumed) this.#callers.noteUse(refreshed.value);
      current = refreshed.value;
    }
    return refuse({ kind: 'conflict' });
  }

  #commit<Value>(caller: Caller, change: Change<Value>, now: number): Promise<Outcome> {
    const { edits, account = null, needsRoom = false } = change;
    const steps = edits.map(({ action, write, before }) => ({
      write,
      event: this.#event(caller, action, targetOf(write), changesBetween(before, write.row)),
    }));
    return this.#store.commit(
      {
        steps,
        credential: caller.credential,
        token: caller.token,
        organization: caller.organization,
        generation: caller.generation,
        account,
        maxLiveKeys: needsRoom ? caller.organization.maxLiveKeys : null,
      },
      now,
    );
  }

  /** Leaves a trace of who tried to grant what it does not hold. */
  async #trace(caller: Caller, { refusal: tried, grantedTo }: Refused): Promise<void> {
    if (tried.kind !== 'cannot_grant' || grantedTo === undefined) return;
    const changes = { scopes: { from: null, to: tried.scopes } };
    await this.#store.record(this.#event(caller, 'grant.refused', grantedTo, changes));
  }

  #event(caller: Caller, action: Action, target: Target, changes: AuditEvent['changes']): AuditEvent {
    return {
      ...caller.claim.origin,
      id: this.#ids.event(),
      // What happens to an organization is told in its own trail.
      organizationId: target.type === 'organization' ? target.id : caller.organization.id,
      // The clock that the id was made by, so that a list by id is one by time.
      at: this.#platform.clock(),
      action,
      actor: caller.actor,
      target,
      changes,
    };
  }

  /** The bound counts from the commit; the clock after it is never too early, nor is it for what was done before. */
  #effectiveBy(takesAway: boolean): number | null {
    return takesAway ? this.#platform.clock() + this.#boundMs : null;
  }
}

/** Whether the batch found the caller live: it asks that first. */
function isOfLiveCaller({ kind }: Outcome): boolean {
  return kind !== 'caller_changed' && kind !== 'target_changed' && kind !== 'unknown';
}

/** Why nothing was changed; null: something was not as it was judged, and is to be judged again. */
function refusalOf(
  { kind }: Exclude<Outcome, { kind: 'committed' }>,
  { organization }: Caller,
): Refusal | null {
  switch (kind) {
    case 'caller_changed':
    case 'target_changed':
      return null;
    case 'account_name_taken':
      return { kind: 'name_taken', what: 'service account' };
    case 'key_name_taken':
      return { kind: 'name_taken', what: 'API key' };
    case 'slug_taken':
      return { kind: 'slug_taken' };
    case 'quota_exceeded':
      return { kind: 'quota_exceeded', maxLiveKeys: organization.maxLiveKeys ?? 0 };
    case 'unknown':
      return { kind: 'outcome_unknown' };
  }
}

function newsOf(
  { edits, weakens }: Pick<Change<unknown>, 'edits' | 'weakens'>,
  { generation, seq, keys }: Extract<Outcome, { kind: 'committed' }>,
): News {
  const changed = edits
    .filter(({ before, write }) => before !== null || write.kind === 'revoke_token')
    .map(({ write }) => write.row.id);
  return { generation, seq, changed, keys, weakens };
}

function targetOf({ kind, row }: Write): Target {
  switch (kind) {
    case 'insert_organization':
    case 'update_organization':
      return { type: 'organization', id: row.id };
    case 'insert_account':
    case 'update_account':
    case 'disable_account':
    case 'delete_account':
      return { type: 'service_account', id: row.id };
    case 'insert_key':
    case 'update_key':
    case 'settle_key':
    case 'revoke_key':
    case 'revoke_token':
    case 'delete_key':
      return { type: 'api_key', id: row.id };
  }
}
