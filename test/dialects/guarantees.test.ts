import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';

import { failingEachStatement } from '../support/attempts.ts';
import { dumpTables, TestService, type Answer } from '../support/service.ts';

/** What the wire formats ask of the keyring that the contract does not, held to the invariants of every change. */

let service: TestService;

beforeEach(() => {
  service = new TestService();
});

const BLAXEL = '/compat/blaxel/v0/service_accounts';
const factoryKeys = (accountId: string): string =>
  `/compat/factory/api/v0/service-accounts/${accountId}/api-keys`;
const kosliKeys = (name: string): string => `/compat/kosli/api/v2/service-accounts/default/${name}/api-keys`;

const statusesOf = (answers: readonly Answer[]): number[] =>
  answers.map(({ status }) => status).toSorted((one, other) => one - other);

/** What the audit trail tells of a call. */
async function actionsBy(request: () => Promise<Answer>): Promise<string[]> {
  const requestId = crypto.randomUUID();
  const call = service.call.bind(service);
  service.call = (method, path, options) =>
    call(method, path, { ...options, headers: { ...options?.headers, 'X-Request-Id': requestId } });
  try {
    await request();
  } finally {
    service.call = call;
  }
  const { results } = await env.DB.prepare('SELECT action FROM audit_events WHERE request_id = ? ORDER BY id')
    .bind(requestId)
    .all<{ action: string }>();
  return results.map(({ action }) => action);
}

describe.each<[string, string[], () => Promise<() => Promise<Answer>>]>([
  [
    'an account with its first key',
    ['service_account.created', 'api_key.created'],
    async () => () => service.call('POST', BLAXEL, { body: { name: crypto.randomUUID() } }),
  ],
  [
    'a rotation that revokes at once',
    ['api_key.rotated', 'api_key.revoked', 'api_key.created'],
    async () => {
      const { key } = await service.key();
      return () => service.call('POST', `${factoryKeys(key.serviceAccountId)}/${key.id}/rotate`);
    },
  ],
  [
    'a key whose name must be free',
    ['api_key.created'],
    async () => {
      const { id } = await service.account();
      return () => service.call('POST', factoryKeys(id), { body: { name: 'nightly' } });
    },
  ],
])('%s', (_, actions, prepare) => {
  test('is one batch, with an audit event for each row', async () => {
    const mutate = await prepare();
    const io = await service.ioOf(async () => expect(await actionsBy(mutate)).toEqual(actions));
    expect(io.d1.filter(({ sql }) => sql.some((text) => text.includes('INTO audit_events')))).toHaveLength(1);
  });

  test('leaves nothing behind when any one of its statements fails', async () => {
    const answers = await failingEachStatement(service, prepare);
    expect(answers.length).toBeGreaterThanOrEqual(5);
    for (const { status } of answers) expect(status).toBe(500);
  });

  test('is done once when the answer to its batch is lost', async () => {
    const mutate = await prepare();
    let lost = 0;
    service.d1Hooks.after = (sql) => {
      if (sql.length > 1 && lost++ === 0) throw new Error('D1_ERROR: Network connection lost.');
    };
    expect(await actionsBy(mutate)).toEqual(actions);
    expect(lost).toBeGreaterThanOrEqual(1);
  });
});

