import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, test } from 'vitest';

import { TestService } from '../support/service.ts';

const service = new TestService();
/** Enough that a query which reads a table, or an index from its start, shows. */
const KEYS = 3_000;

let crowded: { id: string };
let target: Awaited<ReturnType<TestService['key']>>;

beforeAll(async () => {
  target = await service.key({ expiresIn: '30d' }, { permissions: ['files:read'], role: 'admin' });
  crowded = await service.account();
  const owner = await env.DB.prepare('SELECT * FROM api_keys WHERE id = ?').bind(target.key.id).first();
  const columns = Object.keys(owner ?? {});
  const copy = (changed: Record<string, string>) =>
    env.DB.prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${KEYS})
       INSERT INTO api_keys (${columns.join(', ')})
       SELECT ${columns.map((column) => changed[column] ?? column).join(', ')} FROM api_keys, n WHERE id = ?`,
    ).bind(target.key.id);
  const unique = { id: "'key_0' || printf('%023d', i)", digest: "printf('%064d', i)" };
  await env.DB.batch([
    copy({ ...unique, service_account_id: `'${crowded.id}'` }),
    copy({
      id: "'key_1' || printf('%023d', i)",
      digest: "printf('1%063d', i)",
      service_account_id: 'NULL',
      user_id: "'ada'",
      environment: "'test'",
      scopes: "'[]'",
    }),
    env.DB.prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${KEYS})
       INSERT INTO service_accounts SELECT 'sa_0' || printf('%023d', i), organization_id, 'copy ' || i, description, permissions,
         role, metadata, created_at, created_by, updated_at, updated_by, disabled_at, deleted_at, revision
       FROM service_accounts, n WHERE id = ?`,
    ).bind(crowded.id),
    env.DB.prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${KEYS})
       INSERT INTO changes (subject, at) SELECT 'key_0', i FROM n`,
    ),
  ]);
  await env.DB.prepare('PRAGMA optimize').run();
});

/** The caller, or root's organization, by its primary key. */
const CALLER = 1;
/** A page of fifty and one more, each key with its account. */
const PAGE = 51;
/** The keys that one filtered page may examine: once to find where they end, then each with its account. */
const EXAMINED = 3 * 1_000;

/** Rows that D1 reads for one call, at most, with thousands of keys, accounts and changes there. */
const READS: Record<
  string,
  readonly [rows: number, method: string, path: () => string, body?: () => object]
> = {
  'a verification on a miss': [
    4,
    'POST',
    () => '/v1/api-keys/verify',
    () => ({ key: target.secret, maxStaleness: 0 }),
  ],
  'an account': [CALLER + 1, 'GET', () => `/v1/service-accounts/${crowded.id}`],
  'a key': [CALLER + 2, 'GET', () => `/v1/api-keys/${target.key.id}`],
  'a page of accounts': [CALLER + PAGE, 'GET', () => '/v1/service-accounts'],
  'a page of keys': [CALLER + 2 * PAGE, 'GET', () => '/v1/api-keys'],
  "a page of an account's keys": [
    CALLER + 1 + 2 * PAGE,
    'GET',
    () => `/v1/service-accounts/${crowded.id}/api-keys`,
  ],
  "a page of a filter's account": [
    CALLER + 2 * PAGE,
    'GET',
    () => `/v1/api-keys?serviceAccountId=${crowded.id}`,
  ],
  "a page of a person's keys": [CALLER + PAGE, 'GET', () => '/v1/api-keys?userId=ada'],
  'a page of a rare status': [CALLER + EXAMINED + 1, 'GET', () => '/v1/api-keys?status=revoked'],
  'a page of a rare environment': [
    CALLER + EXAMINED + 1,
    'GET',
    () => `/v1/api-keys?environment=test&serviceAccountId=${crowded.id}`,
  ],
  minting: [9, 'POST', () => `/v1/service-accounts/${crowded.id}/api-keys`, () => ({ name: 'key' })],
  'changing a key': [
    13,
    'PATCH',
    () => `/v1/api-keys/${target.key.id}`,
    () => ({ name: crypto.randomUUID() }),
  ],
  'making an account': [8, 'POST', () => '/v1/service-accounts', () => ({ name: crypto.randomUUID() })],
  'disabling an account of thousands of keys': [
    13,
    'POST',
    () => `/v1/service-accounts/${crowded.id}/disable`,
  ],
  'deleting an account of thousands of keys': [13, 'DELETE', () => `/v1/service-accounts/${crowded.id}`],
};

test.each(Object.entries(READS))(
  '%s reads a bounded number of rows',
  async (_, [most, method, path, body]) => {
    const io = await service.ioOf(async () => {
      const answer = await service.call(method, path(), body === undefined ? {} : { body: body() });
      expect(answer.status).toBeLessThan(300);
    });
    expect(io.d1.reduce((sum, { rowsRead }) => sum + rowsRead, 0)).toBeLessThanOrEqual(most);
  },
);

test('a change of an account writes as many rows, however many keys it has', async () => {
  const lonely = await service.account();
  const other = await service.account();
  await service.key({ serviceAccountId: other.id });
  const written = async (id: string) => {
    const { d1 } = await service.ioOf(() => service.call('DELETE', `/v1/service-accounts/${id}`));
    return d1.reduce((sum, { rowsWritten }) => sum + rowsWritten, 0);
  };
  expect(await written(lonely.id)).toBe(await written(other.id));
});

describe('a page far down a list', () => {
  test('reads no more rows than the first', async () => {
    const cursor = btoa(`key_1${'0'.repeat(20)}100`).replaceAll('=', '');
    const first = await service.ioOf(() => service.call('GET', '/v1/api-keys'));
    const far = await service.ioOf(async () => {
      const { body } = await service.call('GET', `/v1/api-keys?cursor=${cursor}`);
      expect(body.data).toHaveLength(50);
    });
    const rows = ({ d1 }: typeof first) => d1.reduce((sum, { rowsRead }) => sum + rowsRead, 0);
    expect(rows(far)).toBeLessThanOrEqual(rows(first));
  });
});
