import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from 'vitest';

import { billOf, databaseBytes, keysInOneDatabase, totalOf } from '../../bench/scale/bill.ts';
import { Chance } from '../../bench/scale/chance.ts';
import { readOptions } from '../../bench/scale/options.ts';
import { dollarsOfMillion, PATHS } from '../../bench/scale/paths.ts';
import { render, renderPaths } from '../../bench/scale/render.ts';
import { CONSTANTS, type Report } from '../../bench/scale/report.ts';
import { simulate, type Outcome, type World } from '../../bench/scale/simulation.ts';
import { measureDatabase, measureMemory, measureValue } from '../../bench/scale/sizes.ts';
import { Zipf } from '../../bench/scale/zipf.ts';

const directory = mkdtempSync(join(tmpdir(), 'mintmark-scale-'));
afterAll(() => rmSync(directory, { recursive: true }));

const COST = readFileSync('docs/cost.md', 'utf8');
const FOUND = JSON.parse(readFileSync('bench/scale.json', 'utf8')) as Report;

interface Ended {
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

/** Runs the simulation as `npm run bench:scale` does. */
function run(...flags: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['bench/scale.ts', ...flags], (error, output, errors) => {
      resolve({ code: error === null ? 0 : Number(error.code), output, errors });
    });
  });
}

const WORLD: World = {
  keys: 20_000,
  rate: 200,
  cities: 5,
  keyExponent: 1,
  cityExponent: 1,
  changesADay: 0,
  changesTold: 1_000,
  usesEachSeconds: 60,
  isolateRate: 20,
  isolateLifetimeSeconds: 1_800,
  isolateIdleSeconds: 60,
  seconds: 240,
  seed: 1,
};
const MEMORY_RECORDS = 2_000;

const play = (world: Partial<World>, memoryRecords = MEMORY_RECORDS): Outcome =>
  simulate({ ...WORLD, ...world }, memoryRecords);
const fromD1 = ({ shares }: Outcome): number => shares.d1Absent + shares.d1TooOld;

describe('the command', () => {
  const small = ['--keys', '1000', '--rate', '50', '--cities', '5', '--seconds', '60'];

  it('prints the same for the same seed, and something else for another', async () => {
    const [one, again, other] = await Promise.all([
      run(...small),
      run(...small),
      run(...small, '--seed', '2'),
    ]);
    expect(one).toMatchObject({ code: 0, errors: '' });
    expect(one.output).toContain('| answered from memory');
    expect(again.output).toBe(one.output);
    expect(other.output).not.toBe(one.output);
  });

  it('writes what it found where it is told', async () => {
    const path = join(directory, 'found.json');
    const { output } = await run(...small, '--json', path);
    const found = JSON.parse(readFileSync(path, 'utf8')) as Report;
    expect(`${render(found).join('\n\n')}\n`).toBe(output);
    expect(found.growth.map(({ world }) => world)).toMatchObject([
      { keys: 1_000, rate: 50, seconds: 60, seed: 1 },
    ]);
  });

  it('names its options', async () => {
    const { code, output } = await run('--help');
    expect(code).toBe(0);
    expect(output).toContain('--isolate-lifetime');
  });

  it.each([
    [['--keys', '0', '--rate', '1'], '--keys is a whole number from 1 to 50000000'],
    [['--keys', '1.5', '--rate', '1'], '--keys is a whole number'],
    [['--cities', 'many'], "--cities is a whole number from 1 to 10000, not 'many'"],
    [['--cities', ''], '--cities is a whole number'],
    [['--key-exponent=-1'], '--key-exponent is a number from 0 to 3'],
    [['--isolate-idle', 'Infinity'], '--isolate-idle is a number'],
    [['--keys', '100'], '--keys and --rate go together'],
    [['--rate', '100'], '--keys and --rate go together'],
    [['--keys', '9', '--rate', '1', '--seconds', '50'], '--seconds is long enough for 200 verifications'],
    [['--speed', '1'], "Unknown option '--speed'"],
    [['--json', '/no/such/folder/x.json'], '--json: there is no folder /no/such/folder'],
    [['--seed'], "'--seed <value>' argument missing"],
    [['more'], "Unexpected argument 'more'"],
  ])('refuses %j', async (flags, message) => {
    const { code, output, errors } = await run(...flags);
    expect({ code, output }).toEqual({ code: 1, output: '' });
    expect(errors).toContain(message);
    expect(errors).not.toMatch(/ at .*:\d/);
  });
});

