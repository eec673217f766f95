import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from 'vitest';

import { decide, type Contest, type Side } from '../../bench/contest.ts';
import { isMet, type Comparison, type Report } from '../../bench/report.ts';
import { median, quantile } from '../../bench/statistics.ts';
import { markdownOf } from '../../bench/table.ts';

const directory = mkdtempSync(join(tmpdir(), 'mintmark-bench-test-'));
afterAll(() => rmSync(directory, { recursive: true }));

const bench = (args: readonly string[]) =>
  spawnSync('npm', ['run', '-s', 'bench', '--', ...args], { encoding: 'utf8' });

describe('npm run bench', () => {
  it(
    'measures each thing on the real workerd, prints the table, and writes the same as JSON',
    { timeout: 400_000 },
    () => {
      const file = join(directory, 'report.json');
      const { status, stdout, stderr } = bench([
        '--rounds',
        '1',
        '--seconds',
        '0.05',
        '--keys',
        '2000',
        '--json',
        file,
      ]);
      expect(status, stderr).toBe(0);
      const report = JSON.parse(readFileSync(file, 'utf8')) as Report;
      expect(stdout).toBe(`${markdownOf(report)}\n`);
      expect(
        report.comparisons.map(({ name, beside, measure, aim }) => [name, beside, measure, aim]),
      ).toEqual([
        ['`POST /v1/api-keys/verify`', 'a bare Worker', 'cpu', 1.5],
        ['… without Mintmark: Hono, 2 SHA-256', 'a bare Worker', 'cpu', null],
        ['… and its body bounded, with a deadline, and held to its schema', 'a bare Worker', 'cpu', null],
        ['`GET /v1/whoami`', 'a bare Worker', 'cpu', 1.3],
        ['… without Mintmark: Hono, 1 SHA-256', 'a bare Worker', 'cpu', null],
        ['forward-auth', 'a bare Worker', 'cpu', 1.3],
        ['… without Mintmark: Hono, 1 SHA-256', 'a bare Worker', 'cpu', null],
        ['forward-auth, malformed key', 'a bare Worker', 'cpu', 1.2],
        ['… without Mintmark: Hono, 0 SHA-256', 'a bare Worker', 'cpu', null],
        ['`POST /v1/api-keys/verify`, malformed key', 'a bare Worker', 'cpu', 1.2],
        ['… without Mintmark: Hono, 1 SHA-256', 'a bare Worker', 'cpu', null],
        ['… and its body bounded, with a deadline, and held to its schema', 'a bare Worker', 'cpu', null],
        ['`POST /v1/api-keys/verify`, over HTTP', 'better-auth, in process', 'cpu', null],
        ['verification over RPC', 'an empty RPC call', 'cpu', 1.25],
        ['… without Mintmark: the same request and answer, 1 SHA-256', 'an empty RPC call', 'cpu', null],
        ['the verify function alone', 'one SHA-256', 'cpu', 3],
        ['minting, 16 clients', 'one row inserted', 'rate', 0.5],
        ['… without Mintmark: two rows by a batch, a value put into KV', 'one row inserted', 'rate', null],
        ['a miss: an unknown key, among 2,000', 'among 1,000', 'cpu', 1.2],
        ['a key asked of D1 (`maxStaleness` 0), among 2,000', 'among 1,000', 'cpu', 1.2],
        ['a page of 50 keys, among 2,000', 'among 1,000', 'cpu', 1.2],
      ]);
      for (const { ours, theirs, ratio } of report.comparisons)
        for (const figure of [...Object.values(ours), ...Object.values(theirs), ratio])
          expect(figure).toBeGreaterThan(0);
      expect(report.size.uploaded).toBeGreaterThan(report.size.startUp);
      expect(report.size.startUp).toBeLessThanOrEqual(report.size.aim);
      expect(report.startUp.cpuMs).toBeGreaterThan(0);
    },
  );

  it.for([
    [['--rounds', '4'], '--rounds must be an odd number'],
    [['--rounds', '101'], '--rounds must be a number from 1 to 99'],
    [['--rounds', '1.5'], '--rounds must be an odd number'],
    [['--seconds', 'soon'], '--seconds must be a number from 0.05 to 60'],
    [['--keys', '999'], '--keys must be a number from 1000 to 10000000'],
    [['--keys', '1000.5'], '--keys must be a whole number'],
    [['--only', 'everything'], '--only must be one of warm, minting, growth'],
    [['--fast'], "Unknown option '--fast'"],
    [['--json', join(directory, 'nowhere', 'x.json')], '--json: there is no folder'],
  ] as const)('refuses %j before it measures anything', ([args, message]) => {
    const { status, stdout, stderr } = bench(args);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('    at ');
    expect([status, stdout]).toEqual([1, '']);
  });

  it('explains itself', () => {
    const { status, stdout } = bench(['--help']);
    expect(status).toBe(0);
    expect(stdout).toContain('--json FILE');
  });
});