describe('an account with its first key', () => {
  const enrol = (options: Parameters<TestService['call']>[2] = {}) =>
    service.call('POST', BLAXEL, { body: { name: crypto.randomUUID() }, ...options });

  test('needs the right to make keys as well as accounts', async () => {
    const { secret: credential } = await service.key({}, { permissions: ['mintmark:accounts:write'] });
    const before = await dumpTables();
    const answer = await enrol({ credential });
    expect(answer).toMatchObject({ status: 403, body: { code: 403 } });
    expect(answer.headers.get('WWW-Authenticate')).toContain('scope="mintmark:keys:write"');
    expect(await dumpTables()).toEqual(before);
  });

  test.each([
    ['admin', { role: 'admin' }, 'member'],
    ['member', { role: 'member', permissions: ['mintmark:accounts:write'] }, 'member'],
    ['reader', { role: 'reader', permissions: ['mintmark:accounts:write', 'mintmark:keys:write'] }, 'reader'],
    ['nothing', { permissions: ['mintmark:accounts:write', 'mintmark:keys:write'] }, null],
  ])('of a caller who is %s is a member, or what the caller is', async (_, caller, role) => {
    const { secret: credential } = await service.key({}, caller);
    const { status, body } = await enrol({ credential });
    expect(status).toBe(200);
    expect((await service.call('GET', `/v1/service-accounts/${body.client_id}`)).body.role).toBe(role);
  });

  test('is not made a member by who is none any more when it comes to that', async () => {
    const caller = await service.key(
      {},
      { role: 'member', permissions: ['mintmark:accounts:write', 'mintmark:keys:write'] },
    );
    service.d1Hooks.beforeBatch = async () => {
      delete service.d1Hooks.beforeBatch;
      const path = `/v1/service-accounts/${caller.key.serviceAccountId}`;
      await new TestService().call('PATCH', path, { body: { role: 'reader' } });
    };
    const name = crypto.randomUUID();
    expect((await enrol({ credential: caller.secret, body: { name } })).status).toBe(200);
    expect(
      await env.DB.prepare('SELECT role FROM service_accounts WHERE name = ?').bind(name).first('role'),
    ).toBe('reader');
  });

  test('counts against the organization, and lives as long as it lets keys live', async () => {
    const { slug } = await service.organization({ maxLiveKeys: 1, maxKeyLifetime: '90d' });
    const headers = { 'X-Blaxel-Workspace': slug };
    const { body } = await enrol({ headers });
    expect(await service.verify(body.client_secret)).toMatchObject({ code: 'NOT_FOUND' });
    const { body: whoami } = await service.call('GET', '/v1/whoami', { credential: body.client_secret });
    expect(Date.parse(whoami.key.expiresAt) - service.now()).toBe(90 * 86_400_000);
    const accounts = await env.DB.prepare('SELECT count(*) FROM service_accounts').first('count(*)');
    expect(await enrol({ headers })).toMatchObject({ status: 402, body: { code: 402 } });
    expect(await env.DB.prepare('SELECT count(*) FROM service_accounts').first('count(*)')).toBe(accounts);
  });

  test('has a first key that dies with the account', async () => {
    const { body } = await enrol();
    expect(await service.verify(body.client_secret)).toMatchObject({
      valid: true,
      serviceAccountId: body.client_id,
    });
    await service.call('DELETE', `${BLAXEL}/${body.client_id}`);
    expect(await service.verify(body.client_secret)).toMatchObject({ code: 'REVOKED' });
  });
});

describe('a key’s name at Factory', () => {
  const mint = (isolate: TestService, accountId: string) =>
    isolate.call('POST', factoryKeys(accountId), { body: { name: 'nightly' } });

  test('that twenty isolates want at once goes to one', async () => {
    const { id } = await service.account();
    const answers = await Promise.all(Array.from({ length: 20 }, () => mint(new TestService(), id)));
    expect(statusesOf(answers)).toEqual([201, ...Array<number>(19).fill(409)]);
    expect(answers.find(({ status }) => status === 409)?.body).toEqual({
      detail: 'Another live API key of the service account has this name.',
      status: 409,
      title: 'Conflict',
    });
  });

  test.each<[string, boolean, (keyId: string, accountId: string) => Promise<unknown>]>([
    ['revoked', true, (id) => service.call('POST', `/v1/api-keys/${id}/revoke`)],
    ['deleted', true, (id) => service.call('DELETE', `/v1/api-keys/${id}`)],
    ['renamed', true, (id) => service.call('PATCH', `/v1/api-keys/${id}`, { body: { name: 'hourly' } })],
    [
      'expired',
      true,
      async (id) => {
        const expiresAt = new Date(service.now() + 1_000).toISOString();
        await service.call('PATCH', `/v1/api-keys/${id}`, { body: { expiresAt } });
        await service.advance(1_000);
      },
    ],
    ['disabled', false, (id) => service.call('PATCH', `/v1/api-keys/${id}`, { body: { enabled: false } })],
    [
      'replaced, and goes on for a while',
      false,
      (id, accountId) =>
        service.call('POST', `${factoryKeys(accountId)}/${id}/rotate`, { body: { gracePeriodMinutes: 5 } }),
    ],
    ['another account’s', true, async () => undefined],
  ])('of a key that is %s is free: %s', async (title, isFree, end) => {
    const { id } = await service.account();
    const { body } = await mint(service, id);
    await end(body.apiKey.id, id);
    const owner = title === 'another account’s' ? (await service.account()).id : id;
    expect((await mint(service, owner)).status).toBe(isFree ? 201 : 409);
  });
});

