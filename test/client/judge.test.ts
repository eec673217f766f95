import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';

import type { Demands } from '../../src/client/demands.ts';
import { judge } from '../../src/client/judge.ts';
import { isRefusedVerdict, isValidVerdict } from '../../src/client/verdict.ts';
import { PROBLEM_CODES } from '../../src/contract/problem.ts';
import { verdict } from '../../src/contract/verdict.ts';

const ORGANIZATION = `org_${'1'.repeat(24)}`;

const VALID = {
  valid: true,
  code: 'VALID',
  keyId: `key_${'1'.repeat(24)}`,
  organizationId: ORGANIZATION,
  serviceAccountId: `sa_${'1'.repeat(24)}`,
  name: 'nightly',
  environment: 'live',
  scopes: ['files:read'],
  metadata: { plan: 'pro' },
  expiresAt: '2030-01-31T12:00:00.000Z',
  source: 'memory',
  ageSeconds: 3,
};
const MEMBERS = [...Object.keys(VALID), 'userId', 'degraded'];

/** What the contract says of a valid verdict; a newer Mintmark may say more. */
/** As the contract has it, but for what may be written in another way by another version. */
const validVerdict = z.object({
  ...verdict.shape,
  valid: z.literal(true),
  code: z.literal('VALID'),
  source: z.string().min(1),
  expiresAt: z.string().optional(),
});

const passes = (answer: unknown, demands: Demands = {}): boolean => judge({ answer }, demands).ok;

const json = fc.jsonValue({ maxDepth: 3 });
const nearVerdict = fc
  .tuple(fc.constantFrom(...MEMBERS), fc.option(json, { nil: undefined }))
  .map(([member, value]) => {
    const near = new Map<string, unknown>(Object.entries(VALID));
    if (value === undefined) near.delete(member);
    else near.set(member, value);
    return Object.fromEntries(near);
  });
const fault = fc.record({ path: json, message: json }, { requiredKeys: [] });
const nearProblem = fc.record(
  {
    code: fc.oneof(fc.constantFrom(...PROBLEM_CODES), json),
    detail: fc.oneof(fc.string(), json),
    errors: fc.oneof(fc.array(fault), json),
  },
  { requiredKeys: [] },
);
const answers = fc.oneof(
  json,
  nearVerdict,
  fc.record({ error: fc.oneof(nearProblem, json), retryAfter: json }, { requiredKeys: ['error'] }),
  fc.tuple(nearVerdict, fc.record({ error: nearProblem })).map(([near, error]) => Object.assign(near, error)),
);
const demanded: fc.Arbitrary<Demands> = fc.record(
  {
    scopes: fc.array(fc.string()),
    environment: fc.constantFrom('live', 'test'),
    organization: fc.constantFrom(ORGANIZATION, `org_${'2'.repeat(24)}`, null),
  },
  { requiredKeys: [] },
);

