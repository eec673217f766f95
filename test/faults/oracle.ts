import type { Verdict } from '../../src/core/verdict.ts';
import type { Isolate } from './isolate.ts';
import type { SqliteD1 } from './sqlite_d1.ts';
import type { Climate } from './weather.ts';
import type { World } from './world.ts';

const SECOND = 1_000;
/** D1 is given up after five seconds, left alone for five, and then tried by one request at a time. */
const PATIENCE_MS = 16 * SECOND;
/** A sync that nothing hinders takes no longer. */
const SYNC_MS = 100;
/** A used successor ends its predecessor as soon as D1 takes it. */
const SUCCESSION_MS = 15 * SECOND;

/** What there is to know of a key, by the oracle's own reading of the tables. */
export interface Facts {
  readonly id: string;
  readonly organization_id: string;
  readonly organization_deleted: 0 | 1;
  readonly account_id: string | null;
  readonly name: string;
  readonly revoked: 0 | 1;
  readonly deleted: 0 | 1;
  readonly account_disabled: 0 | 1;
  readonly enabled: 0 | 1;
  readonly expires_at: number | null;
  readonly scopes: string | null;
  readonly ceiling: string;
  readonly supersedes: string | null;
  readonly rotated_to: string | null;
}

const FACTS = `SELECT k.id, k.organization_id, o.deleted_at IS NOT NULL AS organization_deleted,
    k.service_account_id AS account_id, k.name,
    (k.revoked_at IS NOT NULL OR a.deleted_at IS NOT NULL) AS revoked, k.deleted_at IS NOT NULL AS deleted,
    a.disabled_at IS NOT NULL AS account_disabled, k.enabled, k.expires_at, k.scopes,
    coalesce(a.permissions, o.personal_key_permissions) AS ceiling, k.supersedes, k.rotated_to
  FROM api_keys k JOIN organizations o ON o.id = k.organization_id
  LEFT JOIN service_accounts a ON a.id = k.service_account_id`;

interface Request {
  readonly request_id: string;
}

const REQUESTS = `SELECT DISTINCT request_id FROM audit_events WHERE action <> 'grant.refused'`;

/** What a key was from some time on; null: there was none. */
interface Version {
  readonly at: number;
  readonly facts: Facts | null;
  readonly text: string;
}

/** What a mutation changed: a key, or the keys of an account or an organization. */
export interface Changed {
  readonly id: string;
}

/** One verification, as asked. */
export interface Asked {
  readonly isolate: Isolate;
  readonly keyId: string;
  readonly scope: string | null;
  readonly maxStaleness: number | null;
  readonly at: number;
}

/**
 * Knows what was true when, by the tables alone, and holds every answer to it. It shares nothing with the code under
 * test but the schema: what a key may do at a time is worked out here once more, from the contract.
 */
export class Oracle {
  readonly #world: World;
  readonly #database: SqliteD1;
  readonly #isD1Flaky: boolean;
  /** The promise: what was taken away passes nowhere later than this. */
  readonly #boundMs: number;
  /** Apart from edges that are cut off from D1, for so much longer. */
  readonly #graceMs: number;
  /** An isolate that serves, and that nothing hinders, lags no further behind. */
  readonly #lagSeconds: number;
  /** What was asked for, by request. */
  readonly #asked = new Map<string, string>();
  readonly #versions = new Map<string, Version[]>();
  readonly #committedAt = new Map<string, number>();
  readonly #refused = new Set<string>();
  /** By isolate and key: the latest change of it that the isolate itself made and told. */
  readonly #told = new Map<Isolate, Map<string, number>>();
  /** When each isolate was last asked for a verdict. */
  readonly #served = new Map<Isolate, number>();
  readonly #firstUse = new Map<string, { readonly at: number; readonly isolate: Isolate }>();
  #restoredAt = Infinity;
  /** When the generation was last renewed; infinite while that is still to come. */
  renewedAt = Infinity;
  /** How often the generation was renewed. */
  renewals = 0;
  /** The first promise that was broken, in words. */
  violation: string | null = null;

