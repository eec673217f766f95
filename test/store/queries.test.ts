import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, test } from 'vitest';

import { mintSecret } from '../../src/core/secret.ts';
import { ROOT_KEY, TestService } from '../support/service.ts';

const service = new TestService();
const DEFAULT_ORGANIZATION = `org_${'0'.repeat(24)}`;
/** Enough that a query which reads a table, or an index from its start, shows: of two owners, so ten thousand keys. */
const KEYS = 5_000;

let crowded: { id: string };
let target: Awaited<ReturnType<TestService['key']>>;
/** Of a person who has three keys, older than thousands of others'. */
let few: { id: string };
let tenant: { id: string; slug: string };

beforeAll(async () => {
  target = await service.key({ expiresIn: '30d' }, { permissions: ['files:read'], role: 'admin' });
  crowded = await service.account();
  tenant = await service.organization();
  for (let index = 0; index < 3; index++) few = (await service.key({ userId: 'grace', scopes: [] })).key;
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
         role, metadata, created_at, created_by, updated_at, updated_by, disabled_at, deleted_at, revision, vendor
       FROM service_accounts, n WHERE id = ?`,
    ).bind(crowded.id),
    ...['NULL', '1'].map((deletedAt, index) =>
      env.DB.prepare(
        `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${KEYS})
         INSERT INTO organizations (id, slug, name, key_prefix, personal_key_permissions, created_at, created_by,
           updated_at, updated_by, deleted_at, revision)
         SELECT 'org_${index + 1}' || printf('%023d', i), 'slug-${index}-' || i, 'copy', 'mk', '[]', 1, 'root', 1, 'root',
           ${deletedAt}, 1 FROM n`,
      ),
    ),
    env.DB.prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${KEYS})
       INSERT INTO audit_events (id, organization_id, at, action, actor_type, actor_id, target_type, target_id,
         request_id, changes)
       SELECT 'evt_1' || printf('%023d', i), '${DEFAULT_ORGANIZATION}', 1, 'api_key.updated', 'user', 'somebody',
         'api_key', 'key_1' || printf('%023d', i), 'request-1', '{}' FROM n`,
    ),
    env.DB.prepare(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${KEYS})
       INSERT INTO changes (subject, at) SELECT 'key_0', i FROM n`,
    ),
  ]);
  // What an isolate that knows nothing yet reads of the changes is bounded elsewhere.
  await service.upkeep();
});

/** The caller, or root's organization, by its primary key, and the generation. */
const CALLER = 2;
/** A page of fifty and one more, each key with its account. */
const PAGE = 51;
/** The keys that one filtered page may examine: once to find where they end, then each with its account. */
const EXAMINED = 3 * 1_000;

/** Whatever tells a position among the changes tells the generation with it. */
const GENERATION = 1;
/** What D1 counts for the list of digests, beside what it finds by them. */
const DIGESTS = 2;
/** What takes something away is followed by a sync: the generation, the oldest and newest change, and what is new. */
const SYNC = 4;

/** Rows that D1 reads for one call, at most, with thousands of keys, accounts and changes there. */
const READS: Record<
  string,
  readonly [rows: number, method: string, path: () => string, body?: () => object]
> = {
  'a verification on a miss': [
    4 + GENERATION + DIGESTS,
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
  minting: [
    10 + 2 * GENERATION,
    'POST',
    () => `/v1/service-accounts/${crowded.id}/api-keys`,
    () => ({ name: 'key' }),
  ],
  'changing a key': [
    15 + 2 * GENERATION,
    'PATCH',
    () => `/v1/api-keys/${target.key.id}`,
    () => ({ name: crypto.randomUUID() }),
  ],
  'making an account': [
    8 + GENERATION,
    'POST',
    () => '/v1/service-accounts',
    () => ({ name: crypto.randomUUID() }),
  ],
  'disabling an account of thousands of keys': [
    13 + GENERATION + SYNC,
    'POST',
    () => `/v1/service-accounts/${crowded.id}/disable`,
  ],
  'an organization': [CALLER + 1, 'GET', () => `/v1/organizations/${tenant.id}`],
  'a page of organizations, behind thousands that are deleted': [
    CALLER + PAGE,
    'GET',
    () => '/v1/organizations',
  ],
  'making an organization': [
    7 + GENERATION,
    'POST',
    () => '/v1/organizations',
    () => ({ name: crypto.randomUUID() }),
  ],
  'changing an organization': [
    9 + GENERATION,
    'PATCH',
    () => `/v1/organizations/${tenant.id}`,
    () => ({ name: crypto.randomUUID() }),
  ],
  'deleting the organization of thousands of keys but for its own': [
    9 + GENERATION + SYNC,
    'DELETE',
    () => `/v1/organizations/${tenant.id}`,
  ],
  'a search that finds nothing': [CALLER + EXAMINED + 1, 'GET', () => '/v1/api-keys?search=nothing'],
  "a search of an account's keys that finds nothing": [
    CALLER + EXAMINED + 1,
    'GET',
    () => `/v1/api-keys?search=nothing&serviceAccountId=${crowded.id}`,
  ],
  'a search that finds everything': [CALLER + EXAMINED + 1, 'GET', () => '/v1/api-keys?search=A%20key'],
  'a search by a whole id': [CALLER + EXAMINED + 1, 'GET', () => `/v1/api-keys?search=${target.key.id}`],
  'a search with every filter': [
    CALLER + EXAMINED + 1,
    'GET',
    () => `/v1/api-keys?search=nothing&serviceAccountId=${crowded.id}&environment=live&status=active`,
  ],
  "a status of an account's one key, behind thousands of others'": [
    CALLER + 4,
    'GET',
    () => `/v1/api-keys?serviceAccountId=${target.key.serviceAccountId}&status=active`,
  ],
  "a status of an account's thousands of keys": [
    CALLER + 2 * 1_000 + 2 * PAGE,
    'GET',
    () => `/v1/api-keys?serviceAccountId=${crowded.id}&status=active`,
  ],
  "a status of a person's three keys, behind thousands of others'": [
    CALLER + 4 * 3,
    'GET',
    () => '/v1/api-keys?userId=grace&status=active',
  ],
  "a status of a person's thousands of keys": [
    CALLER + EXAMINED + 1,
    'GET',
    () => '/v1/api-keys?userId=ada&status=expired',
  ],
  'a page of the trail': [CALLER + PAGE, 'GET', () => '/v1/audit-events'],
  'a page of the trail by a rare action': [
    CALLER + EXAMINED + 1,
    'GET',
    () => '/v1/audit-events?action=grant.refused',
  ],
  "a page of the trail of one key, behind thousands of others'": [
    CALLER + 2,
    'GET',
    () => `/v1/audit-events?targetId=${target.key.id}`,
  ],
  "a page of the trail of one key, by root, behind thousands of others'": [
    CALLER + 3 * 2,
    'GET',
    () => `/v1/audit-events?targetId=${target.key.id}&actorId=root&action=api_key.created`,
  ],
  "a page of the trail by an actor of few events, behind thousands of others'": [
    CALLER + 1,
    'GET',
    () => `/v1/audit-events?actorId=${target.key.serviceAccountId}`,
  ],
  'a page of the trail by an actor of thousands': [
    CALLER + PAGE,
    'GET',
    () => '/v1/audit-events?actorId=somebody',
  ],
  "a page of the trail by root, behind thousands of others'": [
    CALLER + PAGE,
    'GET',
    () => '/v1/audit-events?actorId=root',
  ],
  'a page of the trail of a time': [
    CALLER + 1,
    'GET',
    () => '/v1/audit-events?from=2020-01-01T00:00:00Z&to=2020-02-01T00:00:00Z',
  ],
  'a page of the trail of a time by a rare action': [
    CALLER + EXAMINED + 1,
    'GET',
    () => '/v1/audit-events?action=grant.refused&from=2020-01-01T00:00:00Z',
  ],
  rotating: [16 + 3 * GENERATION + SYNC, 'POST', () => `/v1/api-keys/${few.id}/rotate`],
  'revoking a key': [12 + 2 * GENERATION + SYNC, 'POST', () => `/v1/api-keys/${few.id}/revoke`],
  'revoking a lineage of two': [
    52 + 2 * GENERATION + SYNC,
    'POST',
    () => `/v1/api-keys/${few.id}/revoke`,
    () => ({ lineage: true }),
  ],
  'deleting a key': [12 + 2 * GENERATION + SYNC, 'DELETE', () => `/v1/api-keys/${few.id}`],
  'enabling an account of thousands of keys': [
    13 + GENERATION,
    'POST',
    () => `/v1/service-accounts/${crowded.id}/enable`,
  ],
  'deleting an account of thousands of keys': [
    13 + GENERATION + SYNC,
    'DELETE',
    () => `/v1/service-accounts/${crowded.id}`,
  ],
};

const rowsRead = ({ d1 }: Awaited<ReturnType<TestService['ioOf']>>): number =>
  d1.reduce((sum, { rowsRead: rows }) => sum + rows, 0);

test.each(Object.entries(READS))(
  '%s reads a bounded number of rows',
  async (_, [most, method, path, body]) => {
    const io = await service.ioOf(async () => {
      const answer = await service.call(method, path(), body === undefined ? {} : { body: body() });
      expect(answer.status, answer.text).toBeLessThan(300);
    });
    expect(rowsRead(io)).toBeLessThanOrEqual(most);
  },
);

describe('who calls', () => {
  const callers: Record<string, readonly [rows: number, () => Parameters<TestService['call']>[2]]> = {
    'root, in the default organization': [CALLER, () => ({})],
    'root, by an id': [CALLER, () => ({ headers: { 'Mintmark-Organization': DEFAULT_ORGANIZATION } })],
    'root, by a slug': [CALLER, () => ({ headers: { 'Mintmark-Organization': 'default' } })],
    'root, by a slug that nobody has': [0, () => ({ headers: { 'Mintmark-Organization': 'slug-none' } })],
    'a key': [4 + GENERATION + DIGESTS, () => ({ credential: target.secret })],
    'a key that is unknown': [DIGESTS, () => ({ credential: unknown() })],
  };
  const unknown = (): string => mintSecret('mk', 'live', (bytes) => crypto.getRandomValues(bytes));

  test.each(Object.entries(callers))('%s, costs a bounded number of rows', async (_, [most, options]) => {
    const io = await service.ioOf(() =>
      service.call('GET', `/v1/service-accounts/sa_${'z'.repeat(24)}`, options()),
    );
    expect(rowsRead(io)).toBeLessThanOrEqual(most);
  });

  test('changes something by a key as cheaply as by root, but for what judges the key', async () => {
    const change = (credential: string) =>
      service.ioOf(async () => {
        const answer = await service.call('PATCH', `/v1/api-keys/${target.key.id}`, {
          credential,
          body: { name: crypto.randomUUID() },
        });
        expect(answer.status).toBe(200);
      });
    const [byRoot, byKey] = [rowsRead(await change(ROOT_KEY)), rowsRead(await change(target.secret))];
    expect(byKey - byRoot).toBeLessThanOrEqual(5 + GENERATION + DIGESTS);
  });
});

test('writing last uses reads two rows for each, however many keys there are', async () => {
  const isolate = new TestService();
  const keys = await Promise.all(
    Array.from({ length: 20 }, () => isolate.key({ userId: 'ada', scopes: [] })),
  );
  for (const round of ['first', 'again']) {
    for (const { secret } of keys) await isolate.verify(secret, { userAgent: round });
    const io = await isolate.ioOf(() => isolate.advance(60_000));
    const writes = io.d1.filter(({ sql }) => sql.some((text) => text.includes('INTO key_usage')));
    expect(writes).toHaveLength(1);
    expect(writes[0]?.rowsRead).toBeLessThanOrEqual(20 * 2);
    expect(writes[0]?.rowsWritten).toBe(20);
  }
});

test('a search and a filtered page walk on to the end, each page within its bound', async () => {
  for (const filter of [
    'search=nothing',
    'userId=ada&status=revoked',
    'userId=ada&search=a%20key&status=active',
  ]) {
    const pages: number[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const query: string = `${filter}&limit=100${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`;
      const from = service.io.d1.length;
      const { status, body } = await service.call('GET', `/v1/api-keys?${query}`);
      expect(status).toBe(200);
      pages.push(service.io.d1.slice(from).reduce((sum, { rowsRead: rows }) => sum + rows, 0));
      cursor = body.nextCursor;
    }
    expect(Math.max(...pages)).toBeLessThanOrEqual(CALLER + EXAMINED + 1);
    expect(pages.length).toBeGreaterThanOrEqual(5);
  }
});

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

/** A new account with so many keys, each a copy of one. */
async function accountWith(count: number): Promise<string> {
  const { key } = await service.key();
  const row = await env.DB.prepare('SELECT * FROM api_keys WHERE id = ?').bind(key.id).first();
  const columns = Object.keys(row ?? {});
  const tag = key.id.slice(-8);
  const changed: Record<string, string> = {
    id: `'key_2${tag}' || printf('%015d', i)`,
    digest: `'${crypto.randomUUID()}' || printf('%028d', i)`,
    name: "'name ' || i",
  };
  await env.DB.prepare(
    `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count - 1})
     INSERT INTO api_keys (${columns.join(', ')})
     SELECT ${columns.map((column) => changed[column] ?? column).join(', ')} FROM api_keys, n WHERE id = ?`,
  )
    .bind(key.id)
    .run();
  return key.serviceAccountId;
}

test('whether a name is free is seen by one row, however many keys the account has', async () => {
  const mint = (serviceAccountId: string) =>
    service.ioOf(async () => {
      const path = `/compat/factory/api/v0/service-accounts/${serviceAccountId}/api-keys`;
      expect((await service.call('POST', path, { body: { name: crypto.randomUUID() } })).status).toBe(201);
    });
  const [lonely, populous] = [await accountWith(2), await accountWith(2_000)];
  expect(rowsRead(await mint(populous))).toBe(rowsRead(await mint(lonely)));
});

test('… nor of that name, once they have expired', async () => {
  const mint = (id: string) =>
    service.ioOf(async () => {
      const path = `/compat/factory/api/v0/service-accounts/${id}/api-keys`;
      expect((await service.call('POST', path, { body: { name: 'nightly' } })).status).toBe(201);
    });
  const [lonely, populous] = [await accountWith(2), await accountWith(2_000)];
  await env.DB.prepare("UPDATE api_keys SET name = 'nightly', expires_at = 1 WHERE service_account_id = ?")
    .bind(populous)
    .run();
  expect(rowsRead(await mint(populous))).toBe(rowsRead(await mint(lonely)));
});

test('a list of what is live looks past what was revoked, by no more statements than any plan allows', async () => {
  const populous = await accountWith(12_000);
  const newest = 'SELECT id FROM api_keys WHERE service_account_id = ?1 ORDER BY id DESC LIMIT 9500';
  await env.DB.prepare(`UPDATE api_keys SET revoked_at = 1 WHERE id IN (${newest})`).bind(populous).run();
  const { d1 } = await service.ioOf(async () => {
    const { body } = await service.call('GET', `/compat/blaxel/v0/service_accounts/${populous}/api_keys`);
    expect(body.length).toBeGreaterThanOrEqual(500);
  });
  expect(d1.reduce((sum, { sql }) => sum + sql.length, 0)).toBeLessThanOrEqual(50);
});

test('a mint writes ten rows, and a revocation seven', async () => {
  const { id } = await service.account();
  const written = async (call: () => Promise<{ status: number }>): Promise<number> => {
    const { d1 } = await service.ioOf(async () => expect((await call()).status).toBeLessThan(300));
    return d1.reduce((sum, { rowsWritten }) => sum + rowsWritten, 0);
  };
  const path = `/v1/service-accounts/${id}/api-keys`;
  expect(await written(() => service.call('POST', path, { body: { name: 'a key' } }))).toBe(10);
  const { key } = await service.key({ serviceAccountId: id });
  expect(await written(() => service.call('POST', `/v1/api-keys/${key.id}/revoke`))).toBe(7);
});

test('an offset costs the rows that it passes over, and a format may ask for no more than ten thousand', async () => {
  const page = (query: string) =>
    service.ioOf(async () => {
      const { status, body } = await service.call('GET', `/compat/b3os/v1/api-keys?${query}`);
      expect(status).toBe(200);
      expect(body.data).toMatchObject({ items: expect.any(Array), hasMore: true });
    });
  const first = rowsRead(await page('limit=10'));
  expect(rowsRead(await page('limit=10&offset=1000')) - first).toBeLessThanOrEqual(3 * 1_000);
  expect((await service.call('GET', '/compat/b3os/v1/api-keys?offset=10001')).status).toBe(400);
});

test('a list without pages is read five hundred keys at a time, ten thousand at most', async () => {
  const populous = await accountWith(10_500);
  const io = await service.ioOf(async () => {
    const path = `/compat/factory/api/v0/service-accounts/${populous}/api-keys`;
    const { body } = await service.call('GET', path);
    expect(body.apiKeys).toHaveLength(10_000);
    const ids: string[] = body.apiKeys.map(({ id }: { id: string }) => id);
    expect(ids).toEqual([...new Set(ids)].toSorted().toReversed());
  });
  expect(io.d1.length).toBeLessThanOrEqual(2 + 20);
});

describe('a page far down a list', () => {
  test('reads no more rows than the first', async () => {
    const cursor = btoa(`key_1${'0'.repeat(20)}100`).replaceAll('=', '');
    const first = await service.ioOf(() => service.call('GET', '/v1/api-keys'));
    const far = await service.ioOf(async () => {
      const { body } = await service.call('GET', `/v1/api-keys?cursor=${cursor}`);
      expect(body.data).toHaveLength(50);
    });
    expect(rowsRead(far)).toBeLessThanOrEqual(rowsRead(first));
  });
});
