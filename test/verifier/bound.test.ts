import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';

import { align, BOUND_MS, edgeAndOffice, INTERVAL_MS, refuseKvWrites, USABLE_MS } from '../support/edge.ts';
import { TestService, type Answer } from '../support/service.ts';

/** `edge` verifies; `office` is another isolate, whose changes only D1 and KV can tell it of. */
let edge: TestService;
let office: TestService;

beforeEach(async () => {
  ({ edge, office } = await edgeAndOffice());
});

type Minted = Awaited<ReturnType<TestService['key']>>;

/** What a key was allowed, as a verification asks for it. */
interface Use {
  readonly secret: string;
  readonly scopes: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
}

/** Something that allows a use, and the call that takes it away. */
interface Weakening {
  readonly prepare: (
    service: TestService,
  ) => Promise<{ use: Use; change: (by: TestService) => Promise<Answer> }>;
  /** What is answered to the use from then on. */
  readonly code: string;
}

const use = ({ secret }: Pick<Minted, 'secret'>, scopes: readonly string[] = []): Use => ({
  secret,
  scopes,
  headers: {},
});

const ofKey = (
  code: string,
  change: (by: TestService, path: string) => Promise<Answer>,
  fields: Record<string, unknown> = {},
): Weakening => ({
  code,
  prepare: async (service) => {
    const minted = await service.key(fields, { permissions: ['files:*'] });
    return {
      use: use(minted, ['files:write']),
      change: (by) => change(by, `/v1/api-keys/${minted.key.id}`),
    };
  },
});

const ofAccount = (code: string, change: (by: TestService, path: string) => Promise<Answer>): Weakening => ({
  code,
  prepare: async (service) => {
    const minted = await service.key({}, { permissions: ['files:read'], role: 'member' });
    return {
      use: use(minted, ['files:read', 'mintmark:keys:read']),
      change: (by) => change(by, `/v1/service-accounts/${minted.key.serviceAccountId}`),
    };
  },
});

const ofOrganization = (
  code: string,
  change: (by: TestService, path: string) => Promise<Answer>,
): Weakening => ({
  code,
  prepare: async (service) => {
    const { id } = await service.organization({ personalKeyPermissions: ['files:read', 'files:write'] });
    const headers = { 'Mintmark-Organization': id };
    const minted = await service.call('POST', '/v1/api-keys', {
      headers,
      body: { name: 'personal', userId: 'ada', scopes: ['files:write'] },
    });
    return {
      use: { secret: minted.body.secret, scopes: ['files:write'], headers },
      change: (by) => change(by, `/v1/organizations/${id}`),
    };
  },
});

const patch = (body: object) => (by: TestService, path: string) => by.call('PATCH', path, { body });
const post = (verb: string, body?: object) => (by: TestService, path: string) =>
  by.call('POST', `${path}/${verb}`, { body });
const remove = (by: TestService, path: string) => by.call('DELETE', path);

/** Every call over HTTP that takes something away. */
const WEAKENINGS: Readonly<Record<string, Weakening>> = {
  'revoking a key': ofKey('REVOKED', post('revoke')),
  'revoking a key with its lineage': ofKey('REVOKED', post('revoke', { lineage: true })),
  'deleting a key': ofKey('REVOKED', remove),
  'rotating a key without grace': ofKey('EXPIRED', post('rotate', { gracePeriod: '0s' })),
  'disabling a key': ofKey('DISABLED', patch({ enabled: false })),
  'narrowing a key': ofKey('INSUFFICIENT_SCOPE', patch({ scopes: ['files:read'] })),
  'giving a key a list in place of its account’s': ofKey('INSUFFICIENT_SCOPE', patch({ scopes: [] })),
  'narrowing a key’s own list': ofKey('INSUFFICIENT_SCOPE', patch({ scopes: [] }), { scopes: ['files:*'] }),
  'shortening a key': {
    code: 'EXPIRED',
    prepare: async (service) => {
      const minted = await service.key();
      const body = { expiresAt: new Date(service.now() + 1_000).toISOString() };
      return {
        use: use(minted),
        change: (by) => by.call('PATCH', `/v1/api-keys/${minted.key.id}`, { body }),
      };
    },
  },
  'disabling an account': ofAccount('ACCOUNT_DISABLED', post('disable')),
  'deleting an account': ofAccount('REVOKED', remove),
  'narrowing an account': ofAccount('INSUFFICIENT_SCOPE', patch({ permissions: [] })),
  'taking an account’s role': ofAccount('INSUFFICIENT_SCOPE', patch({ role: null })),
  'narrowing what an organization’s people may hold': ofOrganization(
    'INSUFFICIENT_SCOPE',
    patch({ personalKeyPermissions: ['files:read'] }),
  ),
  // Its keys can no longer be told from ones that never were.
  'deleting an organization': ofOrganization('NOT_FOUND', remove),
};

