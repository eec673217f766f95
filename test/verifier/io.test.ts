import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';

import { TestService } from '../support/service.ts';

let service: TestService;

beforeEach(() => {
  service = new TestService();
});

const count = ({ d1, kv }: TestService['io']) => ({
  d1: d1.length,
  reads: kv.filter(({ operation }) => operation === 'get').length,
  puts: kv.filter(({ operation }) => operation === 'put').length,
});

describe('what a verification asks of D1 and KV', () => {
  test('a malformed key: nothing', async () => {
    const { secret } = await service.key();
    const mistyped = secret.slice(0, -1) + (secret.endsWith('0') ? '1' : '0');
    for (const key of ['', 'nonsense', mistyped, 'a'.repeat(50_000)]) {
      expect(count(await service.ioOf(() => service.verify(key)))).toEqual({ d1: 0, reads: 0, puts: 0 });
    }
  });

  test('a key that was just minted: one KV read', async () => {
    const { secret } = await service.key();
    const io = await service.ioOf(async () => {
      expect(await service.verify(secret)).toMatchObject({ valid: true, source: 'kv' });
    });
    expect(count(io)).toEqual({ d1: 0, reads: 1, puts: 0 });
  });

  test('a miss: one KV read and one D1 query by primary keys, and KV is put again', async () => {
    for (let index = 0; index < 30; index++) await service.key();
    const { secret } = await service.key();
    await forget();
    const io = await service.ioOf(async () => {
      expect(await service.verify(secret)).toMatchObject({ valid: true, source: 'd1' });
    });
    expect(count(io)).toEqual({ d1: 1, reads: 1, puts: 1 });
    expect(io.d1[0]?.sql).toHaveLength(1);
    // The digest's index, the key, its account, its organization, and the newest change.
    expect(io.d1[0]?.rowsRead).toBeLessThanOrEqual(5);
    expect(await service.verify(secret)).toMatchObject({ source: 'kv' });
  });

  test('an unknown key: one KV read, one D1 query, and nothing is put', async () => {
    const { secret } = await service.key();
    await env.DB.prepare('DELETE FROM api_keys WHERE start = ?').bind(secret.slice(0, 12)).run();
    await forget();
    const io = await service.ioOf(async () => {
      expect(await service.verify(secret)).toMatchObject({ code: 'NOT_FOUND', source: 'd1' });
    });
    expect(count(io)).toEqual({ d1: 1, reads: 1, puts: 0 });
  });

  test("a caller's own key adds one KV read", async () => {
    const caller = await service.key({}, { permissions: ['mintmark:keys:verify'] });
    const { secret } = await service.key();
    const io = await service.ioOf(async () => {
      const answer = await service.call('POST', '/v1/api-keys/verify', {
        credential: caller.secret,
        body: { key: secret },
      });
      expect(answer.body).toMatchObject({ valid: true });
    });
    expect(count(io)).toEqual({ d1: 0, reads: 2, puts: 0 });
  });

  test('whoami: one KV read for a key, nothing for root', async () => {
    const { secret } = await service.key();
    const ask = (credential?: string) =>
      service.call('GET', '/v1/whoami', credential === undefined ? {} : { credential });
    expect(count(await service.ioOf(() => ask(secret)))).toEqual({ d1: 0, reads: 1, puts: 0 });
    expect(count(await service.ioOf(() => ask()))).toEqual({ d1: 0, reads: 0, puts: 0 });
  });

  test('maxStaleness 0: one D1 query, and KV is not asked', async () => {
    const { secret } = await service.key();
    const io = await service.ioOf(async () => {
      expect(await service.verify(secret, { maxStaleness: 0 })).toMatchObject({
        source: 'd1',
        ageSeconds: 0,
      });
    });
    expect(count(io)).toMatchObject({ d1: 1, reads: 0 });
  });
});

describe('what management asks of D1', () => {
  test('one query for the caller, one for the target, one batch', async () => {
    const { key } = await service.key();
    const io = await service.ioOf(() => service.call('POST', `/v1/api-keys/${key.id}/revoke`));
    expect(io.d1.map(({ sql }) => sql.length)).toEqual([1, 1, expect.any(Number)]);
    expect(count(io)).toMatchObject({ reads: 0, puts: 1 });
  });

  test('minting: caller, account, one batch; KV is put', async () => {
    const { id } = await service.account();
    const io = await service.ioOf(() => service.key({ serviceAccountId: id }));
    expect(count(io)).toEqual({ d1: 3, reads: 0, puts: 1 });
  });

  test('reading and listing: caller, then one query', async () => {
    const { key } = await service.key();
    for (const path of [
      `/v1/api-keys/${key.id}`,
      '/v1/api-keys',
      '/v1/api-keys?status=active',
      '/v1/service-accounts',
      `/v1/service-accounts/${key.serviceAccountId}`,
    ]) {
      expect(count(await service.ioOf(() => service.call('GET', path)))).toEqual({
        d1: 2,
        reads: 0,
        puts: 0,
      });
    }
  });
});

async function forget(): Promise<void> {
  await service.settle();
  const { keys } = await env.CACHE.list();
  await Promise.all(keys.map(({ name }) => env.CACHE.delete(name)));
}
