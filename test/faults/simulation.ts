import type { Caller } from '../../src/core/caller.ts';
import type { OrganizationId } from '../../src/core/id.ts';
import type { ApiKey } from '../../src/core/records.ts';
import type { Result } from '../../src/core/refusal.ts';
import type { Verdict } from '../../src/core/verdict.ts';
import { HostileKv } from './hostile_kv.ts';
import { Isolate, ROOT_KEY, type Surroundings } from './isolate.ts';
import { Oracle, type Asked, type Facts } from './oracle.ts';
import type { Production } from './production.ts';
import { Random } from './random.ts';
import { SqliteD1, type Saved } from './sqlite_d1.ts';
import { ISOLATES, type History, type Step } from './steps.ts';
import { tokenOf } from './tokens.ts';
import { World } from './world.ts';

/** Later than any real clock, so that SQLite's own never comes into it. */
const START = Date.UTC(2060, 0, 1);
const SECOND = 1_000;
/** After the last step: until every bound has passed. */
const REST_MS = 135 * SECOND;

const MODEST = ['files:read'];
const GENEROUS = ['files:read', 'files:write'];

interface Target {
  readonly id: string;
  readonly organizationId: OrganizationId;
}

interface MintedKey extends Target {
  readonly secret: string;
  readonly accountId: string | null;
}

/** What every history begins with. */
interface Genesis {
  readonly saved: Saved;
  readonly organizations: readonly OrganizationId[];
  readonly accounts: readonly Target[];
  readonly keys: readonly MintedKey[];
}

type Minted = { readonly key: ApiKey; readonly secret: string };

interface Made<Value> {
  readonly value: Value;
  readonly effectiveBy: number | null;
}

/** What a mutation is asked to do, and what must be so once it is acknowledged. */
interface Mutation<Value> {
  readonly on: Target;
  readonly act: (isolate: Isolate, caller: Caller) => Promise<Result<Made<Value>>>;
  readonly holds: (facts: Facts) => boolean;
  /** Whether it takes something away whenever it does anything, and so must tell by when. */
  readonly isEnding?: boolean;
  /** Takes note of what was made; returns what is changed by that, where it is not what was acted on. */
  readonly note?: (value: Value) => Target;
}

/** What is done to something, wherever it is asked for. */
type Change = Pick<Mutation<unknown>, 'act' | 'holds' | 'isEnding'>;

/** Runs histories, one after the other, against one database. */
export class Simulator {
  readonly #production: Production;
  readonly #database: SqliteD1;
  #clock: () => number = () => START;
  #genesis: Genesis | undefined;

  constructor(production: Production) {
    this.#production = production;
    this.#database = new SqliteD1(() => this.#clock());
  }

