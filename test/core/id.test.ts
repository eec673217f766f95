import { describe, expect, test } from 'vitest';

import {
  createIdFactory,
  DEFAULT_ORGANIZATION_ID,
  KEY_ID_PATTERN,
  parseKeyId,
  parseServiceAccountId,
  SERVICE_ACCOUNT_ID_PATTERN,
} from '../../src/core/id.ts';

const random = (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes);

describe('ids', () => {
  test('sort by their making: across milliseconds, within one, and when the clock steps back', () => {
    let now = Date.parse('2026-01-01T00:00:00Z');
    const ids = createIdFactory(() => now, random);
    const made: string[] = [];
    for (const step of [0, 0, 1, 0, 1_000, -500, 0, 3_600_000, -1, 0]) {
      now += step;
      for (let index = 0; index < 200; index++) made.push(ids.key());
    }
    expect(made.toSorted()).toEqual(made);
    expect(new Set(made).size).toBe(made.length);
  });

  test('differ between isolates that make them in the same millisecond', () => {
    const isolates = Array.from({ length: 1_000 }, () => createIdFactory(() => 1, random).key());
    expect(new Set(isolates).size).toBe(1_000);
  });

  test('say their kind', () => {
    const ids = createIdFactory(() => Date.now(), random);
    expect(ids.key()).toMatch(KEY_ID_PATTERN);
    expect(ids.serviceAccount()).toMatch(SERVICE_ACCOUNT_ID_PATTERN);
    expect(ids.event()).toMatch(/^evt_[0-9A-Za-z]{24}$/);
    expect(parseKeyId(ids.serviceAccount())).toBeNull();
    expect(parseServiceAccountId(ids.key())).toBeNull();
  });

  test('of the default organization sorts before all others', () => {
    expect(DEFAULT_ORGANIZATION_ID).toBe('org_000000000000000000000000');
  });
});