const ask = async (service: TestService, { secret, scopes, headers }: Use, fields: object = {}) => {
  const { status, body } = await service.call('POST', '/v1/api-keys/verify', {
    headers,
    body: { key: secret, scopes, ...fields },
  });
  // An organization that was asked for by name and is gone has no keys.
  return status === 404 ? { valid: false, code: 'NOT_FOUND', source: 'd1', ageSeconds: 0 } : body;
};

describe.each(Object.entries(WEAKENINGS))('%s', (_, { prepare, code }) => {
  let granted: Use;
  let change: (by: TestService) => Promise<Answer>;

  beforeEach(async () => {
    ({ use: granted, change } = await prepare(office));
    await office.settle();
    // Organizations are named by their ids, which the edge looks up but once.
    expect(await ask(edge, granted)).toMatchObject({ valid: true });
    await edge.upkeep();
    expect(await ask(edge, granted)).toMatchObject({ valid: true, source: 'memory' });
  });

  test('is answered with the time from which no edge accepts what was taken: two minutes from now', async () => {
    office.skip(500);
    const answer = await change(office);
    expect(answer.status).toBeLessThan(300);
    const effectiveBy = answer.headers.get('Mintmark-Effective-By');
    expect(effectiveBy).toBe(new Date(office.now() + BOUND_MS).toISOString());
    if (answer.body !== undefined && 'effectiveBy' in answer.body) {
      expect(answer.body.effectiveBy).toBe(effectiveBy);
    }
  });

  test('counts from the commit, however long that took', async () => {
    office.d1Hooks.beforeBatch = async () => office.skip(7_000);
    const answer = await change(office);
    const effectiveBy = Date.parse(answer.headers.get('Mintmark-Effective-By') ?? '');
    expect(effectiveBy).toBeGreaterThanOrEqual(office.now() + BOUND_MS);
  });

  test('is in force at once where it was made, even if KV never hears of it', async () => {
    refuseKvWrites(office);
    expect(await ask(office, granted)).toMatchObject({ valid: true });
    await change(office);
    office.skip(1_000);
    expect(await ask(office, granted)).toMatchObject({ valid: false, code });
  });

  test('is in force within the interval on an isolate that serves, even if KV never hears of it', async () => {
    refuseKvWrites(office);
    await change(office);
    expect(await ask(edge, granted), 'what it cannot know yet').toMatchObject({ source: 'memory' });
    await edge.advance(INTERVAL_MS);
    await ask(edge, granted);
    await edge.settle();
    expect(await ask(edge, granted)).toMatchObject({ valid: false, code });
  });

  test('is in force ten seconds before that time on an isolate that idles, even if KV never hears of it', async () => {
    refuseKvWrites(office);
    const answer = await change(office);
    const effectiveBy = Date.parse(answer.headers.get('Mintmark-Effective-By') ?? '');
    edge.skip(effectiveBy - 10_000 + 1 - edge.now());
    expect(await ask(edge, granted)).toMatchObject({ valid: false, code, ageSeconds: 0 });
  });

  test('is in force at once wherever KV has told of it', async () => {
    await change(office);
    await office.settle();
    const cold = new TestService();
    cold.skip(1_000);
    expect(await ask(cold, granted)).toMatchObject({ valid: false, code });
  });

  test('is in force at once for whom asks D1 itself', async () => {
    refuseKvWrites(office);
    await change(office);
    edge.skip(1_000);
    expect(await ask(edge, granted, { maxStaleness: 0 })).toMatchObject({ valid: false, code, source: 'd1' });
    // And what D1 said once is not unsaid by memory.
    expect(await ask(edge, granted)).toMatchObject({ valid: false, code });
  });

  test('repeated tells a time again, or that there is nothing left to change', async () => {
    office.skip(100);
    await change(office);
    office.skip(500);
    const again = await change(office);
    if (again.status < 300) {
      expect(again.headers.get('Mintmark-Effective-By')).toBe(
        new Date(office.now() + BOUND_MS).toISOString(),
      );
    } else {
      expect([404, 409]).toContain(again.status);
    }
  });
});

