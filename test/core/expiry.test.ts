import { describe, expect, test } from 'vitest';

import { durationOf, isExpired, parseDuration, resolveExpiry } from '../../src/core/expiry.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const DAY_MS = 86_400_000;

describe('a duration', () => {
  test.each([
    ['1s', 1_000],
    ['90m', 5_400_000],
    ['24h', DAY_MS],
    ['30d', 30 * DAY_MS],
    ['1w', 7 * DAY_MS],
    ['3653d', 3_653 * DAY_MS],
  ])('%s', (text, ms) => expect(parseDuration(text)).toBe(ms));

  test.each([
    '',
    '0d',
    '01d',
    '1.5d',
    '-1d',
    '+1d',
    '1d2h',
    '1 d',
    '1D',
    '1y',
    '11y',
    'd',
    '3654d',
    `${'9'.repeat(400)}d`,
    '1d\n',
  ])('not %j', (text) => expect(parseDuration(text)).toBeNull());
});

test.each([
  [1, '1s'],
  [1_999, '1s'],
  [90_000, '90s'],
  [120_000, '2m'],
  [86_400_000, '1d'],
  [86_401_000, '86401s'],
  [7 * 86_400_000, '1w'],
  [30 * 86_400_000, '30d'],
  [3_652 * 86_400_000, '3652d'],
])('%i ms are written as %s', (ms, written) => {
  expect(durationOf(ms)).toBe(written);
});

describe('an expiry', () => {
  const resolve = (request: Parameters<typeof resolveExpiry>[0], most: string | null = null) =>
    resolveExpiry(request, NOW, most);

  test('is never, unless said', () => {
    expect(resolve({})).toEqual({ expiresAt: null });
    expect(resolve({ expiresAt: null })).toEqual({ expiresAt: null });
  });

  test('is an instant, or a duration from now', () => {
    expect(resolve({ expiresAt: NOW + 1 })).toEqual({ expiresAt: NOW + 1 });
    expect(resolve({ expiresIn: '30d' })).toEqual({ expiresAt: NOW + 30 * DAY_MS });
  });

  test('is in the future, and no later than 2100 where it may be far', () => {
    const latest = Date.parse('2100-01-01T00:00:00Z');
    expect(resolve({ expiresAt: NOW, isFar: true })).toMatchObject({ path: 'expiresAt' });
    expect(resolve({ expiresAt: latest, isFar: true })).toEqual({ expiresAt: latest });
    expect(resolve({ expiresAt: latest + 1, isFar: true })).toMatchObject({ path: 'expiresAt' });
  });

  test('is at most ten years off otherwise', () => {
    expect(resolve({ expiresAt: NOW })).toMatchObject({ path: 'expiresAt' });
    expect(resolve({ expiresAt: NOW + 3_653 * DAY_MS })).toEqual({ expiresAt: NOW + 3_653 * DAY_MS });
    expect(resolve({ expiresAt: NOW + 3_653 * DAY_MS + 1 })).toMatchObject({ path: 'expiresAt' });
  });

  test('that is no duration is refused, never read as none', () => {
    expect(resolve({ expiresIn: 'soon' })).toMatchObject({ path: 'expiresIn' });
  });

  test('is required, and bounded, where the organization has a longest lifetime', () => {
    expect(resolve({}, '90d')).toMatchObject({
      path: 'expiresAt',
      message: expect.stringContaining('maxKeyLifetime'),
    });
    expect(resolve({ expiresIn: '91d' }, '90d')).toMatchObject({ path: 'expiresIn' });
    expect(resolve({ expiresIn: '90d' }, '90d')).toEqual({ expiresAt: NOW + 90 * DAY_MS });
  });

  test('has passed from its own millisecond on', () => {
    expect(isExpired(NOW, NOW - 1)).toBe(false);
    expect(isExpired(NOW, NOW)).toBe(true);
    expect(isExpired(null, NOW)).toBe(false);
  });
});