  /** The promise that a history breaks, or null. `trace` is told what happens. */
  async run(history: History, trace: (line: string) => void = () => undefined): Promise<string | null> {
    this.#genesis ??= await this.#begin();
    this.#database.restore(this.#genesis.saved);
    const run = new Run(this.#production, this.#database, history, this.#genesis, trace);
    this.#clock = () => run.world.now;
    return run.play();
  }

  async #begin(): Promise<Genesis> {
    const none: Genesis = { saved: this.#database.save(), organizations: [], accounts: [], keys: [] };
    const history: History = { climate: { settings: {}, kv: 'fresh', isD1Flaky: false }, steps: [] };
    const run = new Run(this.#production, this.#database, history, none, () => undefined);
    this.#clock = () => run.world.now;
    return run.found();
  }
}

function mintedOf({ key, secret }: Minted): MintedKey {
  const { id, organizationId, serviceAccountId: accountId } = key;
  return { id, organizationId, secret, accountId };
}

class Run {
  readonly world = new World(START);
  readonly #history: History;
  readonly #database: SqliteD1;
  readonly #shared: Surroundings;
  readonly #isolates: Isolate[] = [];
  readonly #organizations: readonly OrganizationId[];
  readonly #accounts: readonly Target[];
  readonly #keys: MintedKey[];
  readonly #trace: (line: string) => void;
  #saved: Saved;
  #ordinal: number;
  #requests = 0;
  #isEnding = false;
  /** Verifications that have no answer yet. */
  readonly #waiting = new Set<{ readonly isolate: Isolate; readonly name: string }>();

  constructor(
    production: Production,
    database: SqliteD1,
    history: History,
    genesis: Genesis,
    trace: (line: string) => void,
  ) {
    this.#history = history;
    this.#database = database;
    this.#saved = genesis.saved;
    this.#organizations = genesis.organizations;
    this.#accounts = genesis.accounts;
    this.#keys = [...genesis.keys];
    // No isolate draws what one drew that made the beginning.
    this.#ordinal = genesis.keys.length === 0 ? 0 : 1_000;
    this.#trace = (line) => trace(`${((this.world.now - START) / SECOND).toFixed(3).padStart(9)} s  ${line}`);
    this.#shared = {
      world: this.world,
      database,
      kv: new HostileKv(this.world, history.climate.kv),
      climate: history.climate,
      oracle: new Oracle(this.world, database, history.climate),
      production,
      cutOffUntil: new Map(),
      anyOther: () => this.#isolates.find(({ isAlive }) => isAlive),
    };
    for (let place = 0; place < ISOLATES; place++) this.#isolates.push(this.#start(place));
  }

  async play(): Promise<string | null> {
    const { oracle } = this.#shared;
    for (const step of this.#history.steps) {
      await this.world.runUntil(this.world.now + step.gap);
      if (oracle.violation !== null) return oracle.violation;
      this.#take(step);
    }
    await this.world.runUntil(this.world.now + REST_MS);
    this.#isEnding = true;
    for (const isolate of this.#isolates) {
      for (const [index] of this.#keys.entries())
        this.#verify(isolate, [index], { scope: null, maxStaleness: null, salt: index });
    }
    await this.world.runUntil(this.world.now + 30 * SECOND);
    for (const { isolate, name } of this.#waiting) {
      if (isolate.isAlive) oracle.violate(`${name} never ended`);
    }
    for (const isolate of this.#isolates) this.#crash(isolate);
    return oracle.violation;
  }

  /** Makes what every history begins with. */
  async found(): Promise<Genesis> {
    const [isolate] = this.#isolates;
    if (isolate === undefined) throw new Error('no isolate');
    const { organizations, accounts, keys } = isolate.services;
    const made: Genesis[] = [];
    const build = async (): Promise<void> => {
      const root = async (named: string | null) =>
        value(
          await isolate.services.callers.presume(ROOT_KEY, named === null ? [] : [named], this.#origin()),
        );
      const ours = await root(null);
      const { id: other } = value(await organizations.create(ours, { name: 'Other', slug: 'other' })).value;
      const theirs = await root(other);
      const rules = { personalKeyPermissions: ['files:*'] };
      value(await organizations.update(ours, ours.organization.id, rules));
      value(await organizations.update(ours, other, rules));
      const account = async (caller: Caller, name: string): Promise<Target> => ({
        id: value(await accounts.create(caller, { name, permissions: GENEROUS })).value.id,
        organizationId: caller.organization.id,
      });
      const [one, two, three] = [
        await account(ours, 'one'),
        await account(ours, 'two'),
        await account(theirs, 'three'),
      ];
      const minted = async (caller: Caller, owner: string, scopes: string[] | null, expiresIn?: string) => {
        const whose = owner.startsWith('sa_') ? { account: { id: owner } } : { userId: owner };
        const { key, secret } = value(
          await keys.mint(await root(caller.organization.id), whose, { name: 'key', scopes, expiresIn }),
        ).value;
        return mintedOf({ key, secret });
      };
      made.push({
        keys: [
          await minted(ours, one.id, null),
          await minted(ours, one.id, MODEST),
          await minted(ours, 'ada', GENEROUS),
          await minted(ours, two.id, null, '300s'),
          await minted(theirs, three.id, null),
          await minted(theirs, 'bob', MODEST),
        ],
        accounts: [one, two, three],
        organizations: [ours.organization.id, other],
        saved: this.#database.save(),
      });
    };
    const building = build();
    await this.world.runUntil(this.world.now + 60 * SECOND);
    await building;
    const [genesis] = made;
    if (genesis === undefined) throw new Error('nothing was founded');
    return genesis;
  }

  #take(step: Step): void {
    const isolate = this.#isolates[step.isolate % ISOLATES];
    if (isolate === undefined) return;
    isolate.random = new Random(step.salt);
    switch (step.do) {
      case 'verify':
        return this.#verify(isolate, [step.key], step);
      case 'verify many':
        return this.#verify(isolate, step.keys, step);
      case 'mint':
        return this.#mint(isolate, pick(this.#accounts, step.account), step);
      case 'rotate':
        return this.#rotate(isolate, pick(this.#keys, step.key), step);
      case 'change key':
        return this.#mutate(isolate, `${step.change} key ${step.key % this.#keys.length}`, {
          on: pick(this.#keys, step.key),
          ...this.#keyChange(step.change, pick(this.#keys, step.key).id),
        });
      case 'change account':
        return this.#mutate(isolate, `${step.change} account ${step.account}`, {
          on: pick(this.#accounts, step.account),
          ...accountChange(step.change, pick(this.#accounts, step.account).id),
        });
      case 'change organization': {
        const id = pick(this.#organizations, step.organization);
        return this.#mutate(isolate, `${step.change} organization ${step.organization}`, {
          on: { id, organizationId: id },
          ...organizationChange(step.change, id),
        });
      }
      case 'upkeep':
        this.#trace(`isolate ${isolate.place}: upkeep`);
        isolate.services.upkeep().catch((error: unknown) => this.#shared.oracle.onBackgroundFailure(error));
        return;
      case 'crash':
        this.#trace(`isolate ${isolate.place}: crashes, and another takes its place`);
        this.#crash(isolate);
        this.#isolates[isolate.place] = this.#start(isolate.place);
        return;
      case 'cut off':
        return this.#cutOff(step.isAll ? this.#isolates : [isolate], step.ms);
      case 'checkpoint':
        this.#trace('D1: a point to restore to');
        this.#saved = this.#database.save();
        return;
      case 'restore':
        return this.#restore(step.renewedAfterMs);
    }
  }

  #start(place: number): Isolate {
    return new Isolate(place, ++this.#ordinal, this.#shared);
  }

  #crash(isolate: Isolate): void {
    isolate.isAlive = false;
  }

  #cutOff(isolates: readonly Isolate[], ms: number): void {
    this.#trace(`isolates ${isolates.map(({ place }) => place).join(', ')}: cut off from D1 for ${ms} ms`);
    for (const { place } of isolates) this.#shared.cutOffUntil.set(place, this.world.now + ms);
  }

  /** The database as it was, and, so much later, what its operator does about it. */
  #restore(renewedAfterMs: number): void {
    const { oracle } = this.#shared;
    this.#trace('D1: restored');
    this.#database.restore(this.#saved);
    oracle.onRestored();
    this.world.after(renewedAfterMs, () => {
      this.#trace('D1: its generation is renewed');
      void this.#database
        .prepare('UPDATE generation SET name = ?')
        .bind(`generation ${this.world.now}`)
        .run();
      oracle.onRenewed();
    });
  }

