import { beforeEach, describe, expect, test } from 'vitest';

import { align, count, emptyKv, gate, refuseKvWrites, strayKey } from '../support/edge.ts';
import { ROOT_KEY, TestService, type Answer } from '../support/service.ts';

/** In place of the platform's hundred a minute: as many as a test likes to make, in a minute that never ends. */
const LIMIT = 5;

function limited(): TestService {
  const counts = new Map<string, number>();
  return new TestService({
    FLOODS: {
      limit: async ({ key }: { key: string }) => {
        edge.io.limits.push(key);
        const times = (counts.get(key) ?? 0) + 1;
        counts.set(key, times);
        return { success: times <= LIMIT };
      },
    },
  });
}

let edge: TestService;
let office: TestService;

beforeEach(async () => {
  await emptyKv();
  edge = limited();
  office = new TestService();
  align(edge, office);
  await edge.upkeep();
});

const HERE = '192.0.2.1';
const THERE = '192.0.2.2';

const verify = (key: string, fields: object = {}, service = edge): Promise<Answer> =>
  service.call('POST', '/v1/api-keys/verify', { body: { key, ip: HERE, ...fields } });

/** A call whose credential is judged as any key is, and one whose caller is judged on D1. */
const PATHS = ['/v1/whoami', '/v1/api-keys'];

const callFrom = (path: string, address: string, credential: string, service = edge): Promise<Answer> =>
  service.call('GET', path, { credential, headers: { 'CF-Connecting-IP': address } });

function isRefused(answer: Answer): void {
  expect(answer).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
  expect(answer.headers.get('Retry-After')).toBe('10');
}

/** Asks in vain until the next one is refused. */
async function flood(ask: (key: string) => Promise<unknown>): Promise<void> {
  for (let time = 0; time <= LIMIT; time++) {
    await ask(strayKey());
    await edge.settle();
  }
}

