import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';

import { rotatedKey, type RotatedKeyResource } from '../../src/contract/api_keys.ts';
import { dumpTables, TestService, type Answer } from '../support/service.ts';

const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let service: TestService;

beforeEach(() => {
  service = new TestService();
});

type Minted = Awaited<ReturnType<TestService['key']>>;
type Caller = { readonly credential?: string };

const call = (id: string, body: object = {}, by: Caller = {}, on = service): Promise<Answer> =>
  on.call('POST', `/v1/api-keys/${id}/rotate`, { body, ...by });

/** Rotates, and holds the answer to the contract. */
async function rotate(id: string, body: object = {}, on = service): Promise<RotatedKeyResource> {
  const answer = await call(id, body, {}, on);
  expect(answer.status, answer.text).toBe(201);
  const rotated = rotatedKey.parse(answer.body);
  expect(answer.headers.get('Mintmark-Effective-By')).toBe(rotated.effectiveBy);
  return rotated;
}

const get = async (id: string) => (await service.call('GET', `/v1/api-keys/${id}`)).body;
const patch = (id: string, body: object) => service.call('PATCH', `/v1/api-keys/${id}`, { body });
const revoke = (id: string, body: object = {}) => service.call('POST', `/v1/api-keys/${id}/revoke`, { body });
const at = (ms: number): string => new Date(ms).toISOString();
const inMs = (ms: number): string => at(service.now() + ms);
/** The truth, past every cache. */
const verdictOf = async (secret: string) => (await service.verify(secret, { maxStaleness: 0 })).code;

interface Event {
  readonly action: string;
  readonly actor_type: string;
  readonly actor_id: string;
  readonly changes: string;
}

async function eventsOf(target: string): Promise<Event[]> {
  const { results } = await env.DB.prepare('SELECT * FROM audit_events WHERE target_id = ? ORDER BY id')
    .bind(target)
    .all<Event>();
  return results;
}

const actionsOf = async (target: string): Promise<string[]> =>
  (await eventsOf(target)).map(({ action }) => action);

/** An isolate whose clock shows what this one's does. */
async function another(): Promise<TestService> {
  const isolate = new TestService();
  isolate.skip(service.now() - isolate.now());
  return isolate;
}