describe('the model', () => {
  it('tells where every answer came from', () => {
    for (const changesADay of [0, 0.5, 500]) {
      const { memory, kv, d1Absent, d1TooOld } = play({ changesADay }).shares;
      expect(memory + kv + d1Absent + d1TooOld).toBeCloseTo(1, 12);
    }
  });

  it('answers from memory where there is one key that does not change', () => {
    expect(play({ keys: 1 }).shares.memory).toBeGreaterThan(0.99);
  });

  it('asks D1 for what KV has forgotten, as often as the renewal argument says', () => {
    // Without a memory to speak of, each verification looks into KV.
    const { d1 } = play({ keys: 100_000, rate: 1_000, isolateRate: 200, seconds: 120 }, 1);
    const law = new Zipf(100_000, WORLD.keyExponent);
    let expected = 0;
    for (let rank = 0; rank < 100_000; rank++) {
      const rate = 1_000 * law.share(rank);
      expected += rate / (1 + rate * CONSTANTS.KV_RECORD_TTL_SECONDS);
    }
    expect(expected).toBeGreaterThan(1);
    expect(d1.misses / expected).toBeGreaterThan(0.7);
    expect(d1.misses / expected).toBeLessThan(1.4);
  });

  it('has no use of KV where so much changes that the snapshot reaches back for seconds', () => {
    const keys = 1_000_000;
    const still = play({ keys });
    // 500 changes a second, of which the snapshot tells a thousand.
    const busy = play({ keys, changesADay: (500 * 86_400) / keys });
    expect(still.shares.d1TooOld).toBe(0);
    expect(fromD1(still)).toBeLessThan(0.06);
    expect(fromD1(busy)).toBeGreaterThan(0.5);
    expect(busy.shares.kv).toBeLessThan(still.shares.kv / 2);
  });

  it('reads more of D1 the more changes, and less where the snapshot tells more of them', () => {
    const isolates = { isolateLifetimeSeconds: 60 };
    const [few, many, told] = [
      play({ ...isolates, changesADay: 5 }),
      play({ ...isolates, changesADay: 100 }),
      play({ ...isolates, changesADay: 100, changesTold: 10_000 }),
    ].map(fromD1);
    expect(many).toBeGreaterThan(2 * (few ?? 0));
    expect(told).toBeLessThan((many ?? 0) / 2);
  });

  it('asks for what has changed once in ten seconds and isolate, and writes last uses once a minute', () => {
    const { isolates, d1 } = play({});
    expect(isolates).toBeGreaterThan(10);
    expect((d1.feed / isolates) * CONSTANTS.DEFAULT_SYNC_INTERVAL_SECONDS).toBeGreaterThan(0.9);
    expect((d1.feed / isolates) * CONSTANTS.DEFAULT_SYNC_INTERVAL_SECONDS).toBeLessThan(1.1);
    expect((d1.uses / isolates) * 60).toBeGreaterThan(0.75);
    expect((d1.uses / isolates) * 60).toBeLessThan(1.25);
  });

  it('remembers less where isolates live shorter, or remember less', () => {
    const { memory } = play({}).shares;
    expect(play({ isolateLifetimeSeconds: 30 }).shares.memory).toBeLessThan(memory - 0.05);
    expect(play({}, 100).shares.memory).toBeLessThan(memory - 0.05);
  });

  it.each([0, 0.8, 1, 1.3])('draws by the law of Zipf, exponent %d', (exponent) => {
    const [count, draws] = [1_500, 1_000_000];
    const law = new Zipf(count, exponent);
    const chance = new Chance(1);
    const drawn = Array.from({ length: count }, () => 0);
    for (let draw = 0; draw < draws; draw++) {
      const rank = law.draw(chance);
      drawn[rank] = (drawn[rank] ?? Number.NaN) + 1 / draws;
    }
    const shares = drawn.map((_, rank) => law.share(rank));
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 6);
    for (const [rank, share] of shares.slice(0, 20).entries()) {
      // Five standard deviations.
      expect(Math.abs((drawn[rank] ?? 0) - share)).toBeLessThan(5 * Math.sqrt(share / draws));
    }
    // The first tenth of the ranks, as a whole.
    const firstOf = (values: readonly number[]) =>
      values.slice(0, 150).reduce((sum, value) => sum + value, 0);
    expect(firstOf(drawn)).toBeCloseTo(firstOf(shares), 2);
  });
});

