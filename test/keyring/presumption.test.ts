import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';

import { TestIssuer, makeKey } from '../credentials/issuer.ts';
import { inOrganization, trusting } from '../credentials/trusting.ts';
import { ENDPOINTS, invoke, outcomeOf, titled } from '../http/endpoints.ts';
import { tables } from '../support/attempts.ts';
import { align, count, emptyKv } from '../support/edge.ts';
import { dumpTables, TestService, type Answer } from '../support/service.ts';

/** Presumes what it was told, while another isolate changes it. */
let edge: TestService;
let office: TestService;

beforeEach(async () => {
  await emptyKv();
  [edge, office] = [new TestService(), new TestService()];
  align(edge, office);
});

type Key = Awaited<ReturnType<TestService['key']>>;

const BAD = '401 invalid_credential';
const changing = ENDPOINTS.filter(
  ({ method, scope, path }) =>
    method !== 'GET' && scope?.startsWith('mintmark:') === true && path !== '/v1/api-keys/verify',
);

const mint = (service: TestService, serviceAccountId: string, credential?: string, fields = {}) =>
  service.call('POST', '/v1/api-keys', {
    ...(credential === undefined ? {} : { credential }),
    body: { name: 'a key', serviceAccountId, ...fields },
  });

/** A caller that `edge` has heard of from D1, with its account. */
async function known(account: Record<string, unknown> = { role: 'admin' }): Promise<Key> {
  const caller = await office.key({}, account);
  expect((await mint(edge, caller.key.serviceAccountId, caller.secret)).status).toBe(201);
  await edge.settle();
  return caller;
}

/** As {@link known}, of one that makes accounts. */
async function heardOf(account: Record<string, unknown>): Promise<Key> {
  const caller = await office.key({}, account);
  const name = `account ${crypto.randomUUID()}`;
  const sent = { credential: caller.secret, body: { name } };
  expect((await edge.call('POST', '/v1/service-accounts', sent)).status).toBe(201);
  return caller;
}

const at = async (method: string, path: string, body?: unknown): Promise<void> => {
  const { status, text } = await office.call(method, path, body === undefined ? {} : { body });
  if (status >= 300) throw new Error(text);
  await office.settle();
};

const revoke = ({ key }: Key) => at('POST', `/v1/api-keys/${key.id}/revoke`);

const trips = async (action: () => Promise<Answer>, status: number): Promise<number> => {
  const io = await edge.ioOf(async () => expect((await action()).status).toBe(status));
  return count(io).d1;
};

describe('costs no query', () => {
  test('for a key, for root and for the account: minting is one batch', async () => {
    const { key, secret } = await known();
    expect(await trips(() => mint(edge, key.serviceAccountId, secret), 201)).toBe(1);
    expect(await trips(() => mint(edge, key.serviceAccountId), 201)).toBe(3);
    expect(await trips(() => mint(edge, key.serviceAccountId), 201)).toBe(1);
  });

  test('for a token, nor for a person', async () => {
    const { key, secret } = await known();
    const { body } = await edge.call('POST', '/oauth/token', {
      credential: null,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: key.serviceAccountId,
        client_secret: secret,
      }).toString(),
    });
    expect(await trips(() => mint(edge, key.serviceAccountId, body.access_token), 201)).toBe(3);
    expect(await trips(() => mint(edge, key.serviceAccountId, body.access_token), 201)).toBe(1);

    const issuer = new TestIssuer([await makeKey('ES256', 'ec')]);
    edge = trusting(issuer);
    const token = await issuer.token({ claims: { scope: 'mintmark:*' } });
    expect(await trips(() => mint(edge, key.serviceAccountId, token), 201)).toBe(3);
    expect(await trips(() => mint(edge, key.serviceAccountId, token), 201)).toBe(1);
  });

  test('in a change of what is there, but the one that reads it', async () => {
    const { key, secret } = await known();
    const rename = (name: string) =>
      edge.call('PATCH', `/v1/api-keys/${key.id}`, { credential: secret, body: { name } });
    expect(await trips(() => rename('another'), 200)).toBe(2);
    // Nothing to do: the caller is judged anew, so is the change, and once more whether the caller is live.
    expect(await trips(() => rename('another'), 200)).toBe(4);
  });

  test('where a call only reads it costs one all the same', async () => {
    const { key, secret } = await known();
    const read = () => edge.call('GET', `/v1/api-keys/${key.id}`, { credential: secret });
    expect(await trips(read, 200)).toBe(2);
    expect(await trips(read, 200)).toBe(2);
  });
});

