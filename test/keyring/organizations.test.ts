import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';

import { organization as resource, type OrganizationResource } from '../../src/contract/organizations.ts';
import { dumpTables, TestService, type Answer } from '../support/service.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const BOUND_MS = 120_000;
const DEFAULT_ORGANIZATION = `org_${'0'.repeat(24)}`;

let service: TestService;

beforeEach(() => {
  service = new TestService();
});

const at = (ms: number): string => new Date(ms).toISOString();
const unique = (): string => `o-${crypto.randomUUID()}`;

async function create(fields: Record<string, unknown> = {}): Promise<OrganizationResource> {
  const answer = await service.call('POST', '/v1/organizations', { body: { name: 'Acme', ...fields } });
  expect(answer.status, answer.text).toBe(201);
  return resource.parse(answer.body);
}

const get = (id: string) => service.call('GET', `/v1/organizations/${id}`);
const patch = (id: string, body: object) => service.call('PATCH', `/v1/organizations/${id}`, { body });
const remove = (id: string, on = service) => on.call('DELETE', `/v1/organizations/${id}`);

/** Calls as root in an organization. */
function inside(organization: string, on = service) {
  const call = (method: string, path: string, body?: object): Promise<Answer> =>
    on.call(method, path, {
      headers: { 'Mintmark-Organization': organization },
      ...(body === undefined ? {} : { body }),
    });
  const made = async (path: string, body: object) => {
    const answer = await call('POST', path, body);
    if (answer.status !== 201) throw new Error(answer.text);
    return answer.body;
  };
  return {
    call,
    account: (fields: object = {}): Promise<{ id: string }> =>
      made('/v1/service-accounts', { name: unique(), ...fields }),
    mint: (fields: object = {}) =>
      call('POST', '/v1/api-keys', { name: 'a key', userId: 'ada', scopes: [], ...fields }),
    key: (fields: object = {}): Promise<Minted> =>
      made('/v1/api-keys', { name: 'a key', userId: 'ada', scopes: [], ...fields }),
    keyOf: async (account: object): Promise<Minted> => {
      const { id } = await made('/v1/service-accounts', { name: unique(), ...account });
      return made('/v1/api-keys', { name: 'a key', serviceAccountId: id });
    },
    verify: async (key: string, fields: object = {}) =>
      (await call('POST', '/v1/api-keys/verify', { key, ...fields })).body,
  };
}
type Minted = Awaited<ReturnType<TestService['key']>>;

async function tables(): Promise<Record<string, string>> {
  await service.settle();
  const { key_usage: _, ...rest } = await dumpTables();
  return rest;
}

/** An isolate whose clock shows what this one's does. */
async function another(): Promise<TestService> {
  const isolate = new TestService();
  isolate.skip(service.now() - isolate.now());
  return isolate;
}