  constructor(world: World, database: SqliteD1, { isD1Flaky, settings }: Climate) {
    const { MAX_STALENESS_SECONDS: bound = 120, SYNC_INTERVAL_SECONDS: interval = 10 } = settings;
    this.#boundMs = Math.max(10, bound) * SECOND;
    this.#graceMs = (settings.OUTAGE_GRACE_SECONDS ?? 600) * SECOND;
    this.#lagSeconds = 1.2 * Math.min(interval, (bound - 10) / 2) + 1;
    this.#world = world;
    this.#isD1Flaky = isD1Flaky;
    this.#database = database;
    this.observe();
  }

  /** Takes down what the tables say now. */
  observe(): void {
    void this.#observe(this.#world.now);
  }

  async #observe(at: number): Promise<void> {
    // Both are read now, before anything else happens.
    const reading = [
      this.#database.prepare(FACTS).all<Facts>(),
      this.#database.prepare(REQUESTS).all<Request>(),
    ] as const;
    const [facts, requests] = await Promise.all(reading);
    const done: string[] = [];
    for (const { request_id: id } of requests.results) {
      if (this.#committedAt.has(id)) continue;
      this.#committedAt.set(id, at);
      done.push(this.#asked.get(id) ?? '');
      if (this.#refused.has(id)) this.violate(`${id} was refused, and happened`);
    }
    this.#append(at, facts.results, done);
  }

  /** A mutation is asked for: what it is called. */
  onAsked(requestId: string, name: string): void {
    this.#asked.set(requestId, name);
  }

  onExecuted(sql: readonly string[]): void {
    if (sql.some((text) => text.includes('audit_events') && text.includes('INSERT'))) this.observe();
  }

  /** The database went back in time; until its generation is renewed, nothing is promised. */
  onRestored(): void {
    this.#restoredAt = this.#world.now;
    this.renewedAt = Infinity;
    this.observe();
  }

  onRenewed(): void {
    this.renewedAt = this.#world.now;
    this.renewals += 1;
  }

  onBackgroundFailure(error: unknown): void {
    const isExpected =
      error instanceof Error &&
      (['Unavailable', 'SchemaMissing'].includes(error.name) ||
        error.message.startsWith('KV ') ||
        error.message.includes('could not be ended'));
    if (!isExpected) this.violate(`background work failed: ${String(error)}`);
  }

  violate(promise: string): void {
    this.violation ??= promise;
    this.#world.end();
  }

  /** Every id that a key has had. */
  get keyIds(): string[] {
    return [...this.#versions.keys()];
  }

  /** A mutation was answered: `holds` is what must have been true of the key between the asking and the answer. */
  onDone(
    isolate: Isolate,
    requestId: string,
    askedAt: number,
    effectiveBy: number | null,
    { id: changedId }: Changed,
    { holds, isEnding }: { readonly holds: (facts: Facts) => boolean; readonly isEnding: boolean },
  ): void {
    const now = this.#world.now;
    if (this.#isUnsettled(askedAt)) return;
    const ids = this.keyIds.filter((id) => {
      const facts = this.#versions.get(id)?.at(-1)?.facts;
      return [id, facts?.account_id, facts?.organization_id].includes(changedId);
    });
    for (const id of ids) {
      const seen = this.#during(id, askedAt, now);
      // What was made meanwhile may have come after it.
      const isNewer = id !== changedId && seen[0]?.facts === null;
      if (!isNewer && !seen.some(({ facts }) => facts !== null && holds(facts))) {
        this.violate(`${requestId} was acknowledged, and is lost`);
      }
    }
    const committedAt = this.#committedAt.get(requestId);
    if (committedAt === undefined) return;
    if (isEnding && effectiveBy === null) this.violate(`${requestId} does not say by when it is in force`);
    if (effectiveBy !== null && effectiveBy < committedAt + this.#boundMs) {
      this.violate(
        `${requestId} is said to be in force ${committedAt + this.#boundMs - effectiveBy} ms too early`,
      );
    }
    const told = this.#told.get(isolate) ?? new Map<string, number>();
    for (const id of ids) told.set(id, committedAt);
    this.#told.set(isolate, told);
  }

  /** A mutation was refused, or is said to have changed nothing. */
  onRefused(requestId: string, askedAt: number): void {
    if (this.#isUnsettled(askedAt)) return;
    this.#refused.add(requestId);
    if (this.#committedAt.has(requestId)) this.violate(`${requestId} was refused, and happened`);
  }

  /** There was no verdict. D1 must have had its share in that. */
  onUnavailable({ isolate, at }: Asked): void {
    if (isolate.troubledUntil < at - PATIENCE_MS)
      this.violate('there was no verdict, though D1 could be reached');
  }

  /** What has ended stays so, unless somebody asked for the contrary, or the database was restored. */
  #judgeChange(before: Facts, after: Facts, done: readonly string[]): void {
    if (this.#restoredAt < Infinity) return;
    const undone = [
      before.revoked > after.revoked && 'a revocation',
      before.deleted > after.deleted && 'a deletion',
      before.organization_deleted > after.organization_deleted && 'a deletion of an organization',
      before.account_disabled > after.account_disabled &&
        !done.some((name) => name.startsWith('enable account')) &&
        'a disabling of an account',
      before.enabled < after.enabled && !done.some((name) => name.startsWith('enable key')) && 'a disabling',
    ].find((one) => one !== false);
    if (undone !== undefined) this.violate(`${undone} was undone by: ${done.join(', ')}`);
  }

  /** Holds a verdict to what was true. */
  judge(asked: Asked, verdict: Verdict): void {
    const { isolate, keyId, scope, maxStaleness, at } = asked;
    const now = this.#world.now;
    const { code } = verdict.decision;
    const told = `${code} by ${verdict.source}, ${verdict.ageSeconds} s old`;
    if (verdict.isDegraded && maxStaleness !== null) {
      return this.violate(`a degraded verdict, though maxStaleness was asked for: ${told}`);
    }
    if (verdict.isDegraded && isolate.troubledUntil < at - PATIENCE_MS) {
      return this.violate(`a degraded verdict, though D1 could be reached: ${told}`);
    }
    const answeredAt = {
      memory: Infinity,
      none: Infinity,
      kv: isolate.kvAnsweredAt,
      d1: isolate.d1AnsweredAt,
    };
    if (answeredAt[verdict.source] < at) return this.violate(`did not come from there: ${told}`);
    const from = Math.max(
      now - this.#boundMs - (verdict.isDegraded ? this.#graceMs : 0),
      now - (verdict.ageSeconds + 1) * SECOND,
      maxStaleness === null ? -Infinity : at - maxStaleness * SECOND,
      this.#known(isolate.knowsUntil),
      this.#known(this.#told.get(isolate)?.get(keyId) ?? -Infinity),
      this.#hasSeenRenewal(isolate) ? this.renewedAt : -Infinity,
    );
    const isFree = this.#isUnsettled(from);
    const possible = this.#during(keyId, from, now).filter(
      // A key that was handed out before it was asked about is there.
      ({ facts, at: since }) => facts !== null || since > -Infinity || !this.#isMinted(keyId, at),
    );
    const codes = possible.map(({ facts }) => codeOf(facts, scope, now));
    if (!codes.includes(code) && !isFree) {
      this.violate(`${told}, where ${[...new Set(codes)].join(' or ')} would have been true`);
    }
    if (code === 'VALID') this.#noteUse(asked, verdict);
    this.#judgeService(asked, verdict);
  }

  /** An isolate that serves is up to date but for its interval, so much as it is asked. */
  #judgeService({ isolate, at }: Asked, { source, ageSeconds }: Verdict): void {
    const now = this.#world.now;
    const servedAt = this.#served.get(isolate);
    if (source === 'memory' && servedAt !== undefined && at - servedAt > SYNC_MS) {
      const sinceServed = Math.max(0, now - servedAt) / SECOND;
      const isHindered = this.#isD1Flaky || isolate.troubledUntil > servedAt - this.#boundMs;
      if (!isHindered && ageSeconds > sinceServed + this.#lagSeconds) {
        this.violate(`${ageSeconds} s old, though the isolate served ${sinceServed} s ago`);
      }
    }
    this.#served.set(isolate, at);
  }

  /** What was known before a restore is void. */
  #known(at: number): number {
    return this.#restoredAt < Infinity && at < this.renewedAt ? -Infinity : at;
  }

  /** A successor's first use ends its predecessor, within the bound. */
  #noteUse({ isolate, keyId }: Asked, { isDegraded }: Verdict): void {
    const now = this.#world.now;
    const facts = this.#versions.get(keyId)?.at(-1)?.facts;
    const superseded = facts?.supersedes;
    if (superseded && !this.#firstUse.has(superseded)) this.#firstUse.set(superseded, { at: now, isolate });
    const use = this.#firstUse.get(keyId);
    // An edge that is cut off says that it is outside of the bound.
    if (use === undefined || isDegraded || this.#restoredAt < Infinity) return;
    const isHindered = !use.isolate.isAlive || use.isolate.troubledUntil >= use.at;
    if (!isHindered && now > use.at + SUCCESSION_MS + this.#boundMs) {
      this.violate('a key passes, though its successor was used long ago');
    }
  }

  #hasSeenRenewal({ sawRenewals }: Isolate): boolean {
    return this.renewals > 0 && sawRenewals === this.renewals && this.renewedAt < Infinity;
  }

  /** Whether what caches hold may still be of a life of the database that a restore ended. */
  #isUnsettled(from: number): boolean {
    return this.#restoredAt < Infinity && from < this.renewedAt;
  }

  #isMinted(keyId: string, at: number): boolean {
    const first = this.#versions.get(keyId)?.find(({ facts }) => facts !== null);
    return first !== undefined && first.at < at;
  }

  /** What a key was between two times. */
  #during(keyId: string, from: number, until: number): Version[] {
    const versions = this.#versions.get(keyId) ?? [];
    return versions.filter(({ at }, index) => at <= until && (versions[index + 1]?.at ?? Infinity) >= from);
  }