describe('a caller that is presumed live, and is not', () => {
  test.for(titled(changing))('%s: is refused, and changes nothing', async ([, endpoint]) => {
    const caller = await known();
    const valid = await endpoint.valid(office);
    await revoke(caller);
    const before = await tables(edge);
    const answer = await invoke(edge, endpoint, valid, { credential: caller.secret });
    expect(outcomeOf(answer)).toBe(BAD);
    expect(await tables(edge)).toEqual(before);
  });

  test('learns nothing of what it names, whatever is wrong with the call', async () => {
    const caller = await known();
    const { key } = await office.key();
    const taken = await office.account({ name: `a name that is taken ${caller.key.id}` });
    await at('POST', `/v1/api-keys/${key.id}/revoke`);
    await revoke(caller);
    const before = await dumpTables();
    const ask = async (method: string, path: string, body?: unknown) =>
      outcomeOf(
        await edge.call(method, path, {
          credential: caller.secret,
          ...(body === undefined ? {} : { body }),
        }),
      );
    const outcomes = {
      'what is not there': await ask('DELETE', `/v1/api-keys/key_${'z'.repeat(24)}`),
      'an account that is not there': await ask('POST', '/v1/api-keys', {
        name: 'a key',
        serviceAccountId: `sa_${'z'.repeat(24)}`,
      }),
      'what is so already': await ask('POST', `/v1/api-keys/${key.id}/revoke`),
      'what can no longer be': await ask('POST', `/v1/api-keys/${key.id}/rotate`),
      'a name that is taken': await ask('POST', '/v1/service-accounts', {
        name: `a name that is taken ${caller.key.id}`,
      }),
      'more than anybody holds': await ask('PATCH', `/v1/service-accounts/${taken.id}`, {
        permissions: ['mintmark:*'],
      }),
    };
    expect(new Set(Object.values(outcomes)), JSON.stringify(outcomes)).toEqual(new Set([BAD]));
    const { audit_events: trail } = await dumpTables();
    expect(trail).toBe(before['audit_events']);
  });

  test.for<[string, string, (caller: Key) => Promise<void>]>([
    ['deleted', BAD, ({ key }) => at('DELETE', `/v1/api-keys/${key.id}`)],
    ['disabled', BAD, ({ key }) => at('PATCH', `/v1/api-keys/${key.id}`, { enabled: false })],
    [
      'of a disabled account',
      BAD,
      ({ key }) => at('POST', `/v1/service-accounts/${key.serviceAccountId}/disable`),
    ],
    ['of a deleted account', BAD, ({ key }) => at('DELETE', `/v1/service-accounts/${key.serviceAccountId}`)],
    [
      'without a role by now',
      '403 insufficient_scope',
      ({ key }) => at('PATCH', `/v1/service-accounts/${key.serviceAccountId}`, { role: null }),
    ],
    [
      'with fewer scopes by now',
      '403 insufficient_scope',
      ({ key }) => at('PATCH', `/v1/api-keys/${key.id}`, { scopes: ['mintmark:keys:read'] }),
    ],
  ])('%s: %s', async ([, outcome, end]) => {
    const caller = await known();
    const { id } = await office.account();
    // The account of what it asks for is presumed, too.
    expect((await mint(edge, id)).status).toBe(201);
    await end(caller);
    const before = await tables(edge);
    expect(outcomeOf(await mint(edge, id, caller.secret))).toBe(outcome);
    expect(await tables(edge)).toEqual(before);
  });

  test('expires by the clock', async () => {
    const caller = await office.key({ expiresIn: '1m' }, { role: 'admin' });
    const { id } = await office.account();
    expect((await mint(edge, id, caller.secret)).status).toBe(201);
    edge.skip(59_999);
    expect((await mint(edge, id, caller.secret)).status).toBe(201);
    edge.skip(1);
    expect(outcomeOf(await mint(edge, id, caller.secret))).toBe(BAD);
  });

  test('is not counted as used, and one that is live is', async () => {
    const caller = await known();
    const mintAt = async (seconds: number, status: number) => {
      edge.skip(seconds * 1_000);
      expect((await mint(edge, caller.key.serviceAccountId, caller.secret)).status).toBe(status);
      return edge.now();
    };
    const lastUsed = async () => {
      await edge.advance(60_000);
      await edge.settle();
      const { body } = await office.call('GET', `/v1/api-keys/${caller.key.id}`);
      return Date.parse(body.lastUsedAt);
    };
    const used = await mintAt(10, 201);
    expect(await lastUsed()).toBe(used);
    const usedAgain = await mintAt(1, 201);
    await revoke(caller);
    await mintAt(1, 401);
    expect(await lastUsed()).toBe(usedAgain);
  });

  test('is told nothing of what came after its end, where there is nothing to do', async () => {
    const caller = await known();
    const { key } = await office.key();
    let questions = 0;
    edge.d1Hooks.before = async () => {
      questions += 1;
      // The caller was judged anew; its change is not yet.
      if (questions !== 3) return;
      await revoke(caller);
      await at('PATCH', `/v1/api-keys/${key.id}`, { description: 'after the revocation' });
    };
    const answer = await edge.call('PATCH', `/v1/api-keys/${key.id}`, {
      credential: caller.secret,
      body: { enabled: true },
    });
    delete edge.d1Hooks.before;
    expect(outcomeOf(answer)).toBe(BAD);
  });

  test('of a deleted organization', async () => {
    const { id } = await office.organization();
    const inIt = { headers: inOrganization(id) };
    const create = (service: TestService, name: string) =>
      service.call('POST', '/v1/service-accounts', { ...inIt, body: { name } });
    expect((await create(edge, 'one')).status).toBe(201);
    await at('DELETE', `/v1/organizations/${id}`);
    expect(outcomeOf(await create(edge, 'another'))).toBe('404 not_found');
  });
});