describe('an answer', () => {
  test('that is a valid verdict lets through, as it is', () => {
    const { serviceAccountId: _, expiresAt: __, ...bare } = VALID;
    for (const answer of [VALID, { ...bare, userId: 'ada', degraded: true }, { ...VALID, scopes: [] }]) {
      expect(verdict.safeParse(answer).success).toBe(true);
      expect(judge({ answer }, {})).toEqual({ ok: true, verdict: answer });
    }
  });

  test('of a newer version, which says more, lets through as well', () => {
    expect(passes({ ...VALID, quota: { left: 5 } })).toBe(true);
  });

  test('never makes the judge throw, and lets through only what the contract calls a valid verdict', () => {
    fc.assert(
      fc.property(answers, demanded, (answer, demands) => {
        const judged = judge({ answer }, demands);
        if (!judged.ok) return;
        expect(judged.verdict).toBe(answer);
        expect(validVerdict.safeParse(answer).error).toBeUndefined();
      }),
      { numRuns: 5_000 },
    );
  });

  test.for<[string, readonly unknown[]]>([
    ['valid', [false, 'true', 1, null]],
    ['code', ['REVOKED', 'valid', '', null, true]],
    ['keyId', ['', 1, null, {}]],
    ['organizationId', ['', 1, null, {}]],
    ['name', [1, null, {}]],
    ['environment', ['prod', '', null]],
    ['scopes', [null, 'files:read', {}, [1], [null]]],
    ['metadata', [null, 'x', []]],
  ])('whose %s is missing, or is not as the contract has it, refuses', ([member, values]) => {
    for (const value of [undefined, ...values]) {
      expect(passes({ ...VALID, [member]: value }), JSON.stringify(value)).toBe(false);
    }
  });

  test.for<[string, readonly unknown[]]>([
    ['source', [undefined, 1, null]],
    ['ageSeconds', [undefined, '3', null, 1.5]],
    ['serviceAccountId', [1, null, {}]],
    ['userId', [1, null, {}]],
    ['expiresAt', [1, null, 'never']],
    ['degraded', ['true', null, 1]],
  ])('whose %s is of another kind than its type says refuses', ([member, values]) => {
    for (const value of values) {
      expect(passes({ ...VALID, [member]: value }), JSON.stringify(value)).toBe(false);
    }
  });

  test('that is anything else is no verdict: there is none to be had', () => {
    const others = [undefined, null, true, 1, 'VALID', [], [VALID], {}, { verdict: VALID }, { valid: 'yes' }];
    for (const answer of others) {
      expect(judge({ answer }, {}), JSON.stringify(answer)).toMatchObject({
        refusal: { code: 'unavailable', status: 503 },
      });
    }
  });

  test('that says both yes and no lets nobody through', () => {
    const error = { code: 'unavailable', detail: 'no' };
    expect(passes({ ...VALID, error })).toBe(false);
    expect(passes({ ...VALID, valid: false })).toBe(false);
    expect(passes({ ...VALID, code: 'REVOKED' })).toBe(false);
    expect(isRefusedVerdict({ ...VALID, valid: false })).toBe(false);
    expect(isValidVerdict({ ...VALID, code: 'REVOKED' })).toBe(false);
  });

  test('that rests on older knowledge than is demanded refuses', () => {
    const aged = (ageSeconds: number) => ({ ...VALID, ageSeconds });
    expect(passes(aged(5), { maxStaleness: 5 })).toBe(true);
    expect(passes(aged(6), { maxStaleness: 5 })).toBe(false);
    expect(passes(aged(1), { maxStaleness: 0 })).toBe(false);
    expect(passes(aged(-1))).toBe(false);
  });

  test('on a key of another organization or environment than is demanded refuses', () => {
    expect(passes(VALID, { organization: ORGANIZATION, environment: 'live' })).toBe(true);
    for (const demands of [
      { environment: 'test' },
      { organization: `org_${'2'.repeat(24)}` },
      { organization: null },
    ] as const) {
      expect(judge({ answer: VALID }, demands)).toMatchObject({
        refusal: { code: 'invalid_credential', status: 401 },
      });
    }
  });
});

describe('a problem', () => {
  const problem = (code: string, errors?: unknown) => ({ error: { code, detail: 'said', errors } });

  test('is the caller’s own affair, and so 503, but for a flood', () => {
    for (const code of PROBLEM_CODES) {
      const expected = code === 'rate_limited' ? code : 'unavailable';
      expect(judge({ answer: problem(code) }, {})).toMatchObject({
        refusal: { code: expected, keyId: null, reason: `${code}: said` },
      });
    }
  });

  test('with what is asked for as a scope is a scope that no key has', () => {
    const path = (...paths: string[]) => paths.map((each) => ({ path: each, message: 'is no scope' }));
    const codeOf = (code: string, errors?: unknown) => {
      const judged = judge({ answer: problem(code, errors) }, {});
      return judged.ok ? 'let through' : judged.refusal.code;
    };
    expect(codeOf('invalid_request', path('scopes.0'))).toBe('insufficient_scope');
    expect(codeOf('invalid_request', path('scopes', 'scopes.1'))).toBe('insufficient_scope');
    expect(codeOf('invalid_request', path('scopes.0', 'key'))).toBe('unavailable');
    expect(codeOf('invalid_request', [])).toBe('unavailable');
    expect(codeOf('invalid_request')).toBe('unavailable');
    expect(codeOf('internal', path('scopes.0'))).toBe('unavailable');
  });

  test('that says when to come back is passed on', () => {
    const waitOf = (code: string, waits: { retryAfter?: number }) => {
      const judged = judge({ answer: problem(code), ...waits }, {});
      return judged.ok ? null : judged.refusal.retryAfter;
    };
    expect([waitOf('rate_limited', { retryAfter: 7 }), waitOf('unavailable', { retryAfter: 0 })]).toEqual([
      7, 0,
    ]);
    expect([waitOf('rate_limited', {}), waitOf('unavailable', {})]).toEqual([10, 5]);
  });

  test('may hold anything as a message without upsetting the judge', () => {
    const odd = { toString: null, valueOf: null };
    const answer = problem('invalid_request', [{ path: 'key', message: odd }]);
    expect(judge({ answer }, {})).toMatchObject({ refusal: { code: 'unavailable' } });
  });
});
