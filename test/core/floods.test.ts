import { beforeEach, describe, expect, test } from 'vitest';

import { FLOOD_PAUSE_MS, MAX_FLOODS } from '../../src/core/constants.ts';
import { Floods, guessesOf, missesOf } from '../../src/core/floods.ts';
import type { Platform } from '../../src/core/platform.ts';

const LIMIT = 3;

let now: number;
let background: Promise<unknown>[];
let counted: Map<string, number>;
let floods: Floods;

const platform: Platform = {
  clock: () => now,
  random: (bytes) => bytes,
  background: (work) => background.push(work),
  fetch: async () => {
    throw new TypeError('nothing is reached');
  },
  sleep: () => Promise.resolve(),
  after: () => () => undefined,
  relay: () => Promise.resolve(),
  log: () => {},
};

/** Counts as the platform does, so many in a window; a test ends the window itself. */
async function limit(source: string): Promise<boolean> {
  const count = (counted.get(source) ?? 0) + 1;
  counted.set(source, count);
  return count <= LIMIT;
}

async function note(source: string, times: number): Promise<void> {
  for (let time = 0; time < times; time++) floods.note(source);
  await Promise.all(background.splice(0));
}

beforeEach(() => {
  now = 1_000_000;
  background = [];
  counted = new Map();
  floods = new Floods(limit, platform);
});

describe('a source that asks in vain', () => {
  test('is paused past its limit, not at it', async () => {
    await note('here', LIMIT);
    expect(floods.isPaused('here')).toBe(false);
    await note('here', 1);
    expect(floods.isPaused('here')).toBe(true);
  });

  test('is paused for ten seconds, and at once again if it goes on', async () => {
    await note('here', LIMIT + 1);
    now += FLOOD_PAUSE_MS - 1;
    expect(floods.isPaused('here')).toBe(true);
    now += 1;
    expect(floods.isPaused('here')).toBe(false);
    await note('here', 1);
    expect(floods.isPaused('here')).toBe(true);
  });

  test('does not pause another', async () => {
    await note('here', LIMIT + 1);
    expect(floods.isPaused('there')).toBe(false);
  });

  test('is counted in the background alone', () => {
    floods.note('here');
    expect(background).toHaveLength(1);
  });
});

test('where the limit cannot be asked nobody is paused', async () => {
  floods = new Floods(() => Promise.reject(new Error('no limits today')), platform);
  for (let time = 0; time < 10; time++) floods.note('here');
  const counts = await Promise.allSettled(background);
  expect(counts.every(({ status }) => status === 'rejected')).toBe(true);
  expect(floods.isPaused('here')).toBe(false);
});

test('a flood from more sources than there is room for is still refused where it comes from now', async () => {
  floods = new Floods(() => Promise.resolve(false), platform);
  for (let source = 0; source <= MAX_FLOODS; source++) floods.note(`source ${source}`);
  await Promise.all(background);
  expect(floods.isPaused(`source ${MAX_FLOODS}`)).toBe(true);
  expect(floods.isPaused('source 0')).toBe(false);
});

test('organizations, addresses, and guesses at the root key are counted each for itself', () => {
  const sources = [
    missesOf(null, null),
    missesOf(null, '192.0.2.1'),
    missesOf('org_1', null),
    missesOf('org_1', '192.0.2.1'),
    missesOf('org_2', '192.0.2.1'),
    missesOf('org_1', '192.0.2.2'),
    guessesOf(null),
    guessesOf('192.0.2.1'),
  ];
  expect(new Set(sources).size).toBe(sources.length);
});