  #verify(
    isolate: Isolate,
    indexes: readonly number[],
    { scope, maxStaleness, salt }: Pick<Extract<Step, { do: 'verify' }>, 'scope' | 'maxStaleness' | 'salt'>,
  ): void {
    const { oracle } = this.#shared;
    const keys = indexes.map((index) => pick(this.#keys, index));
    const asked = keys.map(({ id }) => ({ isolate, keyId: id, scope, maxStaleness, at: this.world.now }));
    // By a token it is found in another way, and all that is promised of the key is promised of it.
    const isByToken = salt % 6 === 0 && keys.every(({ accountId }) => accountId !== null);
    const requests = keys.map(({ secret, organizationId }) => ({
      key: secret,
      organizationId,
      scopes: scope === null ? [] : [scope],
      usedFrom: { ip: null, userAgent: null },
      maxStaleness: maxStaleness ?? undefined,
    }));
    const named = indexes.map((index) => index % this.#keys.length).join(', ');
    const freshness = maxStaleness === null ? '' : `, maxStaleness ${maxStaleness}`;
    const name = `isolate ${isolate.place}: verify ${isByToken ? 'a token of ' : ''}key ${named}${scope === null ? '' : ` for ${scope}`}${freshness}`;
    const waiting = { isolate, name };
    this.#waiting.add(waiting);
    const done = async (): Promise<void> => {
      const { verifier } = isolate.services;
      const presented = isByToken
        ? await Promise.all(
            requests.map(async (request, index) => ({
              ...request,
              key: await tokenOf(pick(keys, index), START),
            })),
          )
        : requests;
      const [only] = presented;
      const verdicts =
        only !== undefined && presented.length === 1
          ? [await verifier.verify(only)]
          : await verifier.verifyMany(presented);
      for (const [index, one] of asked.entries()) this.#judge(name, one, verdicts[index]);
    };
    done()
      .catch((error: unknown) => {
        this.#trace(`${name} → ${String(error)}`);
        const [one] = asked;
        if (one !== undefined && isNamed(error, 'Unavailable')) oracle.onUnavailable(one);
        else oracle.violate(`a verification failed: ${String(error)}`);
      })
      .finally(() => this.#waiting.delete(waiting));
  }

  #judge(name: string, asked: Asked, verdict: Verdict | undefined): void {
    const { oracle } = this.#shared;
    if (oracle.violation !== null) return;
    if (verdict === undefined) return oracle.violate('a key has no verdict');
    oracle.judge(asked, verdict);
    // At the end every key is looked at, and only what is wrong is worth telling.
    if (this.#isEnding && oracle.violation === null) return;
    const { source, ageSeconds, isDegraded, decision } = verdict;
    const by = `${source}, ${ageSeconds} s old${isDegraded ? ', degraded' : ''}`;
    this.#trace(`${name} → ${decision.code} (${by})`);
  }

  #mint(isolate: Isolate, account: Target, step: Extract<Step, { do: 'mint' }>): void {
    this.#mutate(isolate, `mint key ${this.#keys.length}`, {
      on: account,
      act: ({ services }, caller) =>
        services.keys.mint(
          caller,
          { account: { id: account.id } },
          {
            name: 'key',
            scopes: step.scope === null ? null : [step.scope],
            ...(step.lifetime === null ? {} : { expiresIn: step.lifetime }),
          },
        ),
      holds: () => true,
      note: (made) => {
        const minted = mintedOf(made);
        this.#keys.push(minted);
        return minted;
      },
    });
  }

  #rotate(
    isolate: Isolate,
    key: MintedKey,
    { gracePeriod, untilFirstUse }: Extract<Step, { do: 'rotate' }>,
  ): void {
    this.#mutate(
      isolate,
      `rotate key ${this.#keys.indexOf(key)}${untilFirstUse ? ' until first use' : ''}, grace ${gracePeriod ?? 'none'}`,
      {
        on: key,
        act: ({ services }, caller) =>
          services.rotations.rotate(caller, { id: key.id }, { gracePeriod, untilFirstUse }),
        holds: ({ rotated_to: successor, revoked }) =>
          successor !== null && (gracePeriod !== null || revoked === 1),
        isEnding: true,
        note: (made) => {
          this.#keys.push(mintedOf(made));
          return key;
        },
      },
    );
  }

  #keyChange(change: Extract<Step, { do: 'change key' }>['change'], id: string): Change {
    const patched = (patch: object, holds: (facts: Facts) => boolean) => ({
      act: ({ services }: Isolate, caller: Caller) => services.keys.update(caller, { id }, patch),
      holds,
    });
    const expiring = (seconds: number) => {
      const expiresAt = this.world.now + seconds * SECOND;
      return patched({ expiresAt }, (facts) => facts.expires_at === expiresAt);
    };
    const isRevoked = ({ revoked }: Facts): boolean => revoked === 1;
    switch (change) {
      case 'narrow':
        return patched({ scopes: MODEST }, ({ scopes }) => scopes === JSON.stringify(MODEST));
      case 'widen':
        return patched({ scopes: GENEROUS }, ({ scopes }) => scopes === JSON.stringify(GENEROUS));
      case 'shorten':
        return expiring(20);
      case 'extend':
        return expiring(1_000);
      case 'disable':
        return patched({ enabled: false }, ({ enabled }) => enabled === 0);
      case 'enable':
        return patched({ enabled: true }, ({ enabled }) => enabled === 1);
      case 'rename':
        return patched({ name: 'renamed' }, ({ name }) => name === 'renamed');
      case 'revoke':
      case 'revoke lineage':
        return {
          act: ({ services }, caller) =>
            change === 'revoke lineage'
              ? services.lineages.revoke(caller, { id }, null)
              : services.keys.revoke(caller, { id }, { reason: null }),
          holds: isRevoked,
          isEnding: true,
        };
      case 'delete':
        return {
          act: ({ services }, caller) => services.keys.remove(caller, { id }),
          holds: ({ revoked, deleted }) => revoked === 1 && deleted === 1,
          isEnding: true,
        };
    }
  }

  /** Asks for a mutation as root, and tells the oracle how it ended, if it does. */
  #mutate<Value>(
    isolate: Isolate,
    name: string,
    { on, act, holds, isEnding = false, note = () => on }: Mutation<Value>,
  ): void {
    const { oracle } = this.#shared;
    const origin = this.#origin();
    const askedAt = this.world.now;
    const line = `isolate ${isolate.place}: ${name} (${origin.requestId})`;
    this.#trace(line);
    oracle.onAsked(origin.requestId, name);
    const done = async (): Promise<void> => {
      const caller = await isolate.services.callers.presume(ROOT_KEY, [on.organizationId], origin);
      const result = caller.ok ? await act(isolate, caller.value) : caller;
      this.#trace(`${line} → ${result.ok ? 'done' : result.refusal.kind}`);
      if (result.ok) {
        const { value: made, effectiveBy } = result.value;
        oracle.onDone(isolate, origin.requestId, askedAt, effectiveBy, note(made), { holds, isEnding });
      } else if (result.refusal.kind !== 'outcome_unknown') oracle.onRefused(origin.requestId, askedAt);
    };
    done().catch((error: unknown) => {
      this.#trace(`${line} → ${String(error)}`);
      if (isNamed(error, 'Unavailable')) oracle.onRefused(origin.requestId, askedAt);
      else oracle.violate(`${name} failed: ${String(error)}`);
    });
  }

  #origin() {
    const kind = this.#keys.length === 0 ? 'founding' : 'request';
    return { requestId: `${kind} ${++this.#requests}`, ip: null, userAgent: null };
  }
}