describe('an organization', () => {
  test('is made with what it is given', async () => {
    const slug = unique();
    const made = await create({
      name: 'Acme Ltd',
      slug,
      keyPrefix: 'acme2',
      personalKeyPermissions: ['files:*', 'mintmark:keys:read'],
      maxLiveKeys: 5,
      maxKeyLifetime: '90d',
    });
    expect(made).toEqual({
      id: expect.stringMatching(/^org_[0-9A-Za-z]{24}$/),
      slug,
      name: 'Acme Ltd',
      keyPrefix: 'acme2',
      personalKeyPermissions: ['files:*', 'mintmark:keys:read'],
      maxLiveKeys: 5,
      maxKeyLifetime: '90d',
      createdAt: at(service.now()),
      createdBy: 'root',
      updatedAt: at(service.now()),
      updatedBy: 'root',
    });
    expect((await get(made.id)).body).toEqual(made);
  });

  test('has no limits and permits people nothing, unless told otherwise', async () => {
    expect(await create()).toMatchObject({
      keyPrefix: 'mk',
      personalKeyPermissions: [],
      maxLiveKeys: null,
      maxKeyLifetime: null,
    });
  });

  test('is changed where it is told, and as it was elsewhere', async () => {
    const made = await create({ maxLiveKeys: 5, maxKeyLifetime: '90d', keyPrefix: 'acme' });
    await service.advance(1_000);
    const renamed = await patch(made.id, { name: 'Renamed', personalKeyPermissions: ['files:*'] });
    expect(renamed.status).toBe(200);
    const after = resource.parse(renamed.body);
    expect(after).toEqual({
      ...made,
      name: 'Renamed',
      personalKeyPermissions: ['files:*'],
      updatedAt: at(service.now()),
    });
    const cleared = await patch(made.id, { maxLiveKeys: null, maxKeyLifetime: null });
    expect(cleared.body).toEqual({ ...after, maxLiveKeys: null, maxKeyLifetime: null });
    expect((await get(made.id)).body).toEqual(cleared.body);
  });

  test('is not written when nothing of it changes', async () => {
    const { id, name, slug } = await create();
    const before = await tables();
    for (const body of [{}, { name }, { slug, maxLiveKeys: null, personalKeyPermissions: [] }]) {
      expect((await patch(id, body)).status).toBe(200);
    }
    expect(await tables()).toEqual(before);
  });

  test('is not there once it is deleted', async () => {
    const { id, slug } = await create();
    const answer = await remove(id);
    expect(answer).toMatchObject({ status: 204, text: '' });
    expect(Date.parse(answer.headers.get('Mintmark-Effective-By') ?? '')).toBe(service.now() + BOUND_MS);
    const before = await tables();
    for (const gone of [await get(id), await patch(id, { name: 'late' }), await remove(id)]) {
      expect(gone).toMatchObject({ status: 404, body: { code: 'not_found' } });
    }
    for (const named of [id, slug]) {
      expect(await inside(named).call('GET', '/v1/service-accounts')).toMatchObject({ status: 404 });
    }
    expect((await service.call('GET', '/v1/organizations?limit=100')).text).not.toContain(id);
    expect(await tables()).toEqual(before);
  });

  test('of the name default always exists', async () => {
    const before = await tables();
    expect(await remove(DEFAULT_ORGANIZATION)).toMatchObject({
      status: 409,
      body: { code: 'default_organization' },
    });
    expect(await tables()).toEqual(before);
    expect((await get(DEFAULT_ORGANIZATION)).body).toMatchObject({ slug: 'default', createdBy: 'system' });
    expect((await patch(DEFAULT_ORGANIZATION, { name: 'Ours' })).body).toMatchObject({ name: 'Ours' });
  });

  test('of the name default keeps that name', async () => {
    const answer = await patch(DEFAULT_ORGANIZATION, { slug: unique() });
    const named = await inside('default').call('GET', '/v1/whoami');
    await patch(DEFAULT_ORGANIZATION, { slug: 'default' });
    expect(named).toMatchObject({ status: 200, body: { organizationId: DEFAULT_ORGANIZATION } });
    expect(answer).toMatchObject({ status: 409, body: { code: 'default_organization' } });
  });

  test('says from when on a change is in force exactly where it takes something away', async () => {
    const { id } = await create({ personalKeyPermissions: ['files:*', 'notes:read'] });
    const weakens = async (body: object) => (await patch(id, body)).headers.has('Mintmark-Effective-By');
    expect(await weakens({ name: 'Renamed' })).toBe(false);
    expect(await weakens({ personalKeyPermissions: ['files:*', 'notes:*'] })).toBe(false);
    expect(await weakens({ personalKeyPermissions: ['files:read', 'notes:*'] })).toBe(true);
    expect(await weakens({ maxLiveKeys: 1 })).toBe(false);
    expect(await weakens({ personalKeyPermissions: [] })).toBe(true);
  });
});

