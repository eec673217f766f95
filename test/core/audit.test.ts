import { expect, test } from 'vitest';

import { changesBetween, isSame } from '../../src/core/audit.ts';

const BEFORE = {
  id: 'key_1',
  name: 'old',
  scopes: ['a'],
  expiresAt: null,
  enabled: true,
  updatedAt: 1,
  revision: 1,
};

test('changes tell each field that differs, before and after, times as RFC 3339', () => {
  const after = { ...BEFORE, name: 'new', scopes: ['b'], expiresAt: 0, updatedAt: 2, revision: 2 };
  expect(changesBetween<object>(BEFORE, after)).toEqual({
    name: { from: 'old', to: 'new' },
    scopes: { from: ['a'], to: ['b'] },
    expiresAt: { from: null, to: '1970-01-01T00:00:00.000Z' },
  });
});

test('what is new came from nothing', () => {
  expect(changesBetween(null, BEFORE)).toEqual({
    name: { from: null, to: 'old' },
    scopes: { from: null, to: ['a'] },
    enabled: { from: null, to: true },
  });
});

test('bookkeeping alone is no change', () => {
  expect(isSame(BEFORE, { ...BEFORE, updatedAt: 9, revision: 9 })).toBe(true);
  expect(isSame(BEFORE, { ...BEFORE, enabled: false })).toBe(false);
});