describe('sizes and prices', () => {
  it('measures as many bytes a key, however many keys there are', () => {
    const [few, more] = [measureDatabase(4_000), measureDatabase(16_000)];
    for (const part of ['key', 'minting', 'lastUse', 'revocation'] as const) {
      expect(more[part] / few[part], part).toBeGreaterThan(0.95);
      expect(more[part] / few[part], part).toBeLessThan(1.05);
    }
    expect(databaseBytes(2_000_000, more)).toBeCloseTo(2 * databaseBytes(1_000_000, more));
    expect(databaseBytes(keysInOneDatabase(more), more)).toBeLessThanOrEqual(10e9);
    expect(databaseBytes(keysInOneDatabase(more) + 1, more)).toBeGreaterThan(10e9);
  });

  it('bills a million verifications as Cloudflare does', () => {
    const outcome = play({ keys: 1, rate: 100 });
    const bill = billOf(outcome, FOUND.databaseBytes, FOUND.valueBytes);
    // 259.2 million requests, of which the plan includes ten.
    expect(bill.requests).toBeCloseTo(249.2 * 0.3);
    expect(totalOf(bill)).toBeGreaterThan(bill.requests);
    const [remembered, , , , missed] = PATHS;
    if (remembered === undefined || missed === undefined) throw new Error('there are these paths');
    const [cheap, dear] = [remembered, missed].map((path) => dollarsOfMillion(path, 'https'));
    expect((dear ?? 0) - (cheap ?? 0)).toBeCloseTo(0.5 + 5 + 7 * 0.001);
    expect((cheap ?? 0) - dollarsOfMillion(remembered, 'binding')).toBeCloseTo(0.3);
  });
});

describe('docs/cost.md', () => {
  it('quotes what a run without options prints, and the price of each path', () => {
    for (const block of [...render(FOUND), renderPaths()]) expect(COST).toContain(`\n\n${block}\n`);
  });

  it('quotes a run of the options, the constants, the schema and the records that there are now', () => {
    const options = readOptions([]);
    expect(FOUND.growth.map(({ world }) => world)).toEqual(options?.growth);
    expect(FOUND.variants.map(({ world }) => world)).toEqual(options?.variants);
    expect(FOUND.constants).toEqual(CONSTANTS);
    expect(FOUND.memoryRecords).toBe(measureMemory());
    expect(FOUND.valueBytes).toBe(measureValue());
    const now = measureDatabase(5_000);
    for (const part of ['key', 'minting', 'lastUse', 'revocation'] as const) {
      expect(now[part] / FOUND.databaseBytes[part], part).toBeGreaterThan(0.97);
      expect(now[part] / FOUND.databaseBytes[part], part).toBeLessThan(1.03);
    }
  });

  it('quotes what the model says now of the smallest step', () => {
    const [smallest] = FOUND.growth;
    if (smallest === undefined) throw new Error('there are steps');
    expect(simulate(smallest.world, FOUND.memoryRecords)).toEqual(smallest);
  });
});