describe('the list of organizations', () => {
  test('is whole in pages, newest first, each once, whatever is made between', async () => {
    const made: string[] = [];
    for (let index = 0; index < 5; index++) made.unshift((await create()).id);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const { status, body } = await service.call('GET', `/v1/organizations?limit=2${query}`);
      expect(status).toBe(200);
      expect(body.data.length).toBeLessThanOrEqual(2);
      seen.push(...body.data.map((each: unknown) => resource.parse(each).id));
      cursor = body.nextCursor;
      await create();
    } while (cursor !== null);
    expect(seen.slice(0, 5)).toEqual(made);
    expect(seen.at(-1)).toBe(DEFAULT_ORGANIZATION);
    expect(new Set(seen).size).toBe(seen.length);
  });
});

describe('a slug', () => {
  test.for([
    ['Acme Ltd', /^acme-ltd-[0-9a-z]{1,6}$/],
    ['  Übergröße & Söhne!  ', /^ubergro-e-sohne-[0-9a-z]{1,6}$/],
    ['日本語', /^[0-9a-z]{1,6}$/],
    ['---', /^[0-9a-z]{1,6}$/],
    ['x'.repeat(256), /^x{50,56}-[0-9a-z]{1,6}$/],
    ['default', /^default-[0-9a-z]{1,6}$/],
  ] as const)('is made from the name where none is given: %s', async ([name, expected]) => {
    const { slug } = await create({ name });
    expect(slug).toMatch(expected);
    expect(slug).toMatch(/^[a-z0-9-]{1,63}$/);
  });

  test('made from one name differs for each', async () => {
    const made = await Promise.all(Array.from({ length: 20 }, () => create({ name: 'The same' })));
    expect(new Set(made.map(({ slug }) => slug)).size).toBe(20);
  });

  test('that is taken is a conflict, which names the field and changes nothing', async () => {
    const { slug } = await create({ slug: unique() });
    const { id } = await create();
    const before = await tables();
    for (const answer of [
      await service.call('POST', '/v1/organizations', { body: { name: 'Other', slug } }),
      await patch(id, { slug }),
      await patch(id, { slug: 'default' }),
    ]) {
      expect(answer).toMatchObject({
        status: 409,
        body: { code: 'slug_taken', errors: [{ path: 'slug' }] },
      });
    }
    expect(await tables()).toEqual(before);
  });

  test('that twenty want at once is one’s', async () => {
    const slug = unique();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () =>
        new TestService().call('POST', '/v1/organizations', { body: { name: 'Wanted', slug } }),
      ),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ body }) => body.code === 'slug_taken')).toHaveLength(19);
  });

  test('is free again when its organization is renamed or deleted', async () => {
    const slug = unique();
    const first = await create({ slug });
    expect((await patch(first.id, { slug: unique() })).status).toBe(200);
    const second = await create({ slug });
    expect((await remove(second.id)).status).toBe(204);
    const third = await create({ slug });
    const { body } = await inside(slug).call('GET', '/v1/whoami');
    expect(body.organizationId).toBe(third.id);
  });
});

test('keyPrefix is the brand of the keys that are minted from then on', async () => {
  const { id } = await create({ keyPrefix: 'acme2' });
  const { key, secret } = await inside(id).key();
  expect(secret).toMatch(/^acme2_live_[0-9A-Za-z]{38}$/);
  expect(key).toMatchObject({ start: secret.slice(0, 'acme2_live_'.length + 4) });
  expect(secret.startsWith((key as unknown as { start: string }).start)).toBe(true);
  await patch(id, { keyPrefix: 'zebra' });
  const later = await inside(id).key({ environment: 'test' });
  expect(later.secret).toMatch(/^zebra_test_/);
  for (const each of [secret, later.secret]) {
    expect(await inside(id).verify(each, { maxStaleness: 0 })).toMatchObject({ valid: true });
  }
});

