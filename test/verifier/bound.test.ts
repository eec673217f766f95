import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';

import { TestService } from '../support/service.ts';

/** `edge` verifies; `elsewhere` is another isolate, whose changes only D1 and KV can tell it of. */
let edge: TestService;
let elsewhere: TestService;

beforeEach(() => {
  edge = new TestService();
  elsewhere = new TestService();
});

/** KV takes nothing new from `elsewhere` any more: what `edge` reads there grows ever staler. */
function freezeKv(): void {
  elsewhere.kvHooks.before = (operation) => {
    if (operation !== 'get') throw new Error('429: too many writes');
  };
}

const revoke = (service: TestService, id: string) => service.call('POST', `/v1/api-keys/${id}/revoke`);

describe('a revoked key', () => {
  test('is refused at once by the isolate that revoked it, even if KV never hears of it', async () => {
    const { key, secret } = await edge.key();
    await edge.settle();
    edge.kvHooks.before = (operation) => {
      if (operation !== 'get') throw new Error('429: too many writes');
    };
    await revoke(edge, key.id);
    expect(await edge.verify(secret)).toMatchObject({ code: 'REVOKED', source: 'd1' });
  });

  test('is refused elsewhere within the bound that its answer states, whatever KV does', async () => {
    const { key, secret } = await edge.key();
    await edge.settle();
    freezeKv();
    const { body } = await revoke(elsewhere, key.id);
    const boundMs = Date.parse(body.effectiveBy) - elsewhere.now();
    expect(boundMs).toBeLessThanOrEqual(120_000);
    expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'kv' });
    await edge.advance(boundMs - 5_000);
    expect(await edge.verify(secret)).toMatchObject({ code: 'REVOKED', source: 'd1' });
  });

  test.each([1, 30])(
    'is refused at once where maxStaleness allows %i s and its record is older',
    async (seconds) => {
      const { key, secret } = await edge.key();
      await edge.settle();
      freezeKv();
      await revoke(elsewhere, key.id);
      await edge.advance((seconds - 1) * 1_000);
      expect(await edge.verify(secret, { maxStaleness: seconds })).toMatchObject({
        valid: true,
        ageSeconds: seconds - 1,
      });
      await edge.advance(2_000);
      expect(await edge.verify(secret, { maxStaleness: seconds })).toMatchObject({
        code: 'REVOKED',
        ageSeconds: 0,
      });
    },
  );

  test('is refused everywhere at once where the deployment allows no staleness', async () => {
    const strict = new TestService({ MAX_STALENESS_SECONDS: '0' });
    const { key, secret } = await strict.key();
    const io = await strict.ioOf(() => strict.verify(secret));
    expect(io.kv).toEqual([]);
    freezeKv();
    const { body } = await revoke(elsewhere, key.id);
    expect(body.key.status).toBe('revoked');
    expect(await strict.verify(secret)).toMatchObject({ code: 'REVOKED', source: 'd1' });
  });

  test('as a caller, can manage nothing at once, though KV still says that it lives', async () => {
    const admin = await edge.key({}, { role: 'admin' });
    await edge.settle();
    freezeKv();
    await revoke(elsewhere, admin.key.id);
    expect(await edge.call('GET', '/v1/whoami', { credential: admin.secret })).toMatchObject({ status: 200 });
    expect(await edge.call('GET', '/v1/api-keys', { credential: admin.secret })).toMatchObject({
      status: 401,
    });
  });
});