describe('a rotation', () => {
  test('gives the key a successor that is the same but for its secret, and an end to the old one', async () => {
    const old = await service.key(
      {
        name: 'deploy',
        description: 'from CI',
        environment: 'test',
        scopes: ['files:read'],
        metadata: { team: 'core' },
        expiresIn: '90d',
      },
      { permissions: ['files:*'] },
    );
    await service.advance(10 * DAY_MS);
    const { key, secret, previous, effectiveBy } = await rotate(old.key.id);

    expect(key).toMatchObject({
      organizationId: 'org_000000000000000000000000',
      serviceAccountId: old.key.serviceAccountId,
      userId: null,
      name: 'deploy',
      description: 'from CI',
      environment: 'test',
      scopes: ['files:read'],
      metadata: { team: 'core' },
      status: 'active',
      enabled: true,
      createdAt: at(service.now()),
      createdBy: 'root',
      expiresAt: inMs(90 * DAY_MS),
      rotatedFrom: old.key.id,
      rotatedTo: null,
      revokedAt: null,
      lastUsedAt: null,
    });
    expect(key.id).not.toBe(old.key.id);
    expect(secret).toMatch(/^mk_test_[0-9A-Za-z]{38}$/);
    expect(secret).not.toBe(old.secret);
    expect([secret.startsWith(key.start), secret.endsWith(key.fingerprint)]).toEqual([true, true]);
    expect(previous).toEqual({
      ...old.key,
      updatedAt: at(service.now()),
      expiresAt: inMs(DAY_MS),
      rotatedTo: key.id,
    });
    expect(Date.parse(effectiveBy) - service.now()).toBe(120 * SECOND_MS);
    expect([await get(key.id), await get(old.key.id)]).toEqual([key, previous]);
  });

  test('has both secrets good until the old one’s grace ends', async () => {
    const old = await service.key();
    const { secret } = await rotate(old.key.id);
    expect([await verdictOf(old.secret), await verdictOf(secret)]).toEqual(['VALID', 'VALID']);
    await service.advance(DAY_MS - 1);
    expect([await verdictOf(old.secret), await verdictOf(secret)]).toEqual(['VALID', 'VALID']);
    await service.advance(1);
    expect([await verdictOf(old.secret), await verdictOf(secret)]).toEqual(['EXPIRED', 'VALID']);
    expect((await get(old.key.id)).status).toBe('expired');
  });

  test('keeps a person’s key that person’s', async () => {
    const old = await service.key({ userId: 'ada', scopes: [] });
    const { key } = await rotate(old.key.id);
    expect(key).toMatchObject({ userId: 'ada', serviceAccountId: null, scopes: [] });
  });

  test('by a key names its account, as the maker of one and the changer of the other', async () => {
    const member = await service.key({}, { role: 'member' });
    const old = await service.key();
    const answer = await call(old.key.id, {}, { credential: member.secret });
    expect(answer.status).toBe(201);
    expect(answer.body.key.createdBy).toBe(member.key.serviceAccountId);
    expect(answer.body.previous.updatedBy).toBe(member.key.serviceAccountId);
  });

  test('has the brand that the organization has by then', async () => {
    const old = await service.key();
    const rename = (keyPrefix: string) =>
      service.call('PATCH', '/v1/organizations/org_000000000000000000000000', { body: { keyPrefix } });
    await rename('acme2');
    const { secret } = await rotate(old.key.id);
    await rename('mk');
    expect(secret).toMatch(/^acme2_live_/);
  });

  test('is told in the trail of both keys', async () => {
    const old = await service.key();
    const { key } = await rotate(old.key.id);
    const [, rotated, ...none] = await eventsOf(old.key.id);
    expect(none).toEqual([]);
    expect(rotated).toMatchObject({ action: 'api_key.rotated', actor_id: 'root' });
    expect(JSON.parse(rotated?.changes ?? '')).toEqual({
      rotatedTo: { from: null, to: key.id },
      expiresAt: { from: null, to: inMs(DAY_MS) },
    });
    const [created, ...others] = await eventsOf(key.id);
    expect(others).toEqual([]);
    expect(created).toMatchObject({ action: 'api_key.created', actor_id: 'root' });
    expect(JSON.parse(created?.changes ?? '')).toMatchObject({ rotatedFrom: { from: null, to: old.key.id } });
  });

  test('can be made again of the successor', async () => {
    const { key: first } = await service.key();
    const { key: second } = await rotate(first.id);
    const { key: third } = await rotate(second.id);
    expect(await get(second.id)).toMatchObject({ rotatedFrom: first.id, rotatedTo: third.id });
    expect(third).toMatchObject({ rotatedFrom: second.id, rotatedTo: null });
  });
});

describe('the grace period', () => {
  test.for([
    ['0s', 0],
    ['1s', SECOND_MS],
    ['1h', HOUR_MS],
    ['30d', 30 * DAY_MS],
  ] as const)('may be %s', async ([gracePeriod, ms]) => {
    const old = await service.key();
    const { previous } = await rotate(old.key.id, { gracePeriod });
    expect(previous).toMatchObject({ expiresAt: inMs(ms), status: ms === 0 ? 'expired' : 'active' });
    expect(await verdictOf(old.secret)).toBe(ms === 0 ? 'EXPIRED' : 'VALID');
    await service.advance(ms);
    expect(await verdictOf(old.secret)).toBe('EXPIRED');
  });

  test('may not be over thirty days', async () => {
    const { key } = await service.key();
    const before = await dumpTables();
    for (const gracePeriod of ['31d', '2592001s', '5w']) {
      expect(await call(key.id, { gracePeriod })).toMatchObject({
        status: 400,
        body: { code: 'invalid_request', errors: [{ path: 'gracePeriod' }] },
      });
    }
    expect(await dumpTables()).toEqual(before);
  });

  test('does not outlast the old key’s own expiry', async () => {
    const old = await service.key({ expiresIn: '1h' });
    const { previous } = await rotate(old.key.id, { gracePeriod: '30d' });
    expect(previous.expiresAt).toBe(inMs(HOUR_MS));
    await service.advance(HOUR_MS);
    expect(await verdictOf(old.secret)).toBe('EXPIRED');
  });

  test.for([
    ['none', null],
    ['a later one', 40 * DAY_MS],
  ] as const)('cannot be made longer by a new expiry of the old key: %s', async ([, ms]) => {
    const old = await service.key();
    const { previous } = await rotate(old.key.id);
    const answer = await patch(old.key.id, { expiresAt: ms === null ? null : inMs(ms) });
    expect(answer).toMatchObject({ status: 409, body: { code: 'key_rotated' } });
    expect((await get(old.key.id)).expiresAt).toBe(previous.expiresAt);
    expect(await patch(old.key.id, { expiresAt: inMs(HOUR_MS) })).toMatchObject({ status: 200 });
    await service.advance(HOUR_MS);
    expect(await verdictOf(old.secret)).toBe('EXPIRED');
  });

  test('ends the old key in the isolate that rotated it, with KV failing, as anywhere else', async () => {
    const old = await service.key();
    await service.settle();
    service.kvHooks.before = (operation) => {
      if (operation !== 'get') throw new Error('429: too many writes');
    };
    await rotate(old.key.id, { gracePeriod: '0s' });
    expect((await service.verify(old.secret)).code).toBe('EXPIRED');
    const elsewhere = await another();
    expect((await elsewhere.verify(old.secret)).code, 'KV still says that it lives').toBe('VALID');
    await elsewhere.advance(120 * SECOND_MS);
    expect((await elsewhere.verify(old.secret)).code).toBe('EXPIRED');
  });
});

