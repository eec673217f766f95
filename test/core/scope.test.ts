import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { covers, intersect, MANAGEMENT_SCOPES, scopeFault, uncovered } from '../../src/core/scope.ts';

const allows = (held: string, asked: string) =>
  expect(covers(held, asked), `${held} covers ${asked}`).toBe(true);
const refuses = (held: string, asked: string) =>
  expect(covers(held, asked), `${held} covers ${asked}`).toBe(false);

describe('a scope covers', () => {
  test('itself, and no other', () => {
    allows('files:read', 'files:read');
    refuses('files:read', 'files:write');
    refuses('files:read', 'files');
    refuses('files', 'files:read');
    refuses('files:read', 'files:read:all');
    refuses('files:read', 'Files:read');
  });

  test('with a last *, everything below, and not what it stands on', () => {
    allows('files:*', 'files:read');
    allows('files:*', 'files:read:all');
    allows('files:*', 'files:*');
    allows('files:*', 'files:read:*');
    refuses('files:*', 'files');
    refuses('files:*', 'filesystem:read');
    refuses('files:read:*', 'files:*');
  });

  test('as * alone, everything but what is Mintmark’s', () => {
    allows('*', 'files:read');
    allows('*', '*');
    for (const scope of [...MANAGEMENT_SCOPES, 'mintmark:*']) refuses('*', scope);
  });

  test('as mintmark:*, every management scope and nothing else', () => {
    for (const scope of MANAGEMENT_SCOPES) allows('mintmark:*', scope);
    allows('mintmark:keys:*', 'mintmark:keys:write');
    refuses('mintmark:keys:*', 'mintmark:accounts:read');
    refuses('mintmark:*', 'files:read');
    refuses('mintmark:*', '*');
  });
});

describe('a scope that may be held', () => {
  test.each([
    '*',
    'files',
    'files:read',
    'files:*',
    'a.b-c_d:E9',
    'mintmark:*',
    'mintmark:keys:*',
    'x'.repeat(128),
  ])('%s', (scope) => expect(scopeFault(scope)).toBeNull());

  test.each([
    '',
    ':',
    'files:',
    ':read',
    'files::read',
    '*:read',
    'fi*',
    'files:re*',
    'a b',
    'файл',
    'a/b',
    'files:*:read',
    'x'.repeat(129),
    'mintmark',
    'mintmark:unknown',
    'mintmark:keys',
    'Mintmark:keys:read',
    'MINTMARK:*',
    'mintmark:x:*',
  ])('not %s', (scope) => expect(scopeFault(scope)).toEqual(expect.any(String)));
});

const segment = fc.constantFrom('a', 'b', 'mintmark', 'keys');
const scope = fc.oneof(
  fc.constant('*'),
  fc
    .tuple(fc.array(segment, { minLength: 1, maxLength: 3 }), fc.boolean())
    .map(([segments, open]) => segments.join(':') + (open ? ':*' : '')),
);
const list = fc.array(scope, { maxLength: 5 });

describe('whatever two lists hold, their intersection', () => {
  test('covers exactly what both of them cover', () => {
    fc.assert(
      fc.property(list, list, scope, (left, right, asked) => {
        const both = uncovered(left, [asked]).length === 0 && uncovered(right, [asked]).length === 0;
        expect(uncovered(intersect(left, right), [asked]).length === 0).toBe(both);
      }),
      { numRuns: 5_000 },
    );
  });

  test('does not depend on their order, and repeats nothing', () => {
    fc.assert(
      fc.property(list, list, (left, right) => {
        const common = intersect(left, right);
        expect(new Set(common).size).toBe(common.length);
        expect(common.toSorted()).toEqual(intersect(right, left).toSorted());
      }),
    );
  });

  test('with nothing is nothing', () => {
    fc.assert(
      fc.property(list, (one) => {
        expect(intersect(one, [])).toEqual([]);
      }),
    );
  });
});