describe('the first use of a successor', () => {
  test('ends the old key within the bound from then, on isolates that idle as well', async () => {
    const { key, secret } = await office.key();
    const rotated = await office.call('POST', `/v1/api-keys/${key.id}/rotate`, {
      body: { untilFirstUse: true },
    });
    await office.settle();
    await edge.upkeep();
    expect(await edge.verify(secret)).toMatchObject({ valid: true });
    refuseKvWrites(office);
    const usedAt = office.now();
    expect(await office.verify(rotated.body.secret)).toMatchObject({ valid: true });
    await office.settle();
    edge.skip(usedAt + USABLE_MS + 1 - edge.now());
    expect(await edge.verify(secret)).toMatchObject({ code: 'REVOKED' });
  });
});

/** Changes that take nothing away: they tell no time, and reach everywhere as soon. */
const STRENGTHENINGS: Readonly<Record<string, Weakening>> = {
  'enabling a key': {
    code: 'DISABLED',
    prepare: async (service) => {
      const minted = await service.key();
      const path = `/v1/api-keys/${minted.key.id}`;
      await service.call('PATCH', path, { body: { enabled: false } });
      return { use: use(minted), change: (by) => patch({ enabled: true })(by, path) };
    },
  },
  'widening a key': {
    code: 'INSUFFICIENT_SCOPE',
    prepare: async (service) => {
      const minted = await service.key({ scopes: [] }, { permissions: ['files:read'] });
      return {
        use: use(minted, ['files:read']),
        change: (by) => patch({ scopes: null })(by, `/v1/api-keys/${minted.key.id}`),
      };
    },
  },
  'enabling an account': {
    code: 'ACCOUNT_DISABLED',
    prepare: async (service) => {
      const minted = await service.key();
      const path = `/v1/service-accounts/${minted.key.serviceAccountId}`;
      await service.call('POST', `${path}/disable`);
      return { use: use(minted), change: (by) => post('enable')(by, path) };
    },
  },
  'widening an account': {
    code: 'INSUFFICIENT_SCOPE',
    prepare: async (service) => {
      const minted = await service.key();
      return {
        use: use(minted, ['files:read']),
        change: (by) =>
          patch({ permissions: ['files:read'] })(by, `/v1/service-accounts/${minted.key.serviceAccountId}`),
      };
    },
  },
};

describe.each(Object.entries(STRENGTHENINGS))('%s', (_, { prepare, code }) => {
  test('takes nothing away, so tells no time, and is in force everywhere within the bound', async () => {
    const { use: granted, change } = await prepare(office);
    await office.settle();
    await edge.upkeep();
    expect(await ask(edge, granted)).toMatchObject({ code });
    refuseKvWrites(office);
    const answer = await change(office);
    expect(answer.status).toBe(200);
    expect(answer.headers.has('Mintmark-Effective-By')).toBe(false);
    expect(await ask(office, granted)).toMatchObject({ valid: true });
    edge.skip(USABLE_MS + 1);
    expect(await ask(edge, granted)).toMatchObject({ valid: true });
  });
});

describe('a change that takes nothing away tells no time', () => {
  test.each([
    ['naming a key', (minted: Minted) => `/v1/api-keys/${minted.key.id}`, { name: 'another' }],
    [
      'describing an account',
      (minted: Minted) => `/v1/service-accounts/${minted.key.serviceAccountId}`,
      { description: 'another' },
    ],
  ])('%s', async (_, path, body) => {
    const answer = await office.call('PATCH', path(await office.key()), { body });
    expect(answer.status).toBe(200);
    expect(answer.headers.has('Mintmark-Effective-By')).toBe(false);
  });

  test('naming an organization', async () => {
    const { id } = await office.organization();
    const answer = await office.call('PATCH', `/v1/organizations/${id}`, { body: { name: 'another' } });
    expect(answer.headers.has('Mintmark-Effective-By')).toBe(false);
  });

  test('minting a key, which every isolate accepts at once', async () => {
    await edge.upkeep();
    const { secret } = await office.key();
    expect(await edge.verify(secret)).toMatchObject({ valid: true });
  });
});