describe('maxLiveKeys', () => {
  test('is exact when fifty mint at once, from fifty isolates', async () => {
    const { id } = await create({ maxLiveKeys: 7 });
    const answers = await Promise.all(Array.from({ length: 50 }, () => inside(id, new TestService()).mint()));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(7);
    const told = answers.filter(({ status, body }) => status === 402 && body.code === 'quota_exceeded');
    expect(told).toHaveLength(43);
    const live = await env.DB.prepare('SELECT count(*) AS n FROM api_keys WHERE organization_id = ?')
      .bind(id)
      .first('n');
    expect(live).toBe(7);
  });

  test('is exact when keys are minted by keys, for accounts and for people at once', async () => {
    const { id } = await create({ maxLiveKeys: 6 });
    const admin = await inside(id).keyOf({ role: 'admin' });
    const account = await inside(id).account();
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        new TestService().call(
          'POST',
          index % 2 === 0 ? `/v1/service-accounts/${account.id}/api-keys` : '/v1/api-keys',
          {
            credential: admin.secret,
            body: index % 2 === 0 ? { name: 'key' } : { name: 'key', userId: 'ada', scopes: [] },
          },
        ),
      ),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(5);
    expect(answers.filter(({ status }) => status === 402)).toHaveLength(25);
  });

  test('that is reached refuses whole: nothing is left behind, and the limit is told', async () => {
    const { id } = await create({ maxLiveKeys: 1 });
    await inside(id).key();
    const before = await tables();
    const answer = await inside(id).mint();
    expect(answer).toMatchObject({ status: 402, body: { code: 'quota_exceeded' } });
    expect(answer.body.detail).toContain('maxLiveKeys is 1');
    expect(await tables()).toEqual(before);
  });

  test('of nought lets nothing be minted', async () => {
    const { id } = await create({ maxLiveKeys: 0 });
    expect((await inside(id).mint()).status).toBe(402);
  });

  const room: Record<string, (org: ReturnType<typeof inside>, made: Minted) => Promise<Answer>> = {
    'is revoked': (org, { key }) => org.call('POST', `/v1/api-keys/${key.id}/revoke`),
    'is deleted': (org, { key }) => org.call('DELETE', `/v1/api-keys/${key.id}`),
    'is of an account that is deleted': (org, { key }) =>
      org.call('DELETE', `/v1/service-accounts/${key.serviceAccountId}`),
  };

  test.for(Object.entries(room))('does not count a key that %s', async ([, end]) => {
    const { id } = await create({ maxLiveKeys: 1 });
    const org = inside(id);
    const made = await org.keyOf({});
    expect((await org.mint()).status).toBe(402);
    expect((await end(org, made)).status).toBeLessThan(300);
    expect((await org.mint()).status).toBe(201);
    expect((await org.mint()).status).toBe(402);
  });

  test('does not count a key that is expired', async () => {
    const { id } = await create({ maxLiveKeys: 1 });
    await inside(id).key({ expiresIn: '1h' });
    await service.advance(HOUR_MS - 1);
    expect((await inside(id).mint()).status).toBe(402);
    await service.advance(1);
    expect((await inside(id).mint()).status).toBe(201);
  });

  test('counts a key that is disabled, and one of a disabled account', async () => {
    const { id } = await create({ maxLiveKeys: 2 });
    const org = inside(id);
    const [disabled, ofDisabled] = [await org.key(), await org.keyOf({})];
    await org.call('PATCH', `/v1/api-keys/${disabled.key.id}`, { enabled: false });
    await org.call('POST', `/v1/service-accounts/${ofDisabled.key.serviceAccountId}/disable`);
    expect((await org.mint()).status).toBe(402);
  });

  test('does not count a rotation’s overlap, nor stands in its way', async () => {
    const { id } = await create({ maxLiveKeys: 2 });
    const org = inside(id);
    const { key } = await org.key();
    const rotated = await org.call('POST', `/v1/api-keys/${key.id}/rotate`, { gracePeriod: '30d' });
    expect(rotated.status).toBe(201);
    expect((await org.mint()).status).toBe(201);
    expect((await org.mint()).status).toBe(402);
    const again = await org.call('POST', `/v1/api-keys/${rotated.body.key.id}/rotate`, {});
    expect(again.status, 'at the limit').toBe(201);
    expect((await org.mint()).status).toBe(402);
  });

  test('cannot be got around by lengthening what was rotated', async () => {
    const { id } = await create({ maxLiveKeys: 1 });
    const org = inside(id);
    const { key, secret } = await org.key();
    const rotated = await org.call('POST', `/v1/api-keys/${key.id}/rotate`, {});
    await org.call('PATCH', `/v1/api-keys/${key.id}`, { expiresAt: null });
    await service.advance(30 * DAY_MS + 1);
    const verdicts = [await org.verify(secret), await org.verify(rotated.body.secret)];
    expect(verdicts.filter(({ valid }) => valid)).toHaveLength(1);
  });

  test('may be lowered below what lives: nothing ends, and nothing is minted until there is room', async () => {
    const { id } = await create({ maxLiveKeys: 3 });
    const org = inside(id);
    const keys = [await org.key(), await org.key(), await org.key()];
    expect((await patch(id, { maxLiveKeys: 1 })).status).toBe(200);
    for (const { secret } of keys) expect(await org.verify(secret)).toMatchObject({ valid: true });
    const statuses: number[] = [];
    for (const { key } of keys) {
      statuses.push((await org.mint()).status);
      await org.call('POST', `/v1/api-keys/${key.id}/revoke`);
    }
    expect(statuses).toEqual([402, 402, 402]);
    expect((await org.mint()).status).toBe(201);
  });

  test('is raised, and lifted', async () => {
    const { id } = await create({ maxLiveKeys: 1 });
    const org = inside(id);
    await org.key();
    await patch(id, { maxLiveKeys: 2 });
    expect([(await org.mint()).status, (await org.mint()).status]).toEqual([201, 402]);
    await patch(id, { maxLiveKeys: null });
    expect([(await org.mint()).status, (await org.mint()).status]).toEqual([201, 201]);
  });

  test('that is lowered while a key is minted is the limit that counts', async () => {
    const { id } = await create({ maxLiveKeys: 2 });
    await inside(id).key();
    service.d1Hooks.beforeBatch = async () => {
      delete service.d1Hooks.beforeBatch;
      await new TestService().call('PATCH', `/v1/organizations/${id}`, { body: { maxLiveKeys: 1 } });
    };
    const answer = await inside(id).mint();
    expect(answer).toMatchObject({ status: 402, body: { code: 'quota_exceeded' } });
    expect(answer.body.detail).toContain('maxLiveKeys is 1');
  });

  test('counts no other organization’s keys', async () => {
    const [one, other] = [await create({ maxLiveKeys: 1 }), await create({ maxLiveKeys: 1 })];
    await inside(one.id).key();
    expect((await inside(other.id).mint()).status).toBe(201);
  });
});

