import { describe, expect, test } from 'vitest';

import { decide, type Question } from '../../src/core/decide.ts';
import type { KeyRecord } from '../../src/core/records.ts';

const NOW = 1_000_000;

const LIVE: KeyRecord = {
  key: {
    id: 'key_1',
    userId: null,
    name: 'key',
    environment: 'live',
    scopes: null,
    metadata: {},
    enabled: true,
    createdAt: 0,
    expiresAt: null,
    revokedAt: null,
    supersedes: null,
    revokedTokens: [],
    revision: 1,
  },
  account: { id: 'sa_1', permissions: ['files:*'], role: null, disabledAt: null, revision: 1 },
  organization: {
    id: 'org_1',
    slug: 'one',
    keyPrefix: 'mk',
    personalKeyPermissions: ['notes:read'],
    maxLiveKeys: null,
    maxKeyLifetime: null,
    revision: 1,
  },
  generation: 'first',
  asOf: 0,
  readAt: NOW,
};

const QUESTION: Question = { organizationId: 'org_1', scopes: [] };

const key = (fields: Partial<KeyRecord['key']>): KeyRecord => ({ ...LIVE, key: { ...LIVE.key, ...fields } });
const codeOf = (record: KeyRecord | null, question: Partial<Question> = {}, now = NOW) =>
  decide(record, { ...QUESTION, ...question }, now).code;

describe('the first reason that fits is told', () => {
  /** Each state has all the faults of those after it, so only the order can tell them apart. */
  const disabledAccount = {
    ...LIVE.account,
    id: 'sa_1',
    permissions: [],
    role: null,
    disabledAt: 1,
    revision: 1,
  } as const;
  const everyFault = key({ enabled: false, expiresAt: NOW, revokedAt: 1, environment: 'test' });
  const asked: Partial<Question> = { environment: 'live', scopes: ['files:read'] };

  test('an unknown key, or one of another organization: NOT_FOUND', () => {
    expect(codeOf(null)).toBe('NOT_FOUND');
    expect(codeOf(LIVE, { organizationId: 'org_2' })).toBe('NOT_FOUND');
    expect(codeOf({ ...everyFault, account: disabledAccount }, { ...asked, organizationId: 'org_2' })).toBe(
      'NOT_FOUND',
    );
  });

  test('REVOKED, ACCOUNT_DISABLED, DISABLED, EXPIRED, WRONG_ENVIRONMENT, INSUFFICIENT_SCOPE, VALID', () => {
    const codes = [
      codeOf({ ...everyFault, account: disabledAccount }, asked),
      codeOf({ ...key({ ...everyFault.key, revokedAt: null }), account: disabledAccount }, asked),
      codeOf(key({ ...everyFault.key, revokedAt: null, scopes: [] }), asked),
      codeOf(key({ expiresAt: NOW, environment: 'test', scopes: [] }), asked),
      codeOf(key({ environment: 'test', scopes: [] }), asked),
      codeOf(key({ scopes: [] }), asked),
      codeOf(LIVE, asked),
    ];
    expect(codes).toEqual([
      'REVOKED',
      'ACCOUNT_DISABLED',
      'DISABLED',
      'EXPIRED',
      'WRONG_ENVIRONMENT',
      'INSUFFICIENT_SCOPE',
      'VALID',
    ]);
  });

  test('a key is valid up to the millisecond before its expiry', () => {
    expect(codeOf(key({ expiresAt: NOW + 1 }))).toBe('VALID');
    expect(codeOf(key({ expiresAt: NOW }))).toBe('EXPIRED');
  });
});

describe('scopes asked for', () => {
  const scopesOf = (record: KeyRecord) => {
    const decision = decide(record, QUESTION, NOW);
    return decision.code === 'VALID' ? decision.scopes : decision.code;
  };

  test('are all needed', () => {
    const record = key({ scopes: ['files:read'] });
    expect(codeOf(record, { scopes: ['files:read'] })).toBe('VALID');
    expect(codeOf(record, { scopes: ['files:read', 'files:write'] })).toBe('INSUFFICIENT_SCOPE');
  });

  test('come from the account where the key has no list of its own', () => {
    expect(scopesOf(LIVE)).toEqual(['files:*']);
    expect(
      scopesOf({
        ...LIVE,
        account: { id: 'sa_1', permissions: ['a'], role: 'reader', disabledAt: null, revision: 1 },
      }),
    ).toEqual(['a', 'mintmark:accounts:read', 'mintmark:keys:read']);
  });

  test('are the narrower of list and account where it has one', () => {
    expect(scopesOf(key({ scopes: ['files:read', 'notes:read'] }))).toEqual(['files:read']);
    expect(scopesOf(key({ scopes: ['*'] }))).toEqual(['files:*']);
    expect(scopesOf(key({ scopes: [] }))).toEqual([]);
  });

  test('of a person come from the organization’s personalKeyPermissions', () => {
    const personal = { ...key({ userId: 'ada', scopes: ['*'] }), account: null };
    expect(scopesOf(personal)).toEqual(['notes:read']);
  });
});