describe('unknown keys past the limit', () => {
  test('are refused without a look into D1', async () => {
    for (let time = 0; time <= LIMIT; time++) {
      expect((await verify(strayKey())).body).toMatchObject({ code: 'NOT_FOUND', source: 'd1' });
      await edge.settle();
    }
    const io = await edge.ioOf(async () => isRefused(await verify(strayKey())));
    expect(count(io)).toMatchObject({ d1: 0, puts: 0 });
    expect(io.limits).toEqual([]);
  });

  test('are looked for again after ten seconds, and refused again at once if they go on', async () => {
    await flood(verify);
    edge.skip(9_999);
    isRefused(await verify(strayKey()));
    edge.skip(1);
    expect((await verify(strayKey())).body).toMatchObject({ code: 'NOT_FOUND', source: 'd1' });
    await edge.settle();
    isRefused(await verify(strayKey()));
  });

  test('do not keep others from theirs: another address, or another organization', async () => {
    const { id } = await office.organization();
    await flood(verify);
    isRefused(await verify(strayKey()));
    expect((await verify(strayKey(), { ip: THERE })).body).toMatchObject({ code: 'NOT_FOUND' });
    expect((await verify(strayKey(), { ip: undefined })).body).toMatchObject({ code: 'NOT_FOUND' });
    const inAnother = await edge.call('POST', '/v1/api-keys/verify', {
      headers: { 'Mintmark-Organization': id },
      body: { key: strayKey(), ip: HERE },
    });
    expect(inAnother.body).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('do not keep out keys that memory or KV knows', async () => {
    const remembered = await office.key();
    await office.settle();
    await verify(remembered.secret);
    const kept = await office.key();
    await office.settle();
    await flood(verify);
    expect((await verify(remembered.secret)).body).toMatchObject({ valid: true, source: 'memory' });
    expect((await verify(kept.secret)).body).toMatchObject({ valid: true, source: 'kv' });
    // Nor from what D1 says of them, where it must be asked.
    expect((await verify(remembered.secret, { maxStaleness: 0 })).body).toMatchObject({
      valid: true,
      source: 'd1',
    });
  });

  test('keep out what D1 alone knows, for as long', async () => {
    refuseKvWrites(office);
    const { secret } = await office.key();
    await flood(verify);
    isRefused(await verify(secret));
    edge.skip(10_000);
    expect((await verify(secret)).body).toMatchObject({ valid: true, source: 'd1' });
  });

  test('are refused where they are another organization’s keys, in memory as well', async () => {
    const { id } = await office.organization({ personalKeyPermissions: [] });
    const headers = { 'Mintmark-Organization': id };
    const { body } = await office.call('POST', '/v1/api-keys', {
      headers,
      body: { name: 'theirs', userId: 'eve', scopes: [] },
    });
    await office.settle();
    const known = await edge.call('POST', '/v1/api-keys/verify', { headers, body: { key: body.secret } });
    expect(known.body).toMatchObject({ valid: true });
    await flood(verify);
    isRefused(await verify(body.secret));
  });
});

describe('only what was asked of D1 in vain is counted', () => {
  const limitsOf = async (ask: () => Promise<unknown>) => (await edge.ioOf(ask)).limits;

  test('a key of any state is not, nor is a malformed one', async () => {
    const revoked = await office.key();
    await office.call('POST', `/v1/api-keys/${revoked.key.id}/revoke`);
    const disabled = await office.key();
    await office.call('PATCH', `/v1/api-keys/${disabled.key.id}`, { body: { enabled: false } });
    const expired = await office.key({ expiresIn: '60s' });
    const good = await office.key();
    edge.skip(60_000);
    const limits = await limitsOf(async () => {
      for (const [key, code] of [
        [revoked.secret, 'REVOKED'],
        [disabled.secret, 'DISABLED'],
        [expired.secret, 'EXPIRED'],
        [good.secret, 'VALID'],
        ['nonsense', 'MALFORMED'],
      ]) {
        expect((await verify(key ?? '', { maxStaleness: 0 })).body).toMatchObject({ code });
      }
    });
    expect(limits).toEqual([]);
  });

  test('an unknown key is, once while it is remembered; another organization’s as well', async () => {
    const { id } = await office.organization({ personalKeyPermissions: [] });
    const { body } = await office.call('POST', '/v1/api-keys', {
      headers: { 'Mintmark-Organization': id },
      body: { name: 'theirs', userId: 'eve', scopes: [] },
    });
    const stray = strayKey();
    const limits = await limitsOf(async () => {
      for (const key of [stray, stray, body.secret, body.secret]) await verify(key);
    });
    expect(limits).toHaveLength(2);
    expect(new Set(limits).size, 'as of one source').toBe(1);
  });

  test('by address and organization alone: no key is told to the counters', async () => {
    const stray = strayKey();
    const [limit = ''] = await limitsOf(() => verify(stray));
    expect(limit).toContain(HERE);
    expect(limit).not.toContain(stray.slice(12));
  });

  test('after the answer, which waits for no counter', async () => {
    const never = gate();
    edge = new TestService({ FLOODS: { limit: () => never.passed.then(() => ({ success: true })) } });
    expect((await verify(strayKey())).body).toMatchObject({ code: 'NOT_FOUND' });
    never.open();
  });

  test('where the counters fail nobody is refused', async () => {
    edge = new TestService({ FLOODS: { limit: () => Promise.reject(new Error('no counters today')) } });
    await flood(async (key) => {
      expect((await verify(key)).body).toMatchObject({ code: 'NOT_FOUND' });
    });
    expect((await verify(strayKey())).body).toMatchObject({ code: 'NOT_FOUND' });
  });
});

describe.each(PATHS)('unknown keys as credentials of %s', (path) => {
  test('past the limit are refused without a look into D1', async () => {
    await flood(async (key) => expect(await callFrom(path, HERE, key)).toMatchObject({ status: 401 }));
    const io = await edge.ioOf(async () => isRefused(await callFrom(path, HERE, strayKey())));
    expect(count(io).d1).toBe(0);
    edge.skip(10_000);
    expect(await callFrom(path, HERE, strayKey())).toMatchObject({ status: 401 });
  });

  test('do not keep out other addresses, nor the root key', async () => {
    const admin = await office.key({}, { role: 'admin' });
    await flood((key) => callFrom(path, HERE, key));
    isRefused(await callFrom(path, HERE, strayKey()));
    expect(await callFrom(path, THERE, strayKey())).toMatchObject({ status: 401 });
    expect(await callFrom(path, THERE, admin.secret)).toMatchObject({ status: 200 });
    expect(await callFrom(path, HERE, ROOT_KEY)).toMatchObject({ status: 200 });
  });

  test('do not keep out keys that memory or KV knows', async () => {
    const [remembered, kept] = [
      await office.key({}, { role: 'admin' }),
      await office.key({}, { role: 'admin' }),
    ];
    await office.settle();
    expect(await callFrom('/v1/whoami', HERE, remembered.secret)).toMatchObject({ status: 200 });
    await flood((key) => callFrom(path, HERE, key));
    isRefused(await callFrom(path, HERE, strayKey()));
    expect(await callFrom(path, HERE, remembered.secret)).toMatchObject({ status: 200 });
    expect(await callFrom(path, HERE, kept.secret)).toMatchObject({ status: 200 });
  });

  test('are not counted where they are keys, whatever became of them', async () => {
    const admin = await office.key({}, { role: 'admin' });
    await office.settle();
    await office.call('POST', `/v1/api-keys/${admin.key.id}/revoke`);
    await office.settle();
    const io = await edge.ioOf(async () => {
      expect(await callFrom(path, HERE, admin.secret)).toMatchObject({ status: 401 });
    });
    expect(io.limits).toEqual([]);
  });
});

describe.each(PATHS)('guesses at the root key, by calls of %s', (path) => {
  const guess = () => `${ROOT_KEY}${crypto.randomUUID()}`;

  test('past the limit are refused, and so is the right one: nobody is told that it was', async () => {
    for (let time = 0; time <= LIMIT; time++) {
      expect(await callFrom(path, HERE, guess())).toMatchObject({ status: 401 });
      await edge.settle();
    }
    const io = await edge.ioOf(async () => {
      isRefused(await callFrom(path, HERE, guess()));
      expect(await callFrom(path, HERE, ROOT_KEY)).not.toMatchObject({ status: 200 });
    });
    expect(count(io)).toEqual({ d1: 0, reads: 0, puts: 0 });
    edge.skip(10_000);
    expect(await callFrom(path, HERE, ROOT_KEY)).toMatchObject({ status: 200 });
  });

  test('do not keep the right one out from elsewhere, nor API keys', async () => {
    const admin = await office.key({}, { role: 'admin' });
    await flood(() => callFrom(path, HERE, guess()));
    expect(await callFrom(path, HERE, ROOT_KEY)).toMatchObject({ status: 429 });
    expect(await callFrom(path, THERE, ROOT_KEY)).toMatchObject({ status: 200 });
    expect(await callFrom(path, HERE, admin.secret)).toMatchObject({ status: 200 });
  });

  test('are whatever is neither key nor root key: a mistyped key is one', async () => {
    const { secret } = await office.key();
    const mistyped = secret.slice(0, -1) + (secret.endsWith('0') ? '1' : '0');
    const io = await edge.ioOf(async () => {
      await callFrom(path, HERE, mistyped);
      await callFrom(path, HERE, ROOT_KEY);
      await edge.call('GET', path, { credential: null });
    });
    expect(io.limits).toHaveLength(1);
    expect(io.limits[0]).not.toContain(mistyped);
  });
});

test('guesses and unknown keys are counted apart, and on all paths together', async () => {
  for (let time = 0; time <= LIMIT; time++) {
    await callFrom(PATHS[time % 2] ?? '', HERE, 'a-guess');
    await edge.settle();
  }
  for (const path of PATHS) {
    isRefused(await callFrom(path, HERE, ROOT_KEY));
    expect(await callFrom(path, HERE, strayKey())).toMatchObject({ status: 401 });
  }
});

test('the platform’s own counters let a hundred a minute through', async () => {
  const service = new TestService();
  let asked = 0;
  for (; asked < 300; asked++) {
    const { status } = await verify(strayKey(), {}, service);
    await service.settle();
    if (status === 429) break;
  }
  // They begin anew with each minute of the wall clock, which may come in between.
  expect(asked).toBeGreaterThan(100);
  expect(asked).toBeLessThanOrEqual(202);
});