describe('maxKeyLifetime', () => {
  test('makes an expiry within it required, and the refusal names it', async () => {
    const { id } = await create({ maxKeyLifetime: '90d' });
    const refused: [object, string][] = [
      [{}, 'expiresAt'],
      [{ expiresAt: null }, 'expiresAt'],
      [{ expiresIn: '91d' }, 'expiresIn'],
      [{ expiresAt: at(service.now() + 90 * DAY_MS + 1) }, 'expiresAt'],
    ];
    for (const [fields, path] of refused) {
      const answer = await inside(id).mint(fields);
      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
      expect(answer.body.errors).toEqual([{ path, message: expect.stringContaining('maxKeyLifetime') }]);
    }
    expect((await inside(id).mint({ expiresIn: '90d' })).status).toBe(201);
    expect((await inside(id).mint({ expiresAt: at(service.now() + 90 * DAY_MS) })).status).toBe(201);
  });

  test('counts from a key’s minting when its expiry is changed', async () => {
    const { id } = await create({ maxKeyLifetime: '90d' });
    const { key } = await inside(id).key({ expiresIn: '30d' });
    await service.advance(10 * DAY_MS);
    const change = (expiresAt: string | null) =>
      inside(id).call('PATCH', `/v1/api-keys/${key.id}`, { expiresAt });
    expect((await change(null)).status).toBe(400);
    expect((await change(at(service.now() + 80 * DAY_MS + 1))).status).toBe(400);
    expect((await change(at(service.now() + 80 * DAY_MS))).status).toBe(200);
  });

  test('that is set later ends no key, and binds what is minted from then on', async () => {
    const { id } = await create();
    const { secret } = await inside(id).key();
    await patch(id, { maxKeyLifetime: '1d' });
    expect(await inside(id).verify(secret, { maxStaleness: 0 })).toMatchObject({ valid: true });
    expect((await inside(id).mint()).status).toBe(400);
    await patch(id, { maxKeyLifetime: null });
    expect((await inside(id).mint()).status).toBe(201);
  });
});

