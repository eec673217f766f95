import { beforeAll, describe, expect, test } from 'vitest';

import { TestService } from '../support/service.ts';

const service = new TestService();
const ids: string[] = [];
let account: { id: string };

beforeAll(async () => {
  account = await service.account();
  for (let index = 0; index < 12; index++) {
    const environment = index % 3 === 0 ? 'test' : 'live';
    const { key } = await service.key({ serviceAccountId: account.id, environment });
    ids.unshift(key.id);
  }
  for (let index = 0; index < 3; index++) await service.key({ userId: 'ada', scopes: [] });
  for (const id of ids.slice(0, 2)) await service.call('POST', `/v1/api-keys/${id}/revoke`);
  for (const id of ids.slice(2, 4))
    await service.call('PATCH', `/v1/api-keys/${id}`, { body: { enabled: false } });
});

/** All ids of a list, page by page; something may happen between the pages. */
async function walk(
  path: string,
  limit: number,
  between: () => Promise<unknown> = async () => null,
): Promise<string[]> {
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const query: string = `limit=${limit}${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`;
    const { status, body } = await service.call('GET', `${path}${path.includes('?') ? '&' : '?'}${query}`);
    expect(status).toBe(200);
    expect(body.data.length).toBeLessThanOrEqual(limit);
    seen.push(...body.data.map(({ id }: { id: string }) => id));
    cursor = body.nextCursor;
    await between();
  } while (cursor !== null);
  return seen;
}

describe('a list', () => {
  test.each([1, 2, 5, 11, 12, 100])('in pages of %i is whole, newest first, each once', async (limit) => {
    expect(await walk(`/v1/service-accounts/${account.id}/api-keys`, limit)).toEqual(ids);
  });

  test('is not disturbed by what is minted between its pages', async () => {
    const before = await walk('/v1/api-keys', 100);
    const paged = await walk('/v1/api-keys', 4, () => service.key({ userId: 'grace', scopes: [] }));
    expect(paged).toEqual(before);
  });

  test('by account, person and both', async () => {
    expect(await walk(`/v1/api-keys?serviceAccountId=${account.id}`, 5)).toEqual(ids);
    expect(await walk('/v1/api-keys?userId=ada', 2)).toHaveLength(3);
    expect(await walk(`/v1/api-keys?userId=ada&serviceAccountId=${account.id}`, 2)).toEqual([]);
    expect(await walk('/v1/api-keys?serviceAccountId=sa_000000000000000000000000', 2)).toEqual([]);
  });

  test('by status and environment', async () => {
    const by = (filter: string) => walk(`/v1/service-accounts/${account.id}/api-keys?${filter}`, 3);
    expect(await by('status=revoked')).toEqual(ids.slice(0, 2));
    expect(await by('status=disabled')).toEqual(ids.slice(2, 4));
    expect(await by('status=active')).toEqual(ids.slice(4));
    expect(await by('status=expired')).toEqual([]);
    expect(await by('environment=test')).toEqual(ids.filter((_, index) => (11 - index) % 3 === 0));
    expect(await by('status=active&environment=test')).toHaveLength(3);
  });

  test('by status follows the clock', async () => {
    const { key } = await service.key({ userId: 'clock', scopes: [], expiresIn: '1h' });
    expect(await walk('/v1/api-keys?userId=clock&status=active', 5)).toEqual([key.id]);
    await service.advance(3_600_000);
    expect(await walk('/v1/api-keys?userId=clock&status=active', 5)).toEqual([]);
    expect(await walk('/v1/api-keys?userId=clock&status=expired', 5)).toEqual([key.id]);
  });

  test('of accounts, in pages', async () => {
    const made = [await service.account(), await service.account(), await service.account()];
    const all = await walk('/v1/service-accounts', 2);
    expect(all.slice(0, 3)).toEqual(made.map(({ id }) => id).toReversed());
    expect(all).toContain(account.id);
    expect(new Set(all).size).toBe(all.length);
  });

  test('has fifty items a page unless asked otherwise', async () => {
    const crowded = await service.account();
    await Promise.all(Array.from({ length: 51 }, () => service.key({ serviceAccountId: crowded.id })));
    const { body } = await service.call('GET', `/v1/service-accounts/${crowded.id}/api-keys`);
    expect(body.data).toHaveLength(50);
    expect(body.nextCursor).toEqual(expect.any(String));
  });
});