describe('a rotation that revokes at once', () => {
  test('ends the old key for every edge by the time that it tells, and keeps its name', async () => {
    const other = new TestService();
    const { key, secret } = await service.key({ name: 'nightly' });
    expect(await other.verify(secret)).toMatchObject({ valid: true });
    const answer = await service.call('POST', `${factoryKeys(key.serviceAccountId)}/${key.id}/rotate`);
    expect(answer.body.apiKey.name).toBe('nightly');
    expect(await service.verify(secret)).toMatchObject({ code: 'REVOKED' });
    await other.advance(Date.parse(answer.headers.get('Mintmark-Effective-By') ?? '') - other.now());
    expect(await other.verify(secret)).toMatchObject({ code: 'REVOKED' });
    expect(await other.verify(answer.body.apiKey.value)).toMatchObject({ valid: true });
    const { body } = await service.call('GET', `/v1/api-keys/${key.id}`);
    expect(body).toMatchObject({ status: 'revoked', rotatedTo: answer.body.apiKey.id });
  });

  test('of one key by ten isolates at once has one successor', async () => {
    const { key } = await service.key();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        new TestService().call('POST', `${factoryKeys(key.serviceAccountId)}/${key.id}/rotate`),
      ),
    );
    expect(statusesOf(answers)).toEqual([200, ...Array<number>(9).fill(409)]);
  });
});

test('a key that changes keep overtaking is told as one to be asked for again, also at Kosli', async () => {
  const name = `account-${crypto.randomUUID()}`;
  const { id } = await service.account({ name });
  service.d1Hooks.rewrite = (batch, db) => [
    db.prepare('UPDATE service_accounts SET revision = revision + 1 WHERE id = ?').bind(id),
    ...batch,
  ];
  for (const [path, body] of [
    [kosliKeys(name), { description: 'a key' }],
    [factoryKeys(id), { name: 'a key' }],
  ] as const)
    expect((await service.call('POST', path, { body })).status).toBe(409);
});

test('a rotation that is asked for again is told what it met, whatever grace it asks for', async () => {
  const { key } = await service.key({ expiresIn: '1h' });
  const rotate = () =>
    service.call('POST', `${factoryKeys(key.serviceAccountId)}/${key.id}/rotate`, {
      body: { gracePeriodMinutes: 5 },
    });
  expect((await rotate()).status).toBe(200);
  await service.advance(1_000);
  expect(await rotate()).toMatchObject({ status: 409, body: { detail: expect.stringMatching(/successor/) } });
  await service.call('POST', `/v1/api-keys/${key.id}/revoke`);
  expect(await rotate()).toMatchObject({ status: 409, body: { detail: expect.stringMatching(/revoked/) } });
});

test('an empty name of an account is no way to a key of one’s own', async () => {
  const { secret: credential } = await service.key({}, { role: 'member' });
  const answer = await service.call('POST', '/compat/b3os/v1/api-keys', {
    credential,
    body: { name: 'a key', serviceAccountId: '' },
  });
  expect(answer).toMatchObject({ status: 404, body: { message: 'There is no such service account.' } });
});

test('ten revocations at once by a format that tells a second one apart: one is done', async () => {
  const name = `account-${crypto.randomUUID()}`;
  const { id: serviceAccountId } = await service.account({ name });
  const { key } = await service.key({ serviceAccountId });
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => new TestService().call('DELETE', `${kosliKeys(name)}/${key.id}`)),
  );
  expect(statusesOf(answers)).toEqual([200, ...Array<number>(9).fill(404)]);
});

test.each<[string, number, (path: string, id: string) => Promise<Answer>]>([
  ['minting', 3, (path) => service.call('POST', path, { body: { description: 'a key' } })],
  ['listing', 3, (path) => service.call('GET', path)],
  ['reading', 3, (path, id) => service.call('GET', `${path}/${id}`)],
  // One more to tell other isolates of what was taken away.
  ['rotating', 5, (path, id) => service.call('POST', `${path}/${id}/rotate`, { body: {} })],
  ['revoking', 5, (path, id) => service.call('DELETE', `${path}/${id}`)],
])('%s under an account’s name asks D1 %i times', async (_, times, call) => {
  const name = `account-${crypto.randomUUID()}`;
  const { id } = await service.account({ name });
  const { key } = await service.key({ serviceAccountId: id });
  const { d1 } = await service.ioOf(async () =>
    expect((await call(kosliKeys(name), key.id)).status).toBeLessThan(300),
  );
  expect(d1).toHaveLength(times);
});