describe('the successor’s lifetime', () => {
  test('is the old key’s, counted from now', async () => {
    const { key: old } = await service.key({ expiresIn: '90d' });
    await service.advance(89 * DAY_MS);
    expect((await rotate(old.id)).key.expiresAt).toBe(inMs(90 * DAY_MS));
  });

  test('is that of the key as it was minted, through one rotation after the other', async () => {
    let { id } = (await service.key({ expiresIn: '90d' })).key;
    for (let round = 0; round < 3; round++) {
      await service.advance(20 * DAY_MS);
      const { key } = await rotate(id);
      expect(key.expiresAt).toBe(inMs(90 * DAY_MS));
      id = key.id;
    }
  });

  test('is without end where the old key’s was', async () => {
    const { key: old } = await service.key();
    expect((await rotate(old.id)).key.expiresAt).toBe(null);
  });

  test('may be told otherwise', async () => {
    const asked: [object, string | null][] = [
      [{ expiresIn: '2h' }, inMs(2 * HOUR_MS)],
      [{ expiresAt: inMs(3 * HOUR_MS) }, inMs(3 * HOUR_MS)],
      [{ expiresAt: null }, null],
    ];
    for (const [body, expiresAt] of asked) {
      const { key: old } = await service.key({ expiresIn: '90d' });
      expect((await rotate(old.id, body)).key.expiresAt).toBe(expiresAt);
    }
  });

  test('is within the organization’s maxKeyLifetime, else 400 that names it', async () => {
    const { id: organization } = await service.organization();
    const headers = { 'Mintmark-Organization': organization };
    const mint = async (fields: object) =>
      (
        await service.call('POST', '/v1/api-keys', {
          headers,
          body: { name: 'a key', userId: 'ada', scopes: [], ...fields },
        })
      ).body.key.id;
    const [endless, long, short] = [
      await mint({}),
      await mint({ expiresIn: '91d' }),
      await mint({ expiresIn: '30d' }),
    ];
    const limit = await service.call('PATCH', `/v1/organizations/${organization}`, {
      body: { maxKeyLifetime: '90d' },
    });
    expect(limit.status).toBe(200);
    const attempt = (id: string, body: object = {}) =>
      service.call('POST', `/v1/api-keys/${id}/rotate`, { headers, body });
    const refused: [string, object, string][] = [
      [endless, {}, 'expiresAt'],
      [long, {}, 'expiresAt'],
      [short, { expiresAt: null }, 'expiresAt'],
      [short, { expiresIn: '91d' }, 'expiresIn'],
    ];
    for (const [id, body, path] of refused) {
      const answer = await attempt(id, body);
      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
      expect(answer.body.errors).toEqual([{ path, message: expect.stringContaining('maxKeyLifetime') }]);
      expect(await eventsOf(id)).toHaveLength(1);
    }
    expect((await attempt(endless, { expiresIn: '90d' })).status).toBe(201);
    expect((await attempt(long, { expiresIn: '90d' })).status).toBe(201);
    expect((await attempt(short)).body.key.expiresAt).toBe(inMs(30 * DAY_MS));
  });
});