  /** `done`: what was done between the version before and this one. */
  #append(at: number, rows: readonly Facts[], done: readonly string[]): void {
    const present = new Map(rows.map((row) => [row.id, row]));
    for (const id of new Set([...this.#versions.keys(), ...present.keys()])) {
      const facts = present.get(id) ?? null;
      const text = JSON.stringify(facts);
      const versions = this.#versions.get(id) ?? [{ at: -Infinity, facts: null, text: 'null' }];
      const before = versions.at(-1)?.facts ?? null;
      if (facts !== null && before !== null) this.#judgeChange(before, facts, done);
      if (versions.at(-1)?.text !== text) versions.push({ at, facts, text });
      this.#versions.set(id, versions);
    }
  }
}

/** What a verdict on a key should be, by the contract. */
function codeOf(facts: Facts | null, scope: string | null, now: number): string {
  if (facts === null || facts.organization_deleted === 1) return 'NOT_FOUND';
  if (facts.revoked === 1) return 'REVOKED';
  if (facts.account_disabled === 1) return 'ACCOUNT_DISABLED';
  if (facts.enabled === 0) return 'DISABLED';
  if (facts.expires_at !== null && facts.expires_at <= now) return 'EXPIRED';
  const covers = (json: string): boolean => {
    const list: unknown[] = JSON.parse(json);
    return scope === null || list.includes(scope) || list.includes('files:*');
  };
  return covers(facts.ceiling) && covers(facts.scopes ?? facts.ceiling) ? 'VALID' : 'INSUFFICIENT_SCOPE';
}