describe('what is presumed otherwise than it is by now', () => {
  test('a caller that may more, may', async () => {
    const caller = await known({ permissions: ['mintmark:keys:write'] });
    const create = () =>
      edge.call('POST', '/v1/service-accounts', {
        credential: caller.secret,
        body: { name: `by ${caller.key.id}` },
      });
    expect(outcomeOf(await create())).toBe('403 insufficient_scope');
    await at('PATCH', `/v1/service-accounts/${caller.key.serviceAccountId}`, { role: 'admin' });
    expect((await create()).status).toBe(201);
  });

  test('a lineage of several batches is ended by what the caller may do now', async () => {
    const caller = await heardOf({ permissions: ['mintmark:accounts:write'] });
    let { key } = await office.key();
    for (let rotation = 0; rotation < 9; rotation++)
      key = (await office.call('POST', `/v1/api-keys/${key.id}/rotate`)).body.key;
    await at('PATCH', `/v1/service-accounts/${caller.key.serviceAccountId}`, {
      permissions: ['mintmark:accounts:write', 'mintmark:keys:write'],
    });
    const answer = await edge.call('POST', `/v1/api-keys/${key.id}/revoke`, {
      credential: caller.secret,
      body: { lineage: true },
    });
    expect(answer.status, answer.text).toBe(200);
  });

  test.for<[string, object, object, string | null]>([
    [
      'more',
      { permissions: ['mintmark:keys:write', 'mintmark:accounts:write'] },
      { role: 'admin' },
      'member',
    ],
    [
      'less',
      { role: 'member', permissions: ['mintmark:keys:write', 'mintmark:accounts:write'] },
      { role: null },
      null,
    ],
  ])('a caller that may %s gives the role that it can give now', async ([, first, then, role]) => {
    const caller = await known({ ...first });
    await at('PATCH', `/v1/service-accounts/${caller.key.serviceAccountId}`, then);
    const { audit_events: trail } = await tables(edge);
    const { body } = await edge.call('POST', '/compat/blaxel/v0/service_accounts', {
      credential: caller.secret,
      body: { name: `by ${caller.key.id}` },
    });
    expect((await office.call('GET', `/v1/service-accounts/${body.client_id}`)).body.role).toBe(role);
    expect((await tables(edge))['audit_events']?.replace(trail ?? '', '')).not.toContain('grant.refused');
  });

  test('an account that was raised gives no key to who could not have raised it', async () => {
    const caller = await known({ role: 'member' });
    const { id } = await office.account({ permissions: ['files:read'] });
    expect((await mint(edge, id, caller.secret)).status).toBe(201);
    await at('PATCH', `/v1/service-accounts/${id}`, { permissions: ['mintmark:*'] });
    expect(outcomeOf(await mint(edge, id, caller.secret))).toBe('403 cannot_grant');
    expect((await mint(edge, id, caller.secret, { scopes: ['files:read'] })).status).toBe(201);
  });

  test.for<[string, string, (id: string) => Promise<void>]>([
    ['disabled', '409 account_disabled', (id) => at('POST', `/v1/service-accounts/${id}/disable`)],
    ['deleted', '404 not_found', (id) => at('DELETE', `/v1/service-accounts/${id}`)],
  ])('an account that was %s: %s', async ([, outcome, end]) => {
    const { id } = await office.account();
    expect((await mint(edge, id)).status).toBe(201);
    await end(id);
    expect(outcomeOf(await mint(edge, id))).toBe(outcome);
  });

  test('a key is made by the rules that the organization has', async () => {
    const { id } = await office.organization({ keyPrefix: 'acme' });
    const inIt = { headers: inOrganization(id) };
    const account = await edge.call('POST', '/v1/service-accounts', { ...inIt, body: { name: 'one' } });
    const make = () =>
      edge.call('POST', `/v1/service-accounts/${account.body.id}/api-keys`, {
        ...inIt,
        body: { name: 'a key' },
      });
    expect((await make()).body.secret).toMatch(/^acme_/);
    await at('PATCH', `/v1/organizations/${id}`, { keyPrefix: 'other', maxLiveKeys: 2 });
    expect((await make()).body.secret).toMatch(/^other_/);
    expect(outcomeOf(await make())).toBe('402 quota_exceeded');
  });

  test('a slug names the organization that has it by now', async () => {
    const slug = `slug-${crypto.randomUUID()}`;
    const first = await office.organization({ slug });
    const create = (name: string) =>
      edge.call('POST', '/v1/service-accounts', { headers: inOrganization(slug), body: { name } });
    const placeOf = async (organization: { id: string }, account: Answer) =>
      (
        await office.call('GET', `/v1/service-accounts/${account.body.id}`, {
          headers: inOrganization(organization.id),
        })
      ).status;
    expect(await placeOf(first, await create('one'))).toBe(200);
    await at('PATCH', `/v1/organizations/${first.id}`, { slug: `${slug}-old` });
    const second = await office.organization({ slug });
    expect(await placeOf(second, await create('another'))).toBe(200);
  });

  test('a key that named its organization by a slug is told where it has another', async () => {
    const slug = `slug-${crypto.randomUUID()}`;
    const { id } = await office.organization({ slug });
    const inIt = { headers: inOrganization(id) };
    const account = await office.call('POST', '/v1/service-accounts', {
      ...inIt,
      body: { name: 'one', role: 'admin' },
    });
    const { body } = await office.call('POST', `/v1/service-accounts/${account.body.id}/api-keys`, {
      ...inIt,
      body: { name: 'a key' },
    });
    const create = (name: string) =>
      edge.call('POST', '/v1/service-accounts', {
        credential: body.secret,
        headers: inOrganization(slug),
        body: { name },
      });
    expect((await create('two')).status).toBe(201);
    await at('PATCH', `/v1/organizations/${id}`, { slug: `${slug}-old` });
    expect(outcomeOf(await create('three'))).toBe('404 not_found');
  });
});