describe('what cannot be rotated', () => {
  const states: Record<string, { make: () => Promise<Minted>; code: string }> = {
    'a revoked key': {
      make: async () => {
        const made = await service.key();
        await revoke(made.key.id);
        return made;
      },
      code: 'key_revoked',
    },
    'a key of a deleted account': {
      make: async () => {
        const made = await service.key();
        await service.call('DELETE', `/v1/service-accounts/${made.key.serviceAccountId}`);
        return made;
      },
      code: 'key_revoked',
    },
    'an expired key': {
      make: async () => {
        const made = await service.key({ expiresIn: '1h' });
        await service.advance(HOUR_MS);
        return made;
      },
      code: 'key_expired',
    },
    'a disabled key': {
      make: async () => {
        const made = await service.key();
        await patch(made.key.id, { enabled: false });
        return made;
      },
      code: 'key_disabled',
    },
    'a key that has a successor': {
      make: async () => {
        const made = await service.key();
        await rotate(made.key.id);
        return made;
      },
      code: 'key_rotated',
    },
    'a key of a disabled account': {
      make: async () => {
        const made = await service.key();
        await service.call('POST', `/v1/service-accounts/${made.key.serviceAccountId}/disable`);
        return made;
      },
      code: 'account_disabled',
    },
  };

  test.for(Object.entries(states))('is %s: a conflict that changes nothing', async ([, { make, code }]) => {
    const { key } = await make();
    await service.settle();
    const before = await dumpTables();
    expect(await call(key.id)).toMatchObject({ status: 409, body: { code } });
    expect(await dumpTables()).toEqual(before);
  });

  test('is a deleted key, which is not there', async () => {
    const { key } = await service.key();
    await service.call('DELETE', `/v1/api-keys/${key.id}`);
    expect(await call(key.id)).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });

  test('is a key that may more than the caller, whatever else stands in the way', async () => {
    const member = await service.key({}, { role: 'member' });
    const admin = await service.key({}, { role: 'admin' });
    const refusal = { status: 403, body: { code: 'cannot_grant' } };
    expect(await call(admin.key.id, {}, { credential: member.secret })).toMatchObject(refusal);
    expect(await get(admin.key.id)).toEqual(admin.key);
    await revoke(admin.key.id);
    expect(await call(admin.key.id, {}, { credential: member.secret })).toMatchObject(refusal);
    const own = await call(member.key.id, {}, { credential: member.secret });
    expect(own.status, 'its own it may').toBe(201);
  });

  test('is a key whose account is promoted past the caller meanwhile', async () => {
    const member = await service.key({}, { role: 'member' });
    const { key } = await service.key();
    service.d1Hooks.beforeBatch = async () => {
      delete service.d1Hooks.beforeBatch;
      await new TestService().call('PATCH', `/v1/service-accounts/${key.serviceAccountId}`, {
        body: { role: 'admin' },
      });
    };
    expect(await call(key.id, {}, { credential: member.secret })).toMatchObject({
      status: 403,
      body: { code: 'cannot_grant' },
    });
    expect(await get(key.id)).toMatchObject({ rotatedTo: null });
  });
});

test('fifty rotations of one key from fifty isolates: it has one successor, and the rest are told', async () => {
  const { key } = await service.key();
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => call(key.id, {}, {}, new TestService())),
  );
  const made = answers.filter(({ status }) => status === 201);
  expect(made).toHaveLength(1);
  const told = answers.filter(({ status, body }) => status === 409 && body.code === 'key_rotated');
  expect(told).toHaveLength(49);
  const { results: successors } = await env.DB.prepare('SELECT id FROM api_keys WHERE rotated_from = ?')
    .bind(key.id)
    .all();
  expect(successors).toEqual([{ id: made[0]?.body.key.id }]);
  expect((await get(key.id)).rotatedTo).toBe(made[0]?.body.key.id);
  expect(await actionsOf(key.id)).toEqual(['api_key.created', 'api_key.rotated']);
});

