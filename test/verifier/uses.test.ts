import { beforeEach, describe, expect, test } from 'vitest';

import { TestService } from '../support/service.ts';

let service: TestService;

beforeEach(() => {
  service = new TestService();
});

const lastUse = async (id: string) => {
  const { body } = await service.call('GET', `/v1/api-keys/${id}`);
  return { at: body.lastUsedAt, ip: body.lastUsedIp, userAgent: body.lastUsedUserAgent };
};

const usageWrites = () =>
  service.io.d1.filter(({ sql }) => sql.some((text) => text.includes('INTO key_usage'))).length;

const NEVER = { at: null, ip: null, userAgent: null };
const FIVE_MINUTES_MS = 300_000;

describe('the last use of a key', () => {
  test('is the latest valid verification, with the address and user agent it was asked about', async () => {
    const { key, secret } = await service.key();
    await service.verify(secret, { ip: '192.0.2.1', userAgent: 'first' });
    await service.verify(secret, { ip: '2001:db8::1', userAgent: 'second' });
    const usedAt = service.now();
    await service.advance(60_000);
    const use = await lastUse(key.id);
    expect(use).toMatchObject({ ip: '2001:db8::1', userAgent: 'second' });
    expect(Math.abs(Date.parse(use.at) - usedAt)).toBeLessThan(1_000);
  });

  test('is told within five minutes, even if nothing else is ever asked of the isolate', async () => {
    const one = await service.key();
    const two = await service.key();
    await service.verify(one.secret);
    await service.advance(10_000);
    await service.verify(two.secret);
    await service.advance(FIVE_MINUTES_MS);
    expect((await lastUse(one.key.id)).at).not.toBeNull();
    expect((await lastUse(two.key.id)).at).not.toBeNull();
  });

  test("is a caller's own, when it manages or asks who it is", async () => {
    for (const path of ['/v1/whoami', '/v1/api-keys']) {
      const admin = await service.key({}, { role: 'admin' });
      await service.call('GET', path, {
        credential: admin.secret,
        headers: { 'CF-Connecting-IP': '192.0.2.7', 'User-Agent': 'terraform' },
      });
      await service.advance(FIVE_MINUTES_MS);
      expect(await lastUse(admin.key.id)).toMatchObject({ ip: '192.0.2.7', userAgent: 'terraform' });
    }
  });

  test('does not move for a verdict that is not valid', async () => {
    const { key, secret } = await service.key({ environment: 'test' });
    await service.verify(secret, { scopes: ['files:read'] });
    await service.verify(secret, { environment: 'live' });
    await service.call('POST', `/v1/api-keys/${key.id}/revoke`);
    await service.verify(secret);
    await service.advance(FIVE_MINUTES_MS);
    expect(await lastUse(key.id)).toEqual(NEVER);
  });

  test('never moves back when isolates write out of order', async () => {
    const { key, secret } = await service.key();
    const late = new TestService();
    await late.verify(secret, { userAgent: 'earlier' });
    await service.advance(1_000);
    await service.verify(secret, { userAgent: 'later' });
    await service.advance(60_000);
    await late.advance(60_000);
    expect(await lastUse(key.id)).toMatchObject({ userAgent: 'later' });
  });

  test('is no change to the key', async () => {
    const { key, secret } = await service.key();
    await service.verify(secret);
    await service.advance(FIVE_MINUTES_MS);
    const { body } = await service.call('GET', `/v1/api-keys/${key.id}`);
    expect(body.updatedAt).toBe(body.createdAt);
  });
});

describe('writing last uses', () => {
  test('costs an isolate one batch a minute at most, however many keys and uses', async () => {
    const keys = await Promise.all(Array.from({ length: 20 }, () => service.key()));
    const start = usageWrites();
    for (let second = 0; second < 180; second += 5) {
      await Promise.all(keys.map(({ secret }) => service.verify(secret)));
      await service.advance(5_000);
    }
    expect(usageWrites() - start).toBeGreaterThanOrEqual(2);
    expect(usageWrites() - start).toBeLessThanOrEqual(3);
  });

  test('never delays or fails an answer, and is tried again a minute later', async () => {
    const { key, secret } = await service.key();
    service.d1Hooks.before = (sql) => {
      if (sql.some((text) => text.includes('key_usage'))) throw new Error('D1_ERROR: overloaded');
    };
    expect(await service.verify(secret, { userAgent: 'kept' })).toMatchObject({ valid: true });
    await service.advance(60_000);
    delete service.d1Hooks.before;
    expect(await lastUse(key.id)).toEqual(NEVER);
    expect(await service.verify((await service.key()).secret)).toMatchObject({ valid: true });
    await service.advance(60_000);
    expect(await lastUse(key.id)).toMatchObject({ userAgent: 'kept' });
  });

  test('goes on after the platform has ended a write that waited', async () => {
    const { key, secret } = await service.key();
    await service.verify(secret);
    service.dropSleepers();
    await service.advance(FIVE_MINUTES_MS);
    expect(await lastUse(key.id)).toEqual(NEVER);
    await service.verify(secret);
    await service.advance(60_000);
    expect((await lastUse(key.id)).at).not.toBeNull();
  });
});