describe('an expiry past the contract’s ten years', () => {
  const LATEST_SECONDS = 4_102_444_800;

  test('is kept where a format allows it, and in nobody’s way', async () => {
    const name = `account-${crypto.randomUUID()}`;
    await service.account({ name });
    const { body: minted } = await service.call('POST', kosliKeys(name), {
      body: { description: 'long', expires_at: LATEST_SECONDS },
    });
    expect(minted.expires_at).toBe(LATEST_SECONDS);
    expect(await service.verify(minted.key)).toMatchObject({
      valid: true,
      expiresAt: '2100-01-01T00:00:00.000Z',
    });
    const path = `/v1/api-keys/${minted.id}`;
    expect((await service.call('PATCH', path, { body: { name: 'renamed' } })).status).toBe(200);
    expect((await service.call('PATCH', path, { body: { expiresAt: '2100-01-01T00:00:00Z' } })).status).toBe(
      400,
    );
    const { body: rotated } = await service.call('POST', `${path}/rotate`);
    expect(rotated.key.expiresAt).toBe('2100-01-01T00:00:00.000Z');
  });
});

describe('a personal key that an account made for itself', () => {
  test('is found by the account’s id, and outlives the account', async () => {
    const { slug } = await service.organization({ personalKeyPermissions: ['read', 'write'] });
    const headers = { 'Mintmark-Organization': slug };
    const { body: account } = await service.call('POST', '/v1/service-accounts', {
      headers,
      body: { name: 'reporter', role: 'member' },
    });
    const minted = await service.call('POST', `/v1/service-accounts/${account.id}/api-keys`, {
      headers,
      body: { name: 'a key' },
    });
    const { body: own } = await service.call('POST', '/compat/b3os/v1/api-keys', {
      credential: minted.body.secret,
      body: { name: 'own', scope: 'read-write' },
    });
    expect(own.data).toMatchObject({ userId: account.id, scope: 'read-write' });
    await service.call('DELETE', `/v1/service-accounts/${account.id}`, { headers });
    const whoami = await service.call('GET', '/v1/whoami', { credential: own.data.key });
    expect(whoami.body).toMatchObject({ type: 'user', id: account.id, scopes: ['read', 'write'] });
    const { body: found } = await service.call('GET', `/v1/api-keys?userId=${account.id}`, { headers });
    expect(found.data).toMatchObject([{ id: own.data.id }]);
  });
});

describe('the organizations that a call names', () => {
  test.each([
    ['Blaxel', '/compat/blaxel/v0/service_accounts', 'X-Blaxel-Workspace'],
    ['B3OS', '/compat/b3os/v1/service-accounts', 'X-Org-ID'],
  ])('at %s must all be one, by whatever names', async (_, path, header) => {
    const [one, other] = [await service.organization(), await service.organization()];
    const statusOf = async (headers: Record<string, string>) =>
      (await service.call('GET', path, { headers })).status;
    expect(await statusOf({ [header]: one.id, 'Mintmark-Organization': one.slug })).toBe(200);
    expect(await statusOf({ [header]: one.slug, 'Mintmark-Organization': other.slug })).toBe(403);
    expect(await statusOf({ [header]: '', 'Mintmark-Organization': other.slug })).toBe(200);
    expect(await statusOf({ 'Mintmark-Organization': 'nowhere' })).toBe(403);
  });

  test('are where root’s call goes', async () => {
    const { slug } = await service.organization();
    const headers = { 'Mintmark-Organization': slug };
    await service.call('POST', BLAXEL, { headers, body: { name: 'theirs' } });
    const listed = await service.call('GET', BLAXEL, { headers: { 'X-Blaxel-Workspace': slug } });
    expect(listed.body).toMatchObject([{ name: 'theirs' }]);
  });
});