describe('a contest', () => {
  /** A side that takes so many microseconds of the CPU for a call, another number in each run. */
  function sideOf(log: string[], name: string, cpuMicroseconds: readonly number[], perSecond: number): Side {
    let run = 0;
    return async (calls) => {
      log.push(name);
      // The runs that warm up come first.
      const cpu = cpuMicroseconds[Math.max(0, run - 1)] ?? 0;
      run += 1;
      return {
        calls,
        elapsedMs: (calls * 1_000) / perSecond,
        cpuMs: (calls * cpu) / 1_000,
        latenciesMs: [2, 1, 3],
      };
    };
  }
  const contest = (ours: Side, theirs: Side, measure: Contest['measure'] = 'cpu'): Contest => ({
    name: 'ours',
    beside: 'theirs',
    measure,
    aim: 2,
    ours,
    theirs,
  });

  it('lets the sides take turns, each first in half of them, and takes the median of the rounds', async () => {
    const log: string[] = [];
    const turns = (cpu: readonly number[]): number[] =>
      cpu.flatMap((each) => Array.from({ length: 8 }, () => each));
    const ours = sideOf(log, 'ours', turns([30, 40, 500]), 200);
    const theirs = sideOf(log, 'theirs', turns([10, 20, 20]), 200);
    const { ratio, spread, ours: figures } = await decide(contest(ours, theirs), { rounds: 3, seconds: 1 });
    expect(log.slice(2, 8)).toEqual(['ours', 'theirs', 'theirs', 'ours', 'ours', 'theirs']);
    expect(log).toHaveLength(2 + 3 * 16);
    expect(ratio).toBeCloseTo(3);
    expect(spread[0]).toBeCloseTo(2);
    expect(spread[1]).toBeCloseTo(25);
    expect([figures.cpuMicroseconds, figures.p50Ms, figures.p99Ms].map(Math.round)).toEqual([40, 2, 3]);
  });

  it('compares rates where that is asked', async () => {
    const [ours, theirs] = [sideOf([], 'ours', [], 250), sideOf([], 'theirs', [], 1_000)];
    const { ratio, ours: figures } = await decide(contest(ours, theirs, 'rate'), { rounds: 1, seconds: 1 });
    expect(ratio).toBeCloseTo(0.25);
    expect(figures.perSecond).toBeCloseTo(250);
  });

  it('meets a bound on the CPU from below and one on the rate from above', () => {
    const met = (measure: Comparison['measure'], ratio: number, aim: number | null) =>
      isMet({ measure, ratio, aim } as Comparison);
    expect([met('cpu', 2, 2), met('cpu', 2.01, 2)]).toEqual([true, false]);
    expect([met('rate', 0.5, 0.5), met('rate', 0.49, 0.5)]).toEqual([true, false]);
    expect(met('cpu', 99, null)).toBe(true);
  });

  it('takes medians and quantiles of what it has', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(quantile([4, 2, 3, 1], 0.99)).toBe(4);
    expect(quantile([1, 2, 3, 4], 0)).toBe(1);
  });
});

describe('what the README quotes', () => {
  const report = JSON.parse(readFileSync('bench/results.json', 'utf8')) as Report;
  const readme = readFileSync('README.md', 'utf8');
  /** Without the padding that the formatter gives a table. */
  const plain = (markdown: string): string => markdown.replaceAll(/ +/g, ' ').replaceAll(/:?-+:?/g, '-');

  it('is the table that was printed last, by the whole benchmark', () => {
    expect(plain(readme)).toContain(plain(markdownOf(report)));
    expect([report.rounds, report.secondsEach]).toEqual([9, 1]);
    expect(report.comparisons.map(({ name }) => name)).toContain('a miss: an unknown key, among 1,000,000');
  });

  it('was made by what is installed', () => {
    const { devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      devDependencies: Record<string, string>;
    };
    expect(report.versions['better-auth']).toBe(devDependencies['better-auth']);
  });
});
