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