test('a person whom a slug takes elsewhere on the way ends nothing of where it was', async () => {
  const slug = `slug-${crypto.randomUUID()}`;
  const issuer = new TestIssuer([await makeKey('ES256', 'ec')]);
  edge = trusting(issuer, { OIDC_ORGANIZATIONS: slug });
  align(edge, office);
  const { id } = await office.organization({ slug });
  const inIt = { headers: inOrganization(id) };
  const account = await office.call('POST', '/v1/service-accounts', { ...inIt, body: { name: 'one' } });
  const key = await office.call('POST', `/v1/service-accounts/${account.body.id}/api-keys`, {
    ...inIt,
    body: { name: 'a key' },
  });
  const form = (
    service: TestService,
    path: string,
    fields: Record<string, string>,
    credential: string | null,
  ) =>
    service.call('POST', path, {
      credential,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields).toString(),
    });
  const { body } = await form(
    office,
    '/oauth/token',
    {
      grant_type: 'client_credentials',
      client_id: account.body.id,
      client_secret: key.body.secret,
    },
    null,
  );
  const token = body.access_token as string;
  const person = await issuer.token({ claims: { scope: 'mintmark:*' } });
  let isMoved = false;
  edge.d1Hooks.beforeBatch = async () => {
    if (isMoved) return;
    isMoved = true;
    await at('PATCH', `/v1/organizations/${id}`, { slug: `${slug}-old` });
    await office.organization({ slug });
  };
  await form(edge, '/oauth/revoke', { token }, person);
  delete edge.d1Hooks.beforeBatch;
  expect(isMoved).toBe(true);
  const { revoked_tokens: revoked, audit_events: trail } = await tables(edge);
  expect(revoked).toBe('[]');
  expect(trail).not.toContain('token.revoked');
});