describe('with untilFirstUse', () => {
  /** A key of an administrator, rotated so. */
  async function rotated(fields: object = {}) {
    const old = await service.key({}, { role: 'admin' });
    const successor = await rotate(old.key.id, { untilFirstUse: true, ...fields });
    await service.settle();
    return { old, successor };
  }

  const ENDED = {
    status: 'revoked',
    revokedBy: 'system',
    updatedBy: 'system',
    revocationReason: expect.stringMatching(/./),
  };

  const entrances: Record<string, (secret: string) => Promise<unknown>> = {
    'a verification': (secret) => service.verify(secret),
    'whoami, as its caller': (secret) => service.call('GET', '/v1/whoami', { credential: secret }),
    'a verification, as its caller': (secret) =>
      service.call('POST', '/v1/api-keys/verify', { credential: secret, body: { key: 'nonsense' } }),
    'a call that manages, as its caller': (secret) =>
      service.call('GET', '/v1/service-accounts', { credential: secret }),
    'a call that changes something, as its caller': (secret) =>
      service.call('POST', '/v1/service-accounts', {
        credential: secret,
        body: { name: crypto.randomUUID() },
      }),
  };

  test.for(Object.entries(entrances))(
    'the first use of the successor by %s ends the old key',
    async ([, use]) => {
      const { old, successor } = await rotated();
      expect(await verdictOf(old.secret), 'until then').toBe('VALID');
      await service.settle();
      expect((await get(old.key.id)).status).toBe('active');

      await use(successor.secret);
      await service.settle();
      expect(await get(old.key.id)).toMatchObject({ ...ENDED, revokedAt: at(service.now()) });
      expect((await service.verify(old.secret)).code).toBe('REVOKED');
      expect(await verdictOf(successor.secret)).toBe('VALID');
      const end = (await eventsOf(old.key.id)).at(-1);
      expect(end).toMatchObject({
        action: 'api_key.revoked',
        actor_type: 'system',
        actor_id: 'system',
      });
      expect(JSON.parse(end?.changes ?? '')).toEqual({
        revokedAt: { from: null, to: at(service.now()) },
        revokedBy: { from: null, to: 'system' },
        revocationReason: { from: null, to: expect.stringMatching(/./) },
      });
    },
  );

  test('a verdict on the successor that is not valid ends nothing', async () => {
    const { old, successor } = await rotated();
    await service.verify(successor.secret, { scopes: ['files:read'] });
    await service.verify(successor.secret, { environment: 'test' });
    await patch(successor.key.id, { enabled: false });
    await service.verify(successor.secret);
    await service.call('GET', '/v1/whoami', { credential: successor.secret });
    await service.settle();
    expect(await get(old.key.id)).toMatchObject({ status: 'active', updatedBy: 'root' });
  });

  test.for([
    ['whoami', '/v1/whoami'],
    ['a call that manages', '/v1/service-accounts'],
  ] as const)(
    '%s that is refused, for naming an organization that is not the key’s, ends nothing',
    async ([, path]) => {
      const { old, successor } = await rotated();
      const answer = await service.call('GET', path, {
        credential: successor.secret,
        headers: { 'Mintmark-Organization': 'nobodys' },
      });
      expect(answer.status).toBe(404);
      await service.settle();
      expect((await get(old.key.id)).status).toBe('active');
    },
  );

  test('the use of the old key ends nothing', async () => {
    const { old } = await rotated();
    await service.verify(old.secret);
    await service.settle();
    expect((await get(old.key.id)).status).toBe('active');
  });

  test('without it, the use of the successor ends nothing', async () => {
    const { old, successor } = await rotated({ untilFirstUse: false });
    const io = await service.ioOf(() => service.verify(successor.secret));
    expect(io.d1).toEqual([]);
    expect((await get(old.key.id)).status).toBe('active');
  });

  test('costs later uses nothing more', async () => {
    const { successor } = await rotated();
    await service.verify(successor.secret);
    await service.settle();
    await service.verify(successor.secret);
    const io = await service.ioOf(() => service.verify(successor.secret));
    expect(io.d1).toEqual([]);
  });

  test('the first use is one batch, and no answer waits for it', async () => {
    const { successor } = await rotated();
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    service.d1Hooks.beforeBatch = () => held;
    expect(await service.verify(successor.secret)).toMatchObject({ valid: true });
    const start = service.io.d1.length;
    delete service.d1Hooks.beforeBatch;
    letGo();
    await service.settle();
    expect(service.io.d1.slice(start).filter(({ sql }) => sql.length > 1)).toHaveLength(1);
  });

  test('two isolates that see the first use at once end the old key once', async () => {
    const { old, successor } = await rotated();
    const isolates = [await another(), await another(), service];
    const verdicts = await Promise.all(isolates.map((isolate) => isolate.verify(successor.secret)));
    expect(verdicts.map(({ code }) => code)).toEqual(['VALID', 'VALID', 'VALID']);
    await Promise.all(isolates.map((isolate) => isolate.settle()));
    expect(await actionsOf(old.key.id)).toEqual(['api_key.created', 'api_key.rotated', 'api_key.revoked']);
    expect(await actionsOf(successor.key.id)).toEqual(['api_key.created', 'api_key.updated']);
  });

  test('is tried again on use, at most every ten seconds, while D1 fails, until it is done', async () => {
    const { old, successor } = await rotated();
    let attempts = 0;
    service.d1Hooks.before = (sql) => {
      if (!sql.some((text) => text.includes('INTO audit_events'))) return;
      attempts++;
      throw new Error('D1_ERROR: Network connection lost.');
    };
    const use = async () => {
      for (let index = 0; index < 5; index++) {
        expect(await service.verify(successor.secret)).toMatchObject({ valid: true });
      }
      await service.settle();
    };
    await use();
    const each = attempts;
    expect(each, 'an unclear outcome is asked after once').toBeLessThanOrEqual(2);
    expect(each).toBeGreaterThan(0);
    await service.advance(9_999);
    await use();
    expect(attempts).toBe(each);
    await service.advance(1);
    await use();
    expect(attempts).toBe(2 * each);
    delete service.d1Hooks.before;
    await use();
    expect((await get(old.key.id)).status, 'not before its time').toBe('active');
    await service.advance(10_000);
    await use();
    expect(await get(old.key.id)).toMatchObject(ENDED);
  });

  test('is tried again on use after the platform has ended it', async () => {
    const { old, successor } = await rotated();
    service.d1Hooks.beforeBatch = () => new Promise(() => undefined);
    await service.verify(successor.secret);
    delete service.d1Hooks.beforeBatch;
    service.dropSleepers();
    await service.advance(10_000);
    await service.verify(successor.secret);
    await service.settle();
    expect(await get(old.key.id)).toMatchObject(ENDED);
  });

  test('a record cached elsewhere that still says it supersedes does no harm', async () => {
    const { old, successor } = await rotated();
    const elsewhere = await another();
    // What KV held before the first use.
    const { keys } = await env.CACHE.list();
    const stale = await Promise.all(
      keys.map(async ({ name }) => [name, (await env.CACHE.get(name)) ?? ''] as const),
    );
    await service.verify(successor.secret);
    await service.settle();
    const before = await tables();
    await Promise.all(stale.map(([name, value]) => env.CACHE.put(name, value)));
    expect(await elsewhere.verify(successor.secret)).toMatchObject({ valid: true, source: 'kv' });
    await elsewhere.settle();
    expect(await tables()).toEqual(before);
    expect(await get(old.key.id)).toMatchObject(ENDED);
  });

  test('a use after the old key was revoked by somebody leaves their word', async () => {
    const { old, successor } = await rotated();
    const { body } = await revoke(old.key.id, { reason: 'leaked' });
    await service.verify(successor.secret);
    await service.settle();
    expect(await get(old.key.id)).toEqual(body.key);
  });

  test('a use after the old key was deleted leaves it as it is', async () => {
    const { old, successor } = await rotated();
    await service.call('DELETE', `/v1/api-keys/${old.key.id}`);
    await service.verify(successor.secret);
    await service.settle();
    expect(await actionsOf(old.key.id)).toEqual(['api_key.created', 'api_key.rotated', 'api_key.deleted']);
  });

  test('the grace deadline ends the old key in any case', async () => {
    const { old, successor } = await rotated({ gracePeriod: '1h' });
    await service.advance(HOUR_MS);
    expect(await verdictOf(old.secret)).toBe('EXPIRED');
    await service.verify(successor.secret);
    await service.settle();
    expect(await get(old.key.id), 'and stays what ended it').toMatchObject({
      status: 'expired',
      revokedAt: null,
    });
  });

  test('goes on when the organization was changed since the record was cached', async () => {
    const { old, successor } = await rotated();
    await env.DB.prepare("UPDATE organizations SET revision = revision + 1 WHERE slug = 'default'").run();
    await service.verify(successor.secret);
    await service.settle();
    expect(await get(old.key.id)).toMatchObject(ENDED);
  });
});