describe('the bound', () => {
  test.each([
    ['0', 10_000],
    ['5', 10_000],
    ['10', 10_000],
    ['30', 30_000],
    ['3600', 3_600_000],
  ])('is what the deployment sets: MAX_STALENESS_SECONDS %s', async (seconds, boundMs) => {
    office = new TestService({ MAX_STALENESS_SECONDS: seconds });
    edge = new TestService({ MAX_STALENESS_SECONDS: seconds });
    align(edge, office);
    const { key, secret } = await office.key();
    await office.settle();
    await edge.upkeep();
    expect(await edge.verify(secret)).toMatchObject({ valid: true });
    refuseKvWrites(office);
    const { body } = await office.call('POST', `/v1/api-keys/${key.id}/revoke`);
    expect(Date.parse(body.effectiveBy) - office.now()).toBe(boundMs);
    edge.skip(Math.max(0, boundMs - 10_000) + 1);
    expect(await edge.verify(secret)).toMatchObject({ code: 'REVOKED' });
  });

  test('is left by a verdict that is on its way the ten seconds that are kept for it', async () => {
    const { key, secret } = await office.key();
    await office.settle();
    await edge.upkeep();
    await edge.verify(secret);
    refuseKvWrites(office);
    await office.call('POST', `/v1/api-keys/${key.id}/revoke`);
    edge.skip(USABLE_MS);
    // Still by what it knows, which is as old as it may be.
    expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'memory', ageSeconds: 110 });
    expect(BOUND_MS - USABLE_MS).toBe(10_000);
  });

  test('is a deployment’s setting, out of its range refused outright', () => {
    for (const seconds of ['-1', '3601', '1.5', 'two minutes', '']) {
      expect(() => new TestService({ MAX_STALENESS_SECONDS: seconds }), seconds).toThrow(
        'MAX_STALENESS_SECONDS',
      );
    }
  });
});

describe('a revoked caller', () => {
  test('can manage nothing at once, though memory and KV say that it lives', async () => {
    const admin = await office.key({}, { role: 'admin' });
    await office.settle();
    await edge.upkeep();
    const whoami = () => edge.call('GET', '/v1/whoami', { credential: admin.secret });
    expect(await whoami()).toMatchObject({ status: 200 });
    refuseKvWrites(office);
    await office.call('POST', `/v1/api-keys/${admin.key.id}/revoke`);
    expect(await whoami()).toMatchObject({ status: 200 });
    expect(await edge.call('GET', '/v1/api-keys', { credential: admin.secret })).toMatchObject({
      status: 401,
    });
    edge.skip(USABLE_MS + 1);
    expect(await whoami()).toMatchObject({ status: 401 });
  });
});