describe('of another life of the database', () => {
  /** As a restore and a change after it leave them: the same revision, with something else in it. */
  const restored = (statement: string, id: string) =>
    env.DB.batch([
      env.DB.prepare(statement).bind(id),
      env.DB.prepare('UPDATE generation SET name = ?').bind(crypto.randomUUID()),
    ]);

  test('an account is not presumed', async () => {
    const caller = await known({ role: 'member' });
    const { id } = await office.account({ permissions: ['files:read'] });
    expect((await mint(edge, id, caller.secret)).status).toBe(201);
    await restored(`UPDATE service_accounts SET permissions = '["mintmark:*"]' WHERE id = ?`, id);
    expect(outcomeOf(await mint(edge, id, caller.secret))).toBe('403 cannot_grant');
  });

  test('nor where its caller was heard of in this one', async () => {
    const caller = await known({ role: 'member' });
    const { id } = await office.account({ permissions: ['files:read'] });
    expect((await mint(edge, id, caller.secret)).status).toBe(201);
    await restored(`UPDATE service_accounts SET permissions = '["mintmark:*"]' WHERE id = ?`, id);
    expect((await edge.call('GET', '/v1/api-keys', { credential: caller.secret })).status).toBe(200);
    expect(outcomeOf(await mint(edge, id, caller.secret))).toBe('403 cannot_grant');
  });

  test('an organization is not, for root and for a key', async () => {
    const caller = await known();
    const { id } = await office.account();
    for (const credential of [undefined, caller.secret]) {
      expect((await mint(edge, id, credential)).body.secret).toMatch(/^mk_/);
      await restored("UPDATE organizations SET key_prefix = 'acme' WHERE slug = ?", 'default');
      expect((await mint(edge, id, credential)).body.secret).toMatch(/^acme_/);
      await restored("UPDATE organizations SET key_prefix = 'mk' WHERE slug = ?", 'default');
      expect((await mint(edge, id, credential)).body.secret).toMatch(/^mk_/);
    }
  });
});

test('where D1 cannot be reached, one change has an outcome that is not known; those after it were not made', async () => {
  const { key, secret } = await known();
  const before = await tables(edge);
  edge.d1Hooks.before = () => {
    throw new Error('D1_ERROR: Network connection lost.');
  };
  const outcomes: string[] = [];
  for (let time = 0; time < 3; time++)
    outcomes.push(outcomeOf(await mint(edge, key.serviceAccountId, secret)));
  expect(outcomes).toEqual(['503 outcome_unknown', '503 unavailable', '503 unavailable']);
  delete edge.d1Hooks.before;
  expect(await tables(edge)).toEqual(before);
  expect((await mint(edge, key.serviceAccountId, secret)).status).toBe(201);
});

test('what an operator changes by hand is relied on for no more than a minute', async () => {
  const { id } = await office.account();
  expect((await mint(edge, id)).body.secret).toMatch(/^mk_/);
  await env.DB.prepare("UPDATE organizations SET key_prefix = 'hand' WHERE slug = 'default'").run();
  edge.skip(59_999);
  expect((await mint(edge, id)).body.secret).toMatch(/^mk_/);
  edge.skip(1);
  expect((await mint(edge, id)).body.secret).toMatch(/^hand_/);
  await env.DB.prepare("UPDATE organizations SET key_prefix = 'mk' WHERE slug = 'default'").run();
});