/** All that a use does not change by itself. */
async function tables(): Promise<Record<string, string>> {
  const { key_usage: _, ...rest } = await dumpTables();
  return rest;
}

describe('what happens together happens or does not', () => {
  const BROKEN = 'INSERT INTO assertions (caller_live) VALUES (json(?))';

  /** Runs an attempt once for each statement of its batch, with that one failing. */
  async function failingEach(attempt: () => Promise<() => Promise<unknown>>): Promise<number> {
    let statements = 1;
    for (let failing = 0; failing < statements; failing++) {
      const act = await attempt();
      await service.settle();
      const before = await tables();
      service.d1Hooks.rewrite = (batch, db) => {
        statements = batch.length;
        return batch.with(failing, db.prepare(BROKEN).bind('{'));
      };
      await act();
      await service.settle();
      delete service.d1Hooks.rewrite;
      expect(await tables(), `statement ${failing}`).toEqual(before);
    }
    return statements;
  }

  test('a rotation, whichever of its statements fails', async () => {
    const statements = await failingEach(async () => {
      const { key } = await service.key();
      return async () => expect(await call(key.id, { untilFirstUse: true })).toMatchObject({ status: 500 });
    });
    expect(statements).toBeGreaterThanOrEqual(7);
  });

  test('the end of the old key by the first use, whichever of its statements fails', async () => {
    const statements = await failingEach(async () => {
      const { key } = await service.key();
      const { secret } = await rotate(key.id, { untilFirstUse: true });
      return async () => expect(await service.verify(secret)).toMatchObject({ valid: true });
    });
    expect(statements).toBeGreaterThanOrEqual(8);
  });

  test('a rotation whose answer from D1 is lost is made once, and its secret works', async () => {
    const old = await service.key();
    let lost = 0;
    service.d1Hooks.after = (sql) => {
      if (sql.length > 1 && lost++ === 0) throw new Error('D1_ERROR: Network connection lost.');
    };
    const { key, secret } = await rotate(old.key.id);
    delete service.d1Hooks.after;
    expect(lost).toBeGreaterThan(0);
    expect(await actionsOf(old.key.id)).toEqual(['api_key.created', 'api_key.rotated']);
    expect(await actionsOf(key.id)).toEqual(['api_key.created']);
    expect(await verdictOf(secret)).toBe('VALID');
  });

  test('a rotation of which no answer ever comes is told as of unknown outcome', async () => {
    const { key } = await service.key();
    service.d1Hooks.after = (sql) => {
      if (sql.length > 1) throw new Error('D1_ERROR: Network connection lost.');
    };
    expect(await call(key.id)).toMatchObject({ status: 503, body: { code: 'outcome_unknown' } });
    delete service.d1Hooks.after;
    expect(await actionsOf(key.id)).toEqual(['api_key.created', 'api_key.rotated']);
  });

  test('a caller who ends before the batch rotates nothing', async () => {
    const admin = await service.key({}, { role: 'admin' });
    const { key } = await service.key();
    service.d1Hooks.beforeBatch = async () => {
      delete service.d1Hooks.beforeBatch;
      await new TestService().call('POST', `/v1/api-keys/${admin.key.id}/revoke`);
    };
    expect(await call(key.id, {}, { credential: admin.secret })).toMatchObject({ status: 401 });
    expect((await get(key.id)).rotatedTo).toBe(null);
  });
});

