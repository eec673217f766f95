import { beforeEach, describe, expect, test } from 'vitest';

import { MAX_MEMORY_BYTES } from '../../src/core/constants.ts';
import type { KeyRecord, Metadata } from '../../src/core/records.ts';
import type { Digest } from '../../src/core/secret.ts';
import { Memory } from '../../src/verifier/memory.ts';

const digest = (index: number): Digest => index.toString(16).padStart(64, '0') as Digest;

/** A key as most are: of an account with a few permissions. */
const record = (
  asOf: number,
  { generation = 'life', metadata = {} }: { generation?: string; metadata?: Metadata } = {},
): KeyRecord => ({
  key: {
    id: 'key_00000000000000000000000a',
    userId: null,
    name: 'the nightly export',
    environment: 'live',
    scopes: null,
    metadata,
    enabled: true,
    createdAt: 0,
    expiresAt: 1_900_000_000_000,
    revokedAt: null,
    supersedes: null,
    revokedTokens: [],
    revision: 1,
  },
  account: {
    id: 'sa_00000000000000000000000a',
    permissions: ['files:read', 'files:write', 'reports:read'],
    role: null,
    disabledAt: null,
    revision: 3,
  },
  organization: {
    id: 'org_00000000000000000000000a',
    slug: 'default',
    keyPrefix: 'mk',
    personalKeyPermissions: [],
    maxLiveKeys: null,
    maxKeyLifetime: null,
    revision: 1,
  },
  generation,
  asOf,
  readAt: 1_800_000_000_000,
});

/** What a record takes of memory: the smallest room in which it is kept. */
function costOf(kept: KeyRecord): number {
  let [tooSmall, enough] = [0, 1_000_000];
  while (enough - tooSmall > 1) {
    const room = Math.floor((tooSmall + enough) / 2);
    const tried = new Memory(room);
    tried.put(digest(0), kept);
    if (tried.get(digest(0)) === undefined) tooSmall = room;
    else enough = room;
  }
  return enough;
}

const noted = (note: string): KeyRecord => record(1, { metadata: { note } });

const COST = costOf(record(1));

let memory: Memory;

const held = (count: number): number[] =>
  Array.from({ length: count }, (_, index) => index).filter(
    (index) => memory.get(digest(index)) !== undefined,
  );

beforeEach(() => {
  memory = new Memory(10 * COST);
});

describe('memory', () => {
  test('gives back what was put, and nothing for what was not', () => {
    memory.put(digest(1), record(1));
    expect(memory.get(digest(1))).toEqual(record(1));
    expect(memory.get(digest(2))).toBeUndefined();
  });

  test('is bounded in bytes, and gives up what was used longest ago', () => {
    for (let index = 0; index < 10; index++) memory.put(digest(index), record(1));
    memory.get(digest(0));
    memory.put(digest(10), record(1));
    memory.put(digest(11), record(1));
    expect(held(12)).toEqual([0, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  test('counts what a record holds, so large ones make room for fewer', () => {
    for (let index = 0; index < 10; index++) memory.put(digest(index), record(1));
    memory.put(digest(10), noted('x'.repeat(2 * COST)));
    expect(held(11)).toEqual([4, 5, 6, 7, 8, 9, 10]);
  });

  test('counts at least the bytes of what it holds, whichever script they are written in', () => {
    expect(COST).toBeGreaterThan(JSON.stringify(record(1)).length);
    for (const [letter, bytes] of [
      ['a', 1],
      ['é', 1],
      ['ж', 2],
      ['字', 2],
    ] as const) {
      const growth = costOf(noted(letter.repeat(2_000))) - costOf(noted(letter.repeat(1_000)));
      expect(growth, letter).toBeGreaterThanOrEqual(1_000 * bytes);
    }
  });

  test('does not keep what has no room in all of it', () => {
    memory.put(digest(0), noted('x'.repeat(10 * COST)));
    expect(memory.get(digest(0))).toBeUndefined();
    memory.put(digest(1), record(1));
    expect(memory.get(digest(1))).toBeDefined();
  });

  test('counts a record once, however often it is put', () => {
    for (let index = 0; index < 10; index++) memory.put(digest(index), record(1));
    for (let time = 0; time < 100; time++) memory.put(digest(9), record(2));
    expect(held(10)).toHaveLength(10);
  });

  test('keeps the later of two records, in whichever order they come', () => {
    memory.put(digest(1), record(7));
    memory.put(digest(1), record(6));
    expect(memory.get(digest(1))?.asOf).toBe(7);
    memory.put(digest(1), record(8));
    expect(memory.get(digest(1))?.asOf).toBe(8);
  });

  test('does not compare records of two lives of the database: the one that came last stays', () => {
    memory.put(digest(1), record(7));
    memory.put(digest(1), record(2, { generation: 'another life' }));
    expect(memory.get(digest(1))).toMatchObject({ generation: 'another life', asOf: 2 });
  });

  test('forgets everything at once, and has all of its room again', () => {
    for (let index = 0; index < 10; index++) memory.put(digest(index), record(1));
    memory.clear();
    expect(held(10)).toEqual([]);
    for (let index = 0; index < 10; index++) memory.put(digest(index), record(1));
    expect(held(10)).toHaveLength(10);
  });
});

test('an isolate holds ten thousand keys as most are', () => {
  memory = new Memory(MAX_MEMORY_BYTES);
  for (let index = 0; index < 30_000; index++) memory.put(digest(index), record(1));
  expect(held(30_000).length).toBeGreaterThanOrEqual(10_000);
});