describe('a search', () => {
  const named: Record<string, { id: string; start: string; secret: string }> = {};
  const by = (search: string, more = '') =>
    walk(`/v1/api-keys?userId=searched&search=${encodeURIComponent(search)}${more}`, 2);
  const idsOf = (...names: string[]) => names.map((name) => named[name]?.id);

  beforeAll(async () => {
    for (const name of [
      'Deploy to production',
      'deploy to staging',
      'DEPLOYED',
      'redeploy',
      'Ключ Один',
      'ΟΔΥΣΣΕΑΣ',
      'Éclair',
      '100% real',
      '100 percent',
      'a_b',
      'axb',
      '🔑 emoji',
    ]) {
      const { key, secret } = await service.key({ name, userId: 'searched', scopes: [] });
      named[name] = { id: key.id, start: secret.slice(0, 12), secret };
    }
  });

  test.for(['deploy', 'DEPLOY', 'Deploy', 'dEpLoY'])(
    'finds names that start with it, in any case: %s',
    async (search) => {
      expect(await by(search)).toEqual(idsOf('DEPLOYED', 'deploy to staging', 'Deploy to production'));
    },
  );

  test.for([
    ['ключ', 'Ключ Один'],
    ['КЛЮЧ О', 'Ключ Один'],
    ['οδυσσ', 'ΟΔΥΣΣΕΑΣ'],
    ['ΟΔΥΣ', 'ΟΔΥΣΣΕΑΣ'],
    ['οδυσσεας', 'ΟΔΥΣΣΕΑΣ'],
    ['οδυσσεασ', 'ΟΔΥΣΣΕΑΣ'],
    ['éCLAIR', 'Éclair'],
    ['🔑', '🔑 emoji'],
  ] as const)('folds the case of every script: %s finds %s', async ([search, name]) => {
    expect(await by(search)).toEqual(idsOf(name));
  });

  test('finds the whole of a name, and nothing by more than that', async () => {
    expect(await by('redeploy')).toEqual(idsOf('redeploy'));
    expect(await by('redeploys')).toEqual([]);
    expect(await by('eploy')).toEqual([]);
  });

  test.for([
    ['100%', ['100% real']],
    ['%', []],
    ['1_0', []],
    ['a_', ['a_b']],
    ['_', []],
    ['\\', []],
    ["'", []],
    ['*', []],
    ['[a-z]', []],
  ] as const)('takes %s as it is written', async ([search, names]) => {
    expect(await by(search)).toEqual(idsOf(...names));
  });

  test('finds by the start of `start`, as it is written', async () => {
    const { id = '', start = '' } = named['redeploy'] ?? {};
    expect(await by(start)).toEqual([id]);
    expect(await by(start.slice(0, -1))).toContain(id);
    expect(await by('mk_live_')).toHaveLength(12);
    expect(await by('MK_LIVE_')).toEqual([]);
    expect(await by('mk_test_')).toEqual([]);
    expect(await by(`${start}x`), 'more of the secret than is shown').toEqual([]);
  });

  test('finds by the whole id alone', async () => {
    const { id = '' } = named['redeploy'] ?? {};
    expect(await by(id)).toEqual([id]);
    expect(await by(id.slice(0, -1))).toEqual([]);
    expect(await by(id.toLowerCase())).toEqual(id === id.toLowerCase() ? [id] : []);
  });

  test('goes with every filter', async () => {
    const search = encodeURIComponent('deploy');
    const { key } = await service.key({
      name: 'Deploy from CI',
      serviceAccountId: account.id,
      environment: 'test',
    });
    const path = `/v1/service-accounts/${account.id}/api-keys?search=${search}`;
    expect(await walk(path, 1)).toEqual([key.id]);
    expect(await walk(`${path}&environment=test&status=active`, 1)).toEqual([key.id]);
    expect(await walk(`${path}&environment=live`, 1)).toEqual([]);
    expect(await walk(`${path}&status=revoked`, 1)).toEqual([]);
    expect(await walk(`/v1/api-keys?search=${search}&environment=test`, 1)).toEqual([key.id]);
    expect(await walk(`/v1/api-keys?search=${search}`, 1)).toEqual([
      key.id,
      ...idsOf('DEPLOYED', 'deploy to staging', 'Deploy to production'),
    ]);
    await service.call('DELETE', `/v1/api-keys/${key.id}`);
    expect(await walk(path, 1), 'not what is deleted').toEqual([]);
  });

  test('follows a key that is renamed', async () => {
    const { key } = await service.key({ name: 'Before', userId: 'searched', scopes: [] });
    await service.call('PATCH', `/v1/api-keys/${key.id}`, { body: { name: 'After' } });
    expect(await by('BEFORE')).toEqual([]);
    expect(await by('AFTER')).toEqual([key.id]);
    const { body } = await service.call('POST', `/v1/api-keys/${key.id}/rotate`, { body: {} });
    expect(await by('after')).toEqual([body.key.id, key.id]);
    for (const id of [key.id, body.key.id]) await service.call('DELETE', `/v1/api-keys/${id}`);
  });

  test('is not disturbed by what is minted between its pages', async () => {
    const search = encodeURIComponent('deploy');
    const path = `/v1/api-keys?search=${search}`;
    const before = await walk(path, 100);
    const paged = await walk(path, 1, () => service.key({ name: 'deploy', userId: 'grace', scopes: [] }));
    expect(paged).toEqual(before);
  });

  test('has at most 40 bytes', async () => {
    const ask = (search: string) => service.call('GET', `/v1/api-keys?search=${encodeURIComponent(search)}`);
    for (const search of ['x'.repeat(40), 'é'.repeat(20), '🔑'.repeat(10)]) {
      expect((await ask(search)).status).toBe(200);
    }
    for (const search of ['x'.repeat(41), `${'é'.repeat(20)}x`, `${'🔑'.repeat(10)}x`, '']) {
      const { status, body } = await ask(search);
      expect([status, body.code]).toEqual([400, 'invalid_request']);
      expect(new Set(body.errors.map(({ path }: { path: string }) => path))).toEqual(new Set(['search']));
    }
  });
});
