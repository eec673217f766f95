import { beforeEach, expect, test } from 'vitest';

import { Recent } from '../../src/core/recent.ts';

let now: number;
let recent: Recent<string, number>;

beforeEach(() => {
  now = 1_000_000;
  recent = new Recent(2, 1_000, () => now);
});

test('keeps the values that were used last', () => {
  recent.set('a', 1);
  recent.set('b', 2);
  expect(recent.get('a')).toBe(1);
  recent.set('c', 3);
  expect(['a', 'b', 'c'].map((key) => recent.get(key))).toEqual([1, undefined, 3]);
});

test('keeps none for longer than its lifetime, however often it is used', () => {
  recent.set('a', 1);
  now += 999;
  expect(recent.get('a')).toBe(1);
  now += 1;
  expect(recent.get('a')).toBeUndefined();
});

test('trusts no clock that was set back as far', () => {
  recent.set('a', 1);
  now -= 1_000;
  expect(recent.get('a')).toBeUndefined();
});

test('counts a value that is set again once, and from then on', () => {
  recent.set('a', 1);
  recent.set('b', 2);
  now += 999;
  recent.set('a', 3);
  now += 1;
  expect(['a', 'b'].map((key) => recent.get(key))).toEqual([3, undefined]);
});

test('forgets one, or all', () => {
  recent.set('a', 1);
  recent.set('b', 2);
  recent.set('a', null);
  expect(['a', 'b'].map((key) => recent.get(key))).toEqual([undefined, 2]);
  recent.clear();
  expect(recent.get('b')).toBeUndefined();
});
