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

  describe('that must wait longer than the platform lets background work live', () => {
    /** An isolate that has just written, so that its next write is a minute off. */
    async function afterWriting(): Promise<void> {
      await service.verify((await service.key()).secret);
      await service.advance(5_000);
      expect(usageWrites()).toBe(1);
    }

    test('goes on in other invocations, and is done within five minutes', async () => {
      const { key, secret } = await service.key();
      await afterWriting();
      const written = service.now();
      await service.verify(secret, { userAgent: 'patient', ip: '192.0.2.1' });
      const usedAt = service.now();
      await service.advance(59_999);
      expect(await lastUse(key.id), 'a minute between two batches').toEqual(NEVER);
      await service.advance(FIVE_MINUTES_MS - 59_999);
      expect(await lastUse(key.id)).toEqual({
        at: new Date(usedAt).toISOString(),
        userAgent: 'patient',
        ip: '192.0.2.1',
      });
      expect(usageWrites()).toBe(2);
      expect(service.now() - written).toBe(FIVE_MINUTES_MS);
    });

    test('keeps to one batch a minute, however many uses wait', async () => {
      await afterWriting();
      const keys = await Promise.all(Array.from({ length: 10 }, () => service.key()));
      const writtenAt: number[] = [];
      service.d1Hooks.before = (sql) => {
        if (sql.some((text) => text.includes('INTO key_usage'))) writtenAt.push(service.now());
      };
      for (let second = 0; second < 300; second++) {
        await service.verify(keys[second % 10]?.secret ?? '');
        await service.advance(1_000);
      }
      delete service.d1Hooks.before;
      expect(writtenAt.length).toBeGreaterThanOrEqual(4);
      for (const [index, ms] of writtenAt.entries()) {
        if (index > 0) expect(ms - (writtenAt[index - 1] ?? 0)).toBeGreaterThanOrEqual(60_000);
      }
    });

    test('takes along what is used meanwhile, and the latest use of each key is what is written', async () => {
      const [one, two] = [await service.key(), await service.key()];
      await afterWriting();
      await service.verify(one.secret, { userAgent: 'first' });
      await service.advance(20_000);
      await service.verify(one.secret, { userAgent: 'second' });
      await service.verify(two.secret, { userAgent: 'other' });
      await service.advance(FIVE_MINUTES_MS);
      expect(await lastUse(one.key.id)).toMatchObject({ userAgent: 'second' });
      expect(await lastUse(two.key.id)).toMatchObject({ userAgent: 'other' });
      expect(usageWrites()).toBe(2);
    });

    test('is written by the isolate that it is handed to, even where the first one is gone', async () => {
      const { key, secret } = await service.key();
      const heir = new TestService();
      service.relayTo(heir);
      await afterWriting();
      await service.verify(secret, { userAgent: 'inherited' });
      await service.advance(25_000);
      service.dropSleepers();
      await heir.advance(FIVE_MINUTES_MS);
      expect(await lastUse(key.id)).toMatchObject({ userAgent: 'inherited' });
    });

    test('handed on again and again to one isolate, is written by it once a minute at most', async () => {
      const heir = new TestService();
      const givers = Array.from({ length: 5 }, () => new TestService());
      for (const giver of givers) {
        giver.relayTo(heir);
        await giver.verify((await giver.key()).secret);
        await giver.advance(5_000);
      }
      const writes = () =>
        heir.io.d1.filter(({ sql }) => sql.some((text) => text.includes('INTO key_usage'))).length;
      const keys: string[] = [];
      for (let second = 0; second < 120; second += 5) {
        for (const giver of givers) {
          const { key, secret } = await giver.key({ userId: 'ada', scopes: [] });
          keys.push(key.id);
          await giver.verify(secret);
          await giver.advance(5_000);
        }
        await heir.advance(5_000);
      }
      expect(writes()).toBeGreaterThanOrEqual(1);
      expect(writes()).toBeLessThanOrEqual(3);
      for (const isolate of [...givers, heir]) await isolate.advance(FIVE_MINUTES_MS);
      for (const id of keys) expect((await lastUse(id)).at).not.toBeNull();
    });
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