describe('what a verdict says of itself', () => {
  test('is where it came from, and how old what it rests on is', async () => {
    const { secret } = await office.key();
    await office.settle();
    await office.upkeep();
    edge.skip(40_500);
    expect(await edge.verify(secret)).toMatchObject({ source: 'kv', ageSeconds: 40 });
    // Knowledge of 40 s is due to be renewed, which happens in the background.
    expect(await edge.verify(secret)).toMatchObject({ source: 'memory', ageSeconds: 40 });
    await edge.settle();
    expect(await edge.verify(secret)).toMatchObject({ source: 'memory', ageSeconds: 0 });
    expect(await edge.verify(secret, { maxStaleness: 0 })).toMatchObject({ source: 'd1', ageSeconds: 0 });
    expect(await edge.verify('nonsense')).toMatchObject({ source: 'none', ageSeconds: 0 });
  });

  test('is the age of the younger of the record and of what is known of changes', async () => {
    await edge.upkeep();
    edge.d1Hooks.before = ([sql = '']) => {
      if (sql.includes('FROM generation g')) throw new Error('D1_ERROR: overloaded');
    };
    edge.skip(60_000);
    office.skip(60_000);
    const { secret } = await office.key();
    await office.settle();
    expect(await edge.verify(secret)).toMatchObject({ source: 'kv', ageSeconds: 0 });
    edge.skip(20_000);
    expect(await edge.verify(secret)).toMatchObject({ source: 'memory', ageSeconds: 20 });
  });

  test('counts the time that D1 took', async () => {
    const { secret } = await office.key();
    edge.d1Hooks.beforeBatch = async () => edge.skip(3_000);
    expect(await edge.verify(secret)).toMatchObject({ source: 'd1', ageSeconds: 3 });
  });

  test('never says an age that maxStaleness forbids', async () => {
    const { secret } = await office.key();
    await office.settle();
    await edge.upkeep();
    for (const maxStaleness of [1, 5, 30, 109]) {
      await edge.advance(5_000);
      const verdict = await edge.verify(secret, { maxStaleness });
      expect(verdict).toMatchObject({ valid: true });
      expect(verdict.ageSeconds).toBeLessThanOrEqual(maxStaleness);
    }
  });

  test('is never that it is degraded while D1 answers', async () => {
    const { secret } = await office.key();
    for (const ms of [0, INTERVAL_MS, USABLE_MS, USABLE_MS + 1, 3_600_000]) {
      edge.skip(ms);
      expect(await edge.verify(secret)).not.toHaveProperty('degraded');
      await edge.settle();
    }
  });
});

describe('maxStaleness', () => {
  test.each([1, 30, 100])(
    '%i s: a change from longer ago is reflected, whatever KV does',
    async (maxStaleness) => {
      const { key, secret } = await office.key();
      await office.settle();
      await edge.upkeep();
      expect(await edge.verify(secret)).toMatchObject({ valid: true });
      refuseKvWrites(office);
      await office.call('POST', `/v1/api-keys/${key.id}/revoke`);
      edge.skip(maxStaleness * 1_000);
      expect(await edge.verify(secret, { maxStaleness })).toMatchObject({
        valid: true,
        ageSeconds: maxStaleness,
      });
      await edge.settle();
      edge.skip(maxStaleness * 1_000 + 1);
      expect(await edge.verify(secret, { maxStaleness })).toMatchObject({ code: 'REVOKED', ageSeconds: 0 });
    },
  );
});

describe('expiry', () => {
  test('is judged by the clock at each verification, not by any cache', async () => {
    const { secret } = await office.key({ expiresIn: '90s' });
    await office.settle();
    await edge.upkeep();
    edge.skip(89_999);
    expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'kv' });
    edge.skip(1);
    expect(await edge.verify(secret)).toMatchObject({ code: 'EXPIRED', source: 'memory' });
  });

  test('while D1 was asked counts as well', async () => {
    const { secret } = await office.key({ expiresIn: '60s' });
    edge.skip(59_000);
    edge.d1Hooks.beforeBatch = async () => edge.skip(1_000);
    expect(await edge.verify(secret)).toMatchObject({ code: 'EXPIRED', source: 'd1' });
  });

  test('of a key with under a minute to live is known to D1 and memory alone', async () => {
    const { secret } = await edge.key({ expiresIn: '59s' });
    await edge.settle();
    expect(edge.io.kv).toEqual([]);
    expect(await office.verify(secret)).toMatchObject({ valid: true, source: 'd1' });
    await office.settle();
    expect(office.io.kv.filter(({ operation }) => operation === 'put')).toEqual([]);
    expect(await office.verify(secret)).toMatchObject({ valid: true, source: 'memory' });
  });

  test('brought forward to under a minute takes the old record out of KV', async () => {
    const { key, secret } = await office.key();
    await office.settle();
    const expiresAt = new Date(office.now() + 30_000).toISOString();
    await office.call('PATCH', `/v1/api-keys/${key.id}`, { body: { expiresAt } });
    await office.settle();
    const { keys } = await env.CACHE.list({ prefix: 'key:' });
    expect(keys).toEqual([]);
    expect(await edge.verify(secret)).toMatchObject({ valid: true, source: 'd1', expiresAt });
  });
});
