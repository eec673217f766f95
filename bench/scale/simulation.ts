import { KV_WRITE_INTERVAL_MS, MAX_FLOORS } from '../../src/core/constants.ts';
import { Chance } from './chance.ts';
import { Changes } from './changes.ts';
import { Cities } from './cities.ts';
import { Isolate } from './isolate.ts';
import { RecordsInKv } from './records_in_kv.ts';
import { createTally, ROWS, type Tally } from './tally.ts';
import { Zipf } from './zipf.ts';

const DAY_SECONDS = 86_400;
const MINUTE_SECONDS = 60;
/** How often the isolates that serve are counted. */
const CENSUS_MS = 10_000;

/** What is simulated. */
export interface World {
  readonly keys: number;
  /** Verifications a second. */
  readonly rate: number;
  readonly cities: number;
  /** How unequal keys and cities are: the exponents of Zipf's law. */
  readonly keyExponent: number;
  readonly cityExponent: number;
  /** What part of the keys changes in a day. */
  readonly changesADay: number;
  /** Changes in one answer of D1, and in the snapshot in KV. */
  readonly changesTold: number;
  /** How often an isolate writes the last uses that it saw. */
  readonly usesEachSeconds: number;
  /** Verifications a second, at most, that one isolate is given. */
  readonly isolateRate: number;
  /** On average. */
  readonly isolateLifetimeSeconds: number;
  /** An isolate that nobody asks for so long ends. */
  readonly isolateIdleSeconds: number;
  /** Simulated; the first half of them settles, and is not counted. */
  readonly seconds: number;
  readonly seed: number;
}

/** What was counted. But for shares and isolates, all is by the second. */
export interface Outcome {
  readonly world: World;
  /** That serve at once, on average. */
  readonly isolates: number;
  /** Of answers, by where the record was; together 1. */
  readonly shares: {
    readonly memory: number;
    readonly kv: number;
    readonly d1Absent: number;
    readonly d1TooOld: number;
  };
  readonly d1: {
    readonly misses: number;
    readonly feed: number;
    readonly uses: number;
    /** Changes and the schedule. */
    readonly others: number;
    readonly rowsRead: number;
    readonly rowsWritten: number;
  };
  readonly kv: { readonly reads: number; readonly writes: number };
}

/** Plays a world. The same world has the same outcome. `memoryRecords`: how many records an isolate remembers. */
export function simulate(world: World, memoryRecords: number): Outcome {
  const { keys, rate } = world;
  const chance = new Chance(world.seed);
  const law = new Zipf(keys, world.keyExponent);
  const cities = new Cities(world.cities, world.cityExponent, rate, world.isolateRate);
  const changesASecond = (world.changesADay * keys) / DAY_SECONDS;
  const changes = new Changes(keys, changesASecond, world.changesTold);
  const lifetimeMs = world.isolateLifetimeSeconds * 1_000;
  const idleMs = world.isolateIdleSeconds * 1_000;
  const readers = {
    allReachMs: changes.spanOf(world.changesTold),
    furtherMs: Math.min(lifetimeMs, changes.spanOf(Math.max(0, MAX_FLOORS - world.changesTold))),
    waitMsOf: (key: number) => 1_000 / (rate * law.share(key)),
  };
  const kv = new RecordsInKv(keys, readers, chance);
  const shared = { changes, kv, chance, memoryRecords, usesEachMs: world.usesEachSeconds * 1_000 };
  const isolates: (Isolate | undefined)[] = Array.from({ length: cities.places });

  const endMs = world.seconds * 1_000;
  const settledMs = endMs / 2;
  let tally = createTally();
  let census = 0;
  let counts = 0;
  let nextCensus = settledMs;
  let told = changes.newestAt(0);
  for (let now = chance.wait(1_000 / rate); now < endMs; now += chance.wait(1_000 / rate)) {
    while (nextCensus <= now) {
      if (counts === 0) tally = createTally();
      census += isolates.filter((isolate) => isolate !== undefined && isServing(isolate, nextCensus)).length;
      counts += 1;
      nextCensus += CENSUS_MS;
    }
    for (const newest = changes.newestAt(now); told < newest;) {
      told += 1;
      kv.put(changes.keyOf(told), changes.timeOf(told));
    }
    const key = law.draw(chance);
    const { place, rate: ownRate } = cities.draw(chance);
    let isolate = isolates[place];
    if (isolate === undefined || !isServing(isolate, now)) {
      const isFirst = isolate === undefined;
      isolate?.writeUses(Infinity, tally);
      isolate = new Isolate(now, chance.wait(lifetimeMs), shared);
      if (isFirst) settle(isolate, ownRate, now);
      isolates[place] = isolate;
    }
    isolate.verify(key, now, tally);
  }
  return outcomeOf(world, changesASecond, tally, census / counts, (endMs - settledMs) / 1_000);

  function isServing(isolate: Isolate, now: number): boolean {
    return now < isolate.endsAt && now - isolate.lastUsedAt < idleMs;
  }

  /** Those that are there at the beginning have been for a while, unless they had been idle. */
  function settle(isolate: Isolate, ownRate: number, now: number): void {
    const restsMs = 1_000 / ownRate;
    if (chance.next() < Math.exp(-idleMs / restsMs)) return;
    const endsAMs = 1 / lifetimeMs + 1 / (restsMs * Math.expm1(idleMs / restsMs));
    const ageMs = chance.wait(1 / endsAMs);
    isolate.age(ageMs, Math.ceil(ageMs / restsMs), () => law.draw(chance), now);
  }
}

function outcomeOf(
  world: World,
  changesASecond: number,
  tally: Tally,
  isolates: number,
  seconds: number,
): Outcome {
  const { verifications } = tally;
  const { change, schedule } = ROWS;
  const snapshots = 1 / MINUTE_SECONDS + Math.min(changesASecond, 1_000 / KV_WRITE_INTERVAL_MS);
  return {
    world,
    isolates,
    shares: {
      memory: tally.memory / verifications,
      kv: tally.kv / verifications,
      d1Absent: tally.d1Absent / verifications,
      d1TooOld: tally.d1TooOld / verifications,
    },
    d1: {
      misses: tally.missQueries / seconds,
      feed: tally.feedQueries / seconds,
      uses: tally.useQueries / seconds,
      others: schedule.queries / MINUTE_SECONDS + change.queries * changesASecond,
      rowsRead: tally.rowsRead / seconds,
      rowsWritten: tally.rowsWritten / seconds + change.written * changesASecond,
    },
    kv: {
      reads: tally.kvReads / seconds,
      writes: tally.kvWrites / seconds + changesASecond + snapshots,
    },
  };
}