describe('personalKeyPermissions', () => {
  test('bound what a person’s key may be minted with', async () => {
    const { id } = await create({ personalKeyPermissions: ['files:*'] });
    expect((await inside(id).mint({ scopes: ['files:read'] })).status).toBe(201);
    expect(await inside(id).mint({ scopes: ['files:read', 'notes:read'] })).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'scopes.1' }] },
    });
  });

  test('hold live for the keys that there are: at once here, within the bound elsewhere', async () => {
    const { id } = await create({ personalKeyPermissions: ['files:*', 'notes:read'] });
    const { secret } = await inside(id).key({ scopes: ['files:read', 'notes:read'] });
    const elsewhere = await another();
    const scopesIn = async (on: TestService) => (await inside(id, on).verify(secret)).scopes;
    expect(await scopesIn(elsewhere)).toEqual(['files:read', 'notes:read']);
    await elsewhere.settle();
    await patch(id, { personalKeyPermissions: ['notes:*'] });
    expect(await scopesIn(service)).toEqual(['notes:read']);
    await elsewhere.advance(BOUND_MS);
    expect(await scopesIn(elsewhere)).toEqual(['notes:read']);
    await patch(id, { personalKeyPermissions: ['*'] });
    expect(await scopesIn(service), 'and come back').toEqual(['files:read', 'notes:read']);
  });

  test('of management are a person’s own at once, and no longer at once', async () => {
    const { id } = await create({ personalKeyPermissions: ['mintmark:keys:read'] });
    const { secret } = await inside(id).key({ scopes: ['mintmark:keys:read'] });
    const list = () => service.call('GET', '/v1/api-keys', { credential: secret });
    expect((await list()).status).toBe(200);
    await new TestService().call('PATCH', `/v1/organizations/${id}`, {
      body: { personalKeyPermissions: [] },
    });
    expect(await list()).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
  });
});