describe('a Kosli snapshotter', () => {
  const ACCOUNTS = '/compat/kosli/api/v2/service-accounts/default';
  const refusals = async (): Promise<number> =>
    (await env.DB.prepare(
      "SELECT count(*) AS n FROM audit_events WHERE action = 'grant.refused'",
    ).first<number>('n')) ?? 0;
  const make = async (privilege: string, credential?: string) => {
    const name = `account-${crypto.randomUUID()}`;
    const answer = await service.call('POST', ACCOUNTS, {
      body: { name, privilege },
      ...(credential === undefined ? {} : { credential }),
    });
    return { ...answer, name };
  };

  test('is made of nothing or of a reader by a member at least, and of more by whoever may write', async () => {
    const writer = (
      await service.key({}, { permissions: ['mintmark:accounts:write', 'mintmark:accounts:read'] })
    ).secret;
    const member = (await service.key({}, { role: 'member', permissions: ['mintmark:accounts:write'] }))
      .secret;
    const patch = async (name: string, credential: string) =>
      (await service.call('PATCH', `${ACCOUNTS}/${name}`, { credential, body: { privilege: 'snapshotter' } }))
        .status;
    const before = await refusals();
    expect((await make('snapshotter', writer)).status).toBe(403);
    expect((await make('snapshotter', member)).status).toBe(201);
    const [reader, admin, same] = [await make('reader'), await make('admin'), await make('snapshotter')];
    expect(await patch(reader.name, writer)).toBe(403);
    expect(await patch(admin.name, writer)).toBe(200);
    expect(await patch(same.name, writer)).toBe(200);
    expect(await patch(reader.name, member)).toBe(200);
    expect(await refusals()).toBe(before + 2);
  });

  test('is shown by its role once that was changed elsewhere', async () => {
    const { name } = await make('snapshotter');
    const { body } = await service.call('GET', '/v1/service-accounts?limit=100');
    const { id } = body.data.find((account: { name: string }) => account.name === name);
    await service.call('PATCH', `/v1/service-accounts/${id}`, { body: { role: 'admin' } });
    expect((await service.call('GET', `${ACCOUNTS}/${name}`)).body.privilege).toBe('admin');
  });

  test('is asked of who may not write with the challenge that says what is missing', async () => {
    const { secret } = await service.key({ scopes: [] });
    const answer = await make('snapshotter', secret);
    expect(answer.headers.get('WWW-Authenticate')).toContain('scope="mintmark:accounts:write"');
  });
});

describe('what a format keeps of a record', () => {
  test('is in no verdict, no other format’s answer and no metadata, and goes on with a successor', async () => {
    const { body: account } = await service.call('POST', BLAXEL, { body: { name: crypto.randomUUID() } });
    const path = `${BLAXEL}/${account.client_id}/api_keys`;
    const { body: key } = await service.call('POST', path, { body: { name: 'day', expires_in: '24h' } });
    expect(key.expires_in).toBe('24h');
    const seen = await Promise.all([
      service.call('GET', `/v1/api-keys/${key.id}`),
      service.call('GET', '/compat/b3os/v1/api-keys?limit=100'),
      service.call('GET', factoryKeys(account.client_id)),
      service.call('GET', '/v1/whoami', { credential: key.apiKey }),
      service.call('POST', '/v1/api-keys/verify', { body: { key: key.apiKey } }),
    ]);
    for (const { status, text } of seen) {
      expect(status).toBe(200);
      expect(text).not.toMatch(/"24h"|is_client_secret|vendor/);
    }
    expect(seen[0]?.body.metadata).toEqual({});
    const { body: rotated } = await service.call('POST', `/v1/api-keys/${key.id}/rotate`);
    const { body: listed } = await service.call('GET', path);
    expect(
      listed.find(({ id }: { id: string }) => id === rotated.key.id),
      'the successor lives as long, and is told alike',
    ).toMatchObject({ expires_in: '24h' });
  });

  test('does not outlive a change that makes it untrue', async () => {
    const { body: account } = await service.call('POST', BLAXEL, { body: { name: crypto.randomUUID() } });
    const path = `${BLAXEL}/${account.client_id}/api_keys`;
    const { body: key } = await service.call('POST', path, { body: { expires_in: '24h' } });
    const expiresAt = new Date(Date.parse(key.createdAt) + 7_200_000).toISOString();
    await service.call('PATCH', `/v1/api-keys/${key.id}`, { body: { expiresAt } });
    const { body: listed } = await service.call('GET', path);
    expect(listed).toMatchObject([
      { id: key.id, expires_in: '2h', name: expect.stringMatching(/^key-mk_live_/) },
    ]);
  });
});
