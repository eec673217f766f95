import type { Services } from '../../src/app.ts';
import type { Platform } from '../../src/core/platform.ts';
import { EdgeDatabase } from './edge_database.ts';
import type { HostileKv } from './hostile_kv.ts';
import type { Oracle } from './oracle.ts';
import type { Production } from './production.ts';
import { Random } from './random.ts';
import type { SqliteD1 } from './sqlite_d1.ts';
import { SIGNING_KEY } from './tokens.ts';
import type { Climate } from './weather.ts';
import type { World } from './world.ts';

export const ROOT_KEY = 'simulated-root-key-0123456789-abcdefghij';

/** So long a verification waits for D1. */
const PATIENCE_MS = 3_000;

/** What isolates share. */
export interface Surroundings {
  readonly world: World;
  readonly database: SqliteD1;
  readonly kv: HostileKv;
  readonly climate: Climate;
  readonly oracle: Oracle;
  readonly production: Production;
  /** Until when which isolates' places are cut off from D1. */
  readonly cutOffUntil: Map<number, number>;
  /** Another isolate of those alive, whose turn it is to serve a relay. */
  readonly anyOther: () => Isolate | undefined;
}

/** The production code as one isolate has it: its own memory, its own way to D1 and KV, and a life that can end. */
export class Isolate {
  readonly place: number;
  readonly services: Services;
  /** What chance does with its calls; each step brings its own. */
  random: Random;
  isAlive = true;
  /** When KV, and when D1, last answered it about keys. */
  kvAnsweredAt = -Infinity;
  d1AnsweredAt = -Infinity;
  /** D1 fails it, or keeps it waiting, until then. */
  troubledUntil = -Infinity;
  /** What was committed before is known to its feed: the latest start of a query of changes that was answered. */
  knowsUntil = -Infinity;
  /** How many renewals of the generation it has seen, by reading it. */
  sawRenewals = 0;

  constructor(place: number, ordinal: number, shared: Surroundings) {
    const { world, oracle, production } = shared;
    this.place = place;
    this.random = new Random(ordinal);
    const bytes = new Random(Math.imul(ordinal, 0x9e3779b1));
    const db = new EdgeDatabase(world, shared.database, shared.climate, this.#edge(shared));
    const kv = shared.kv.edge(
      () => this.random,
      () => this.isAlive,
      () => {
        this.kvAnsweredAt = world.now;
      },
    );
    const after: Platform['after'] = (ms, ring) =>
      world.after(ms, () => {
        if (this.isAlive) ring();
      });
    const platform: Platform = {
      clock: () => world.now,
      random: (array) => bytes.fill(array),
      background: (work) => {
        work.catch((error: unknown) => oracle.onBackgroundFailure(error));
      },
      fetch: async () => {
        throw new TypeError('nothing is reached');
      },
      sleep: (ms) => new Promise((resolve) => after(ms, resolve)),
      after,
      relay: async (uses) => shared.anyOther()?.services.uses.take(uses),
      log: () => undefined,
    };
    const floods: RateLimit = { limit: async () => ({ success: true }) };
    const secrets = { MINTMARK_ROOT_KEY: ROOT_KEY, MINTMARK_SIGNING_KEY: SIGNING_KEY };
    const variables = { ...secrets, ...shared.climate.settings };
    const read = production.readConfig({ DB: db, CACHE: kv, FLOODS: floods, ...variables });
    if ('faults' in read) throw new Error(JSON.stringify(read.faults));
    this.services = production.createServices(read.config, platform);
  }

  #edge({ world, oracle, cutOffUntil }: Surroundings): ConstructorParameters<typeof EdgeDatabase>[3] {
    const random = (): Random => this.random;
    return {
      get random() {
        return random();
      },
      isAlive: () => this.isAlive,
      isCutOff: () => world.now < (cutOffUntil.get(this.place) ?? -Infinity),
      onExecuted: (sql) => oracle.onExecuted(sql),
      onAnswered: (sql, startedAt) => {
        if (sql.some((text) => /k\.(?:digest|id) IN/.test(text))) this.d1AnsweredAt = world.now;
        // No verification waits for it any longer.
        if (world.now - startedAt >= PATIENCE_MS) return;
        if (startedAt > oracle.renewedAt && sql.some((text) => text.includes('generation'))) {
          this.sawRenewals = oracle.renewals;
        }
        if (sql.some((text) => text.includes('FROM generation g'))) {
          this.knowsUntil = Math.max(this.knowsUntil, startedAt);
        }
      },
      onTrouble: (ms) => {
        this.troubledUntil = Math.max(this.troubledUntil, world.now + ms);
      },
    };
  }
}