describe('deleting an organization', () => {
  /** What each isolate may hold of a key before the deletion, and the isolate that is asked after it. */
  const caches: Record<string, (secret: string, verifier: string) => Promise<TestService>> = {
    'in the isolate that deletes it': async () => service,
    'in an isolate that had it from KV': async (secret, verifier) => {
      const isolate = await another();
      await ask(isolate, secret, verifier);
      return isolate;
    },
    'in an isolate that never saw it, with KV full': async () => another(),
    'in an isolate that never saw it, with KV empty': async () => {
      const { keys } = await env.CACHE.list();
      await Promise.all(keys.map(({ name }) => env.CACHE.delete(name)));
      return another();
    },
  };

  const ask = async (on: TestService, key: string, credential: string) => {
    await on.settle();
    return on.call('POST', '/v1/api-keys/verify', { credential, body: { key } });
  };

  test.for(Object.entries(caches))('ends all its keys within the bound, %s', async ([, prepare]) => {
    const { id } = await create({ personalKeyPermissions: ['files:*'] });
    const org = inside(id);
    const [verifier, personal] = [
      await org.keyOf({ role: 'admin' }),
      await org.key({ scopes: ['files:read'] }),
    ];
    await service.settle();
    const asked = await prepare(personal.secret, verifier.secret);
    expect((await remove(id)).status).toBe(204);
    await service.settle();
    if (asked !== service) await asked.advance(BOUND_MS);
    for (const credential of [verifier.secret, personal.secret]) {
      expect(await asked.call('GET', '/v1/whoami', { credential })).toMatchObject({
        status: 401,
        body: { code: 'invalid_credential' },
      });
    }
    expect((await ask(asked, personal.secret, verifier.secret)).status).toBe(401);
    // By whom may still ask: root, of its own organization.
    expect(await asked.verify(personal.secret)).toMatchObject({ valid: false });
    expect(await asked.verify(personal.secret, { maxStaleness: 0 })).toMatchObject({ valid: false });
  });

  test('ends their management at once, in every isolate', async () => {
    const { id } = await create();
    const admin = await inside(id).keyOf({ role: 'admin' });
    await service.settle();
    const elsewhere = await another();
    await elsewhere.call('GET', '/v1/whoami', { credential: admin.secret });
    await remove(id);
    const before = await tables();
    const calls: [string, string, object?][] = [
      ['GET', '/v1/api-keys'],
      ['GET', '/v1/audit-events'],
      ['POST', '/v1/service-accounts', { name: 'late' }],
      ['POST', `/v1/api-keys/${admin.key.id}/rotate`, {}],
    ];
    for (const [method, path, body] of calls) {
      const answer = await elsewhere.call(method, path, {
        credential: admin.secret,
        ...(body === undefined ? {} : { body }),
      });
      expect(answer).toMatchObject({ status: 401, body: { code: 'invalid_credential' } });
    }
    expect(await tables()).toEqual(before);
  });

  test.for(['root', 'a key'])('while %s mints there, mints nothing after it', async (caller) => {
    const { id } = await create();
    const admin = await inside(id).keyOf({ role: 'admin' });
    service.d1Hooks.beforeBatch = async () => {
      delete service.d1Hooks.beforeBatch;
      await new TestService().call('DELETE', `/v1/organizations/${id}`);
    };
    const answer = await service.call('POST', '/v1/api-keys', {
      ...(caller === 'root' ? { headers: { 'Mintmark-Organization': id } } : { credential: admin.secret }),
      body: { name: 'late', userId: 'ada', scopes: [] },
    });
    expect(answer.status).toBe(caller === 'root' ? 404 : 401);
    const keys = await env.DB.prepare('SELECT id FROM api_keys WHERE organization_id = ?').bind(id).all();
    expect(keys.results).toEqual([{ id: admin.key.id }]);
  });

  test('leaves its audit trail, with the deletion in it', async () => {
    const { id } = await create();
    await inside(id).keyOf({ role: 'admin' });
    const trail = async () =>
      (
        await env.DB.prepare('SELECT * FROM audit_events WHERE organization_id = ? ORDER BY id')
          .bind(id)
          .all()
      ).results;
    const before = await trail();
    expect(before.map(({ action }) => action)).toEqual([
      'organization.created',
      'service_account.created',
      'api_key.created',
    ]);
    await remove(id);
    const after = await trail();
    expect(after.slice(0, -1)).toEqual(before);
    expect(after.at(-1)).toMatchObject({ action: 'organization.deleted', target_id: id, actor_id: 'root' });
  });

  test('ends no other’s keys', async () => {
    const { id } = await create();
    await inside(id).key();
    const { secret } = await service.key();
    await remove(id);
    expect(await service.verify(secret, { maxStaleness: 0 })).toMatchObject({ valid: true });
  });

  test('ends the successor of a rotation that waited for its first use, and ends nothing else by it', async () => {
    const { id } = await create();
    const org = inside(id);
    const { key } = await org.key();
    const { body } = await org.call('POST', `/v1/api-keys/${key.id}/rotate`, { untilFirstUse: true });
    await service.settle();
    const elsewhere = await another();
    await remove(id);
    await service.settle();
    const before = await tables();
    await elsewhere.call('GET', '/v1/whoami', { credential: body.secret });
    await elsewhere.settle();
    expect(await tables()).toEqual(before);
  });
});