describe('a change to an account reaches its keys', () => {
  const changes: Record<
    string,
    { change: (service: TestService, id: string) => Promise<unknown>; code: string }
  > = {
    disabling: {
      change: (service, id) => service.call('POST', `/v1/service-accounts/${id}/disable`),
      code: 'ACCOUNT_DISABLED',
    },
    deleting: {
      change: (service, id) => service.call('DELETE', `/v1/service-accounts/${id}`),
      code: 'REVOKED',
    },
    narrowing: {
      change: (service, id) =>
        service.call('PATCH', `/v1/service-accounts/${id}`, { body: { permissions: [] } }),
      code: 'INSUFFICIENT_SCOPE',
    },
  };

  test.each(Object.entries(changes))(
    '%s: at once in the isolate that made it',
    async (_, { change, code }) => {
      const { key, secret } = await edge.key({}, { permissions: ['files:read'] });
      expect(await edge.verify(secret, { scopes: ['files:read'] })).toMatchObject({ valid: true });
      await change(edge, key.serviceAccountId);
      expect(await edge.verify(secret, { scopes: ['files:read'] })).toMatchObject({ valid: false, code });
    },
  );

  test.each(Object.entries(changes))('%s: within the bound elsewhere', async (_, { change, code }) => {
    const { key, secret } = await edge.key({}, { permissions: ['files:read'] });
    await edge.settle();
    await change(elsewhere, key.serviceAccountId);
    await edge.advance(115_000);
    expect(await edge.verify(secret, { scopes: ['files:read'] })).toMatchObject({ valid: false, code });
  });
});

describe('expiry', () => {
  test('is judged by the clock at each verification, not by any cache', async () => {
    const { secret } = await edge.key({ expiresIn: '90s' });
    await edge.settle();
    await edge.advance(80_000);
    expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'kv' });
    await edge.advance(10_000);
    expect(await edge.verify(secret)).toMatchObject({ code: 'EXPIRED', source: 'kv' });
  });

  test('of a key with under a minute to live is known to D1 alone', async () => {
    const { secret } = await edge.key({ expiresIn: '59s' });
    await edge.settle();
    expect(edge.io.kv).toEqual([]);
    expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'd1' });
  });

  test('brought forward to under a minute takes the old record out of KV', async () => {
    const { key, secret } = await edge.key();
    await edge.settle();
    const expiresAt = new Date(edge.now() + 30_000).toISOString();
    await edge.call('PATCH', `/v1/api-keys/${key.id}`, { body: { expiresAt } });
    await edge.settle();
    expect(await elsewhere.verify(secret)).toMatchObject({ valid: true, source: 'd1', expiresAt });
  });
});

describe('while KV fails', () => {
  test('every read is answered by D1, and every change is made', async () => {
    edge.kvHooks.before = () => {
      throw new Error('KV GET failed: 500');
    };
    const { key, secret } = await edge.key();
    expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'd1' });
    expect(await revoke(edge, key.id)).toMatchObject({ status: 200 });
    expect(await edge.verify(secret)).toMatchObject({ code: 'REVOKED', source: 'd1' });
  });

  test('what KV holds but did not come from this version is a miss', async () => {
    const { secret } = await edge.key();
    await edge.settle();
    const { keys } = await env.CACHE.list();
    for (const value of ['', 'null', '{}', 'not json', '{"key":{"id":"key_1"}}']) {
      for (const { name } of keys) await env.CACHE.put(name, value);
      expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'd1' });
      await edge.settle();
    }
  });

  test('a record that says it was read in the future is not believed', async () => {
    const ahead = new TestService();
    await ahead.advance(50_000);
    const { secret } = await ahead.key();
    await ahead.settle();
    expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'd1' });
  });
});

describe('while D1 cannot be reached', () => {
  const cutOff = () => {
    edge.d1Hooks.before = () => {
      throw new Error('D1_ERROR: Network connection lost.');
    };
  };

  test('a key in KV is judged by it', async () => {
    const { secret } = await edge.key();
    await edge.settle();
    cutOff();
    expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'kv' });
  });

  test('a key that KV does not have, or not fresh enough, gets no verdict: never a yes', async () => {
    const { secret } = await edge.key();
    await edge.settle();
    cutOff();
    const ask = (fields: object = {}) =>
      edge.call('POST', '/v1/api-keys/verify', { body: { key: secret, ...fields } });
    for (const answer of [await ask({ maxStaleness: 0 }), (await edge.advance(120_000), await ask())]) {
      expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } });
      expect(answer.headers.get('Retry-After')).toMatch(/^[0-9]+$/);
    }
  });
});
