import { describe, expect, test } from 'vitest';

import { MUTANTS } from './mutants.ts';
import { simulate } from './process.ts';

/** Two processes share the histories, as a machine that runs the tests has two cores at least. */
const SEEDS = ['1', '2'];
const HISTORIES = 10_000;
/** A share takes a minute or two. */
const TIMEOUT_MS = 480_000;

describe('the simulator', () => {
  test.concurrent.each(SEEDS)(
    'finds every promise kept, in its share of ten thousand histories: seed %s',
    { timeout: TIMEOUT_MS },
    async (seed) => {
      const { code, output } = await simulate(
        '--histories',
        String(HISTORIES / SEEDS.length),
        '--seed',
        seed,
      );
      expect(output).toContain('every promise was kept');
      expect(code).toBe(0);
    },
  );

  test('shrinks a history that breaks a promise to a few steps, and tells how to see it again', async () => {
    const mutant = ['--mutant', 'expiry is left to the cache'];
    const found = await simulate('--shrink', ...mutant);
    expect(found.code).toBe(1);
    const [, seed = '', path = ''] = /(--seed=\S+) (--path=\S+)/.exec(found.output) ?? [];
    const steps = found.output.split('\n').filter((line) => /^ +[0-9]+\.[0-9]{3} s {2}/.test(line));
    expect(steps.length).toBeLessThan(15);
    const again = await simulate(...mutant, seed, path);
    expect(again.output).toContain(steps.join('\n'));
  });
});

describe('a rule of the production code that is broken is found', () => {
  test.concurrent.each(Object.keys(MUTANTS))('%s', async (mutant) => {
    const { code, output } = await simulate('--mutant', mutant);
    expect(output).toContain('A promise was broken');
    expect(code).toBe(1);
  });
});