describe('Mintmark-Organization', () => {
  test.for(['id', 'slug'] as const)(
    'by %s says in which organization root acts, on every kind of call',
    async (by) => {
      const made = await create();
      const org = inside(made[by]);
      const account = await org.account({ role: 'admin' });
      const { key, secret } = await org.key();
      const path = `/v1/service-accounts/${account.id}`;
      const minted = await org.call('POST', `${path}/api-keys`, { name: 'a key' });
      expect(minted.body.key.organizationId).toBe(made.id);
      const rotated = await org.call('POST', `/v1/api-keys/${key.id}/rotate`, {});
      const calls: [string, string, object?][] = [
        ['GET', path],
        ['PATCH', path, { description: 'x' }],
        ['POST', `${path}/disable`],
        ['POST', `${path}/enable`],
        ['GET', `/v1/api-keys/${key.id}`],
        ['PATCH', `/v1/api-keys/${key.id}`, { name: 'renamed' }],
      ];
      for (const [method, each, body] of calls) {
        const answer = await org.call(method, each, body);
        expect(answer, `${method} ${each}`).toMatchObject({
          status: 200,
          body: { organizationId: made.id },
        });
      }
      expect(rotated.body.key.organizationId).toBe(made.id);
      expect(await org.verify(secret)).toMatchObject({ valid: true, organizationId: made.id });
      expect((await org.call('GET', '/v1/whoami')).body).toMatchObject({
        type: 'root',
        organizationId: made.id,
      });
      const listed = async (list: string) =>
        (await org.call('GET', list)).body.data.map((row: { organizationId: string }) => row.organizationId);
      for (const list of ['/v1/service-accounts', '/v1/api-keys', `${path}/api-keys`, '/v1/audit-events']) {
        const organizations: string[] = await listed(list);
        expect(organizations.length, list).toBeGreaterThan(0);
        expect(new Set(organizations), list).toEqual(new Set([made.id]));
      }
      const revoked = await org.call('POST', `/v1/api-keys/${key.id}/revoke`, { lineage: true });
      expect(revoked.body.key).toMatchObject({ organizationId: made.id, status: 'revoked' });
      expect((await org.call('DELETE', `/v1/api-keys/${key.id}`)).status).toBe(204);
      expect((await org.call('DELETE', path)).status).toBe(204);

      // Without it root acts in the default one, where none of this is.
      expect((await service.call('GET', path)).status).toBe(404);
      expect(await service.verify(secret)).toMatchObject({ code: 'NOT_FOUND' });
    },
  );

  test('says where a key belongs by the slug that its organization has now', async () => {
    const [old, fresh] = [unique(), unique()];
    const { id } = await create({ slug: old });
    const admin = await inside(id).keyOf({ role: 'admin' });
    const named = (organization: string) =>
      service.call('GET', '/v1/api-keys', {
        credential: admin.secret,
        headers: { 'Mintmark-Organization': organization },
      });
    expect((await named(old)).status).toBe(200);
    await patch(id, { slug: fresh });
    expect([(await named(old)).status, (await named(fresh)).status]).toEqual([404, 200]);
  });
});
