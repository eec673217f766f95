import { expect, test } from 'vitest';

import { Floors } from '../../src/core/floors.ts';
import type { KeyRecord } from '../../src/core/records.ts';

const record = (asOf: number, accountId: `sa_${string}` | null = 'sa_1'): KeyRecord => ({
  key: {
    id: 'key_1',
    userId: null,
    name: '',
    environment: 'live',
    scopes: null,
    metadata: {},
    enabled: true,
    expiresAt: null,
    revokedAt: null,
    supersedes: null,
    revision: 1,
  },
  account:
    accountId === null ? null : { id: accountId, permissions: [], role: null, disabledAt: null, revision: 1 },
  organization: {
    id: 'org_1',
    slug: '',
    keyPrefix: 'mk',
    personalKeyPermissions: [],
    maxLiveKeys: null,
    maxKeyLifetime: null,
    revision: 1,
  },
  asOf,
  readAt: 0,
});

test.each(['key_1', 'sa_1', 'org_1'])(
  'a record from before a known change of %s may not be used',
  (subject) => {
    const floors = new Floors(10);
    floors.raise(subject, 5);
    expect(floors.permit(record(4))).toBe(false);
    expect(floors.permit(record(5))).toBe(true);
  },
);

test('changes of others do not matter, and no account is no account’s change', () => {
  const floors = new Floors(10);
  floors.raise('sa_2', 5);
  floors.raise('key_2', 6);
  expect(floors.permit(record(0))).toBe(true);
  floors.raise('sa_1', 7);
  expect(floors.permit(record(0, null))).toBe(true);
});

test('a change that is heard of late does not lower what is known', () => {
  const floors = new Floors(10);
  floors.raise('key_1', 9);
  floors.raise('key_1', 3);
  expect(floors.permit(record(8))).toBe(false);
});

test('forgetting a change makes every record from before it unusable, never usable', () => {
  const floors = new Floors(2);
  floors.raise('key_1', 5);
  floors.raise('sa_8', 6);
  floors.raise('sa_9', 7);
  expect(floors.permit(record(4))).toBe(false);
  expect(floors.permit(record(5))).toBe(true);
});