describe('revoking a lineage', () => {
  /** A key and its successors, oldest first, all of them good at once. */
  async function lineage(length: number): Promise<{ id: string; secret: string }[]> {
    const first = await service.key();
    const keys = [{ id: first.key.id, secret: first.secret }];
    while (keys.length < length) {
      const { key, secret } = await rotate(keys.at(-1)?.id ?? '', { gracePeriod: '30d' });
      keys.push({ id: key.id, secret });
    }
    return keys;
  }

  test.for([0, 1, 2])('ends predecessors and successors with the key: the one at %i', async (index) => {
    const keys = await lineage(3);
    const { id = '' } = keys[index] ?? {};
    const answer = await revoke(id, { reason: 'leaked', lineage: true });
    expect(answer).toMatchObject({ status: 200, body: { key: { id, status: 'revoked' } } });
    expect(answer.headers.get('Mintmark-Effective-By')).toBe(answer.body.effectiveBy);
    for (const { id: each, secret } of keys) {
      expect(await get(each)).toMatchObject({
        status: 'revoked',
        revokedBy: 'root',
        revocationReason: 'leaked',
        revokedAt: at(service.now()),
      });
      expect((await service.verify(secret)).code).toBe('REVOKED');
      expect((await actionsOf(each)).filter((action) => action === 'api_key.revoked')).toHaveLength(1);
    }
  });

  test('without `lineage` ends the key alone', async () => {
    const [first, second, third] = await lineage(3);
    await revoke(second?.id ?? '', { lineage: false });
    expect([await get(first?.id ?? ''), await get(third?.id ?? '')]).toMatchObject([
      { status: 'active' },
      { status: 'active' },
    ]);
  });

  test('again changes nothing, and tells the first', async () => {
    const [first] = await lineage(3);
    const { body } = await revoke(first?.id ?? '', { reason: 'leaked', lineage: true });
    await service.advance(1_000);
    await service.settle();
    const before = await tables();
    const again = await revoke(first?.id ?? '', { reason: 'again', lineage: true });
    expect(again).toMatchObject({ status: 200, body: { key: body.key } });
    expect(Date.parse(again.body.effectiveBy)).toBeGreaterThanOrEqual(Date.parse(body.effectiveBy));
    expect(await tables()).toEqual(before);
  });

  test('of a key that is revoked ends the others', async () => {
    const [first, second] = await lineage(2);
    await revoke(second?.id ?? '');
    await revoke(second?.id ?? '', { lineage: true });
    expect((await get(first?.id ?? '')).status).toBe('revoked');
  });

  test('leaves what has ended, and what is deleted, as it is', async () => {
    const keys = await lineage(4);
    const [deleted, revoked, expired, last] = keys.map(({ id }) => id);
    await service.call('DELETE', `/v1/api-keys/${deleted}`);
    await revoke(revoked ?? '', { reason: 'first' });
    await patch(expired ?? '', { expiresAt: inMs(1_000) });
    await service.advance(1_000);
    const actions = () => Promise.all([deleted, revoked, expired].map((id) => actionsOf(id ?? '')));
    const before = await actions();
    await revoke(last ?? '', { reason: 'last', lineage: true });
    expect(await actions()).toEqual(before);
    expect((await get(revoked ?? '')).revocationReason).toBe('first');
    expect((await get(expired ?? '')).status).toBe('expired');
    expect((await get(last ?? '')).revocationReason).toBe('last');
  });

  test('reaches past a deleted key', async () => {
    const [first, second, third] = await lineage(3);
    await service.call('DELETE', `/v1/api-keys/${second?.id}`);
    await revoke(third?.id ?? '', { lineage: true });
    expect((await get(first?.id ?? '')).status).toBe('revoked');
  });

  test('that is longer than one batch ends it whole', async () => {
    const keys = await lineage(10);
    const io = await service.ioOf(() => revoke(keys[4]?.id ?? '', { lineage: true }));
    for (const { sql } of io.d1) expect(sql.length).toBeLessThanOrEqual(50);
    const codes = await Promise.all(keys.map(({ secret }) => verdictOf(secret)));
    expect(codes).toEqual(keys.map(() => 'REVOKED'));
    for (const { id } of keys) {
      expect((await actionsOf(id)).filter((action) => action === 'api_key.revoked')).toHaveLength(1);
    }
  });

  test('touches no other key, of the same account or of another organization', async () => {
    const keys = await lineage(2);
    const { serviceAccountId } = await get(keys[0]?.id ?? '');
    const sibling = await service.key({ serviceAccountId });
    const { id: organization } = await service.organization();
    const foreign = await service.call('POST', '/v1/api-keys', {
      headers: { 'Mintmark-Organization': organization },
      body: { name: 'a key', userId: 'ada', scopes: [] },
    });
    // As if a defect had tied them.
    await env.DB.prepare('UPDATE api_keys SET rotated_to = ? WHERE id = ?')
      .bind(foreign.body.key.id, keys[1]?.id)
      .run();
    await revoke(keys[0]?.id ?? '', { lineage: true });
    expect((await get(keys[1]?.id ?? '')).status).toBe('revoked');
    expect((await get(sibling.key.id)).status).toBe('active');
    expect(await actionsOf(foreign.body.key.id)).toEqual(['api_key.created']);
  });

  test.for([3, 10])('by one of its own keys ends it whole, of %i', async (length) => {
    const account = await service.account({ role: 'admin' });
    const first = await service.key({ serviceAccountId: account.id });
    const keys = [{ id: first.key.id, secret: first.secret }];
    while (keys.length < length) {
      const { key, secret } = await rotate(keys.at(-1)?.id ?? '', { gracePeriod: '30d' });
      keys.push({ id: key.id, secret });
    }
    const { id = '', secret: credential = '' } = keys[1] ?? {};
    const answer = await service.call('POST', `/v1/api-keys/${id}/revoke`, {
      credential,
      body: { lineage: true },
    });
    const codes = await Promise.all(keys.map(({ secret }) => verdictOf(secret)));
    expect(codes).toEqual(keys.map(() => 'REVOKED'));
    expect(answer.status, answer.text).toBe(200);
  });

  test.for([0, 1, 2, 3, 4, 5, 6, 7])(
    'is done whole or told as not done, whichever of the statements fails: %i',
    async (failing) => {
      const keys = await lineage(3);
      const statuses = () => Promise.all(keys.map(async ({ id }) => (await get(id)).status));
      service.d1Hooks.rewrite = (batch, db) =>
        batch.with(
          failing % batch.length,
          db.prepare('INSERT INTO assertions (caller_live) VALUES (json(?))').bind('{'),
        );
      const answer = await revoke(keys[1]?.id ?? '', { lineage: true });
      delete service.d1Hooks.rewrite;
      expect(answer.status).toBe(500);
      expect(await statuses()).toEqual(['active', 'active', 'active']);
      expect((await revoke(keys[1]?.id ?? '', { lineage: true })).status).toBe(200);
      expect(await statuses()).toEqual(['revoked', 'revoked', 'revoked']);
    },
  );
});