function accountChange(change: Extract<Step, { do: 'change account' }>['change'], id: string): Change {
  const permitted = (permissions: string[]): Change => ({
    act: ({ services }, caller) => services.accounts.update(caller, { id }, { permissions }),
    holds: ({ ceiling }) => ceiling === JSON.stringify(permissions),
  });
  switch (change) {
    case 'narrow':
      return permitted(MODEST);
    case 'widen':
      return permitted(GENEROUS);
    case 'disable':
      return {
        act: ({ services }, caller) => services.accounts.disable(caller, { id }),
        holds: ({ account_disabled: isDisabled }) => isDisabled === 1,
        isEnding: true,
      };
    case 'enable':
      return {
        act: ({ services }, caller) => services.accounts.enable(caller, { id }),
        holds: ({ account_disabled: isDisabled }) => isDisabled === 0,
      };
    case 'rename':
      return {
        act: ({ services }, caller) => services.accounts.update(caller, { id }, { description: 'renamed' }),
        holds: () => true,
      };
    case 'delete':
      return {
        act: ({ services }, caller) => services.accounts.remove(caller, { id }),
        holds: ({ revoked }) => revoked === 1,
        isEnding: true,
      };
  }
}

function organizationChange(
  change: Extract<Step, { do: 'change organization' }>['change'],
  id: string,
): Change {
  const permitted = (personalKeyPermissions: string[]): Change => ({
    act: ({ services }, caller) => services.organizations.update(caller, id, { personalKeyPermissions }),
    holds: ({ account_id: account, ceiling }) =>
      account !== null || ceiling === JSON.stringify(personalKeyPermissions),
  });
  switch (change) {
    case 'narrow':
      return permitted([]);
    case 'widen':
      return permitted(['files:*']);
    case 'rename':
      return {
        act: ({ services }, caller) => services.organizations.update(caller, id, { name: 'Renamed' }),
        holds: () => true,
      };
    case 'delete':
      return {
        act: ({ services }, caller) => services.organizations.remove(caller, id),
        holds: ({ organization_deleted: isDeleted }) => isDeleted === 1,
        isEnding: true,
      };
  }
}

function pick<Item>(items: readonly Item[], index: number): Item {
  const item = items[index % items.length];
  if (item === undefined) throw new Error('there is nothing to pick from');
  return item;
}

function value<Value>(result: Result<Value>): Value {
  if (!result.ok) throw new Error(result.refusal.kind);
  return result.value;
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}
