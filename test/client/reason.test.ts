import { describe, expect, test } from 'vitest';

import { reasonOf, withoutSecrets } from '../../src/client/reason.ts';

describe('the reason of what was thrown', () => {
  test.for<[unknown, string]>([
    [new TypeError('fetch failed'), 'TypeError: fetch failed'],
    [
      new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') }),
      'TypeError: fetch failed: Error: connect ECONNREFUSED',
    ],
    [new Error('odd', { cause: 1 }), 'Error: odd'],
    ['text', 'text'],
    [undefined, 'undefined'],
    [Object.create(null), 'something without words was thrown'],
  ])('%o', ([thrown, reason]) => expect(reasonOf(thrown)).toBe(reason));
});

describe('a text for a log', () => {
  const credential = 'mk_live_56NgPlwcyjMfHh8jZR0Fd46O815aVYBo1fiM55';

  test('has no secret, wherever and however often it stood', () => {
    expect(withoutSecrets(`a ${credential}, b ${credential}`, [credential])).toBe('a [secret], b [secret]');
    expect(withoutSecrets('nothing', [credential, ''])).toBe('nothing');
  });

  test('has none that another begins with, or is part of', () => {
    const told = withoutSecrets(`bad header Bearer ${credential}`, [credential.slice(0, 44), credential]);
    expect(told).toBe('bad header Bearer [secret]');
  });

  test('has none that was written as JSON', () => {
    const odd = 'a"b\\c-root-key-of-thirty-two-characters';
    expect(withoutSecrets(JSON.stringify({ odd }), [odd])).toBe('{"odd":"[secret]"}');
  });
});
