import { beforeAll, describe, expect, test } from 'vitest';

import { tables } from '../support/attempts.ts';
import { align, BOUND_MS, edgeAndOffice, INTERVAL_MS, refuseKvWrites, USABLE_MS } from '../support/edge.ts';
import { mapped } from '../support/records.ts';
import { ROOT_KEY, TestService, type Answer } from '../support/service.ts';
import { allows, refuses, takenBy } from './entrances.ts';
import { genuinely, jws, taken } from './jws.ts';
import { getToken, introspect, newClient, request, revoke, whoami, type Client } from './tokens.ts';

const service = new TestService();
const ADMIN = { permissions: ['*'], role: 'admin' };

let client: Client;

beforeAll(async () => {
  client = await newClient(service, ADMIN);
});

describe('what a token is worth', () => {
  const verdict = { keyId: '', serviceAccountId: '', name: 'a key', environment: 'live' };
  test('is told by every entrance as its key’s, narrowed', async () => {
    const made = await newClient(
      service,
      { permissions: ['files:*', 'mail:send'] },
      { metadata: { tier: 'gold' } },
    );
    const token = await getToken(service, made, { scope: 'files:read' });
    const { jti, exp } = taken(token).payload;
    const expiresAt = new Date(Number(exp) * 1_000).toISOString();
    expect(await service.verify(token)).toMatchObject({
      ...verdict,
      valid: true,
      keyId: made.keyId,
      serviceAccountId: made.id,
      scopes: ['files:read'],
      metadata: { tier: 'gold' },
      expiresAt,
    });
    expect(await service.verify(token, { scopes: ['files:read'] })).toMatchObject({ valid: true });
    expect(await service.verify(token, { scopes: ['files:write'] })).toMatchObject({
      code: 'INSUFFICIENT_SCOPE',
    });
    expect(await service.verify(token, { scopes: ['mail:send'] })).toMatchObject({
      code: 'INSUFFICIENT_SCOPE',
    });
    expect(await service.verify(token, { environment: 'test' })).toMatchObject({ code: 'WRONG_ENVIRONMENT' });
    const { body } = await whoami(service, token);
    expect(body).toMatchObject({ id: made.id, scopes: ['files:read'], key: { id: made.keyId } });
    expect(body.token).toEqual({ id: jti, expiresAt });
    expect((await whoami(service, made.secret)).body).not.toHaveProperty('token');
    const passed = await service.call('GET', '/v1/forward-auth/default/files:read', { credential: token });
    expect([passed.headers.get('Mintmark-Subject'), passed.headers.get('Mintmark-Scopes')]).toEqual([
      made.id,
      'files:read',
    ]);
    const held = await service.call('GET', '/v1/forward-auth/default/mail:send', { credential: token });
    expect(held.status).toBe(403);
  });

  test('in a hundred at once is told of each', async () => {
    const tokens = [
      await getToken(service, client),
      await getToken(service, client, { scope: 'files:read' }),
    ];
    const usedFrom = { ip: null, userAgent: null };
    const verdicts = await service.verifier.verifyMany(
      [...tokens, client.secret, 'junk'].map((key) => ({
        key,
        organizationId: null,
        scopes: ['files:write'],
        usedFrom,
      })),
    );
    expect(verdicts.map(({ decision: { code } }) => code)).toEqual([
      'VALID',
      'INSUFFICIENT_SCOPE',
      'VALID',
      'MALFORMED',
    ]);
  });

  test('is for managing what its scopes are: no more than they, however strong its key', async () => {
    const reading = await getToken(service, client, { scope: 'mintmark:accounts:read mintmark:keys:read' });
    const list = await service.call('GET', '/v1/service-accounts', { credential: reading });
    expect(list.status).toBe(200);
    const before = await tables(service);
    const create = await service.call('POST', '/v1/service-accounts', {
      credential: reading,
      body: { name: crypto.randomUUID() },
    });
    expect(create).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
    expect(await tables(service)).toEqual(before);
    const writing = await getToken(service, client, { scope: 'mintmark:keys:write mintmark:accounts:read' });
    const grant = await service.call('POST', `/v1/service-accounts/${client.id}/api-keys`, {
      credential: writing,
      body: { name: 'stronger than it' },
    });
    expect(grant).toMatchObject({ status: 403, body: { code: 'cannot_grant' } });
  });

  test('is told in the trail as the token’s, not its key’s', async () => {
    const token = await getToken(service, client);
    const { jti } = taken(token).payload;
    const made = await service.call('POST', '/v1/service-accounts', {
      credential: token,
      body: { name: crypto.randomUUID() },
    });
    expect(made.body.createdBy).toBe(client.id);
    const trail = await service.call('GET', `/v1/audit-events?targetId=${made.body.id}`);
    expect(trail.body.data[0].actor).toEqual({ type: 'service_account', id: client.id, credentialId: jti });
  });

  test('is the same in an isolate whose clock is a second behind', async () => {
    const behind = new TestService();
    align(behind, service);
    service.skip(1_000);
    await allows(behind, await getToken(service, client));
  });
});

type Ending = (by: TestService, of: Client) => Promise<Answer>;

const onKey =
  (method: string, path: string, body?: object): Ending =>
  (by, { keyId }) =>
    by.call(method, `/v1/api-keys/${keyId}${path}`, { body });
const onAccount =
  (method: string, path: string, body?: object): Ending =>
  (by, { id }) =>
    by.call(method, `/v1/service-accounts/${id}${path}`, { body });

/** Whatever ends a key, and what a token of it is told to be from then on. */
const ENDINGS: Record<string, [code: string, end: Ending]> = {
  'its key is revoked': ['REVOKED', onKey('POST', '/revoke')],
  'its key is deleted': ['REVOKED', onKey('DELETE', '')],
  'its key is disabled': ['DISABLED', onKey('PATCH', '', { enabled: false })],
  'its key is rotated without grace': ['EXPIRED', onKey('POST', '/rotate', { gracePeriod: '0s' })],
  'its account is disabled': ['ACCOUNT_DISABLED', onAccount('POST', '/disable')],
  'its account is deleted': ['REVOKED', onAccount('DELETE', '')],
};

describe.each(Object.entries(ENDINGS))('a token dies when %s:', (_, [code, end]) => {
  test('everywhere at once where that was done, and for managing everywhere', async () => {
    const { edge, office } = await edgeAndOffice();
    const doomed = await newClient(office, ADMIN);
    const token = await getToken(office, doomed);
    await allows(office, token);
    refuseKvWrites(office);
    await end(office, doomed);
    await refuses(office, token);
    expect(await office.verify(token)).toMatchObject({ valid: false, code });
    for (const path of ['/v1/api-keys', '/v1/service-accounts', '/v1/audit-events']) {
      expect((await edge.call('GET', path, { credential: token })).status).toBe(401);
    }
  });

  test('within the bound in an isolate that idles, even if KV never hears of it', async () => {
    const { edge, office } = await edgeAndOffice();
    const doomed = await newClient(office, ADMIN);
    const token = await getToken(office, doomed);
    await office.settle();
    await allows(edge, token);
    await edge.upkeep();
    refuseKvWrites(office);
    const answer = await end(office, doomed);
    const effectiveBy = Date.parse(answer.headers.get('Mintmark-Effective-By') ?? '');
    expect(effectiveBy).toBe(office.now() + BOUND_MS);
    expect(await edge.verify(token), 'what it cannot know yet').toMatchObject({
      valid: true,
      source: 'memory',
    });
    expect(await edge.verify(token, { maxStaleness: 0 })).toMatchObject({ code });
    edge.skip(USABLE_MS + 1);
    expect(await edge.verify(token)).toMatchObject({ valid: false, code });
    await refuses(edge, token);
  });

  test('within the interval in one that serves', async () => {
    const { edge, office } = await edgeAndOffice();
    const doomed = await newClient(office, ADMIN);
    const token = await getToken(office, doomed);
    expect(await edge.verify(token)).toMatchObject({ valid: true });
    refuseKvWrites(office);
    await end(office, doomed);
    await edge.advance(INTERVAL_MS);
    await edge.verify(token);
    await edge.settle();
    expect(await edge.verify(token)).toMatchObject({ valid: false, code });
  });
});

describe('a token follows its key:', () => {
  test('it lives again when what was disabled is enabled', async () => {
    const made = await newClient(service, ADMIN);
    const token = await getToken(service, made);
    for (const [off, on] of [
      [onKey('PATCH', '', { enabled: false }), onKey('PATCH', '', { enabled: true })],
      [onAccount('POST', '/disable'), onAccount('POST', '/enable')],
    ] as const) {
      await off(service, made);
      await refuses(service, token);
      await on(service, made);
      await allows(service, token);
    }
  });

  test('it dies with an organization', async () => {
    const { id } = await service.organization();
    const headers = { 'Mintmark-Organization': id };
    const account = await service.call('POST', '/v1/service-accounts', {
      headers,
      body: { name: 'theirs', ...ADMIN },
    });
    const key = await service.call('POST', `/v1/service-accounts/${account.body.id}/api-keys`, {
      headers,
      body: { name: 'key' },
    });
    const token = await getToken(service, { id: account.body.id, secret: key.body.secret });
    expect((await whoami(service, token)).status).toBe(200);
    await service.call('DELETE', `/v1/organizations/${id}`);
    await refuses(service, token);
  });

  test('where its key’s end is moved up it ends then; moved back, not later than it was', async () => {
    const made = await newClient(service, ADMIN, { expiresIn: '1h' });
    const token = await getToken(service, made);
    const { exp } = taken(token).payload;
    const move = (ms: number) =>
      onKey('PATCH', '', { expiresAt: new Date(service.now() + ms).toISOString() })(service, made);
    const sooner = await move(60_000);
    expect((await service.verify(token)).expiresAt).toBe(sooner.body.expiresAt);
    await move(7_200_000);
    expect((await service.verify(token)).expiresAt).toBe(new Date(Number(exp) * 1_000).toISOString());
    await move(60_000);
    service.skip(59_999);
    await allows(service, token);
    service.skip(1);
    await refuses(service, token);
    expect(await service.verify(token)).toMatchObject({ code: 'EXPIRED' });
  });

  const held = async (token: string) => (await whoami(service, token)).body.scopes;

  test('what its key, its account or its role loses it loses, and gets back; what they gain it does not', async () => {
    const made = await newClient(service, { permissions: ['files:*', 'mail:send'], role: 'member' });
    const token = await getToken(service, made, { scope: 'files:read mail:send mintmark:keys:verify' });
    const all = ['files:read', 'mail:send', 'mintmark:keys:verify'];
    expect(await held(token)).toEqual(all);
    const steps: readonly [Ending, readonly string[]][] = [
      [onKey('PATCH', '', { scopes: ['files:*', 'mintmark:*'] }), ['files:read', 'mintmark:keys:verify']],
      [onKey('PATCH', '', { scopes: [] }), []],
      [onKey('PATCH', '', { scopes: null }), all],
      [onAccount('PATCH', '', { permissions: ['mail:*'] }), ['mail:send', 'mintmark:keys:verify']],
      [
        onAccount('PATCH', '', { permissions: ['files:read:own'] }),
        ['files:read:own', 'mintmark:keys:verify'].slice(1),
      ],
      [onAccount('PATCH', '', { role: 'reader' }), []],
      [onAccount('PATCH', '', { role: 'admin', permissions: ['*'] }), all],
      [onKey('PATCH', '', { scopes: ['*', 'mintmark:*'] }), all],
    ];
    for (const [step, scopes] of steps) {
      await step(service, made);
      expect(await held(token)).toEqual(scopes);
      const { body } = await introspect(service, ROOT_KEY, token);
      expect(body.scope).toBe(scopes.join(' '));
      const verified = await service.verify(token, { scopes: ['mintmark:keys:verify'] });
      expect(verified.valid).toBe(scopes.includes('mintmark:keys:verify'));
    }
  });

  test('a scope that it has by a wider one is cut to the narrower that is left', async () => {
    const made = await newClient(service, { permissions: ['files:*'] });
    const token = await getToken(service, made);
    expect(await held(token)).toEqual(['files:*']);
    await onAccount('PATCH', '', { permissions: ['files:read', 'mail:send'] })(service, made);
    expect(await held(token)).toEqual(['files:read']);
  });

  test('managing by it ends at once with what it needs, though the isolate does not know yet', async () => {
    const { edge, office } = await edgeAndOffice();
    const made = await newClient(office, ADMIN);
    const token = await getToken(office, made);
    const list = () => edge.call('GET', '/v1/api-keys', { credential: token });
    expect((await list()).status).toBe(200);
    refuseKvWrites(office);
    await onAccount('PATCH', '', { role: null })(office, made);
    expect(await list()).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
    expect((await takenBy(edge, token)).includes('a list')).toBe(false);
  });

  test('a rotated key’s tokens live as long as it does, and are not its successor’s', async () => {
    const made = await newClient(service, ADMIN);
    const token = await getToken(service, made);
    const { body } = await onKey('POST', '/rotate', { gracePeriod: '2m' })(service, made);
    const next = { id: made.id, secret: body.secret };
    const ofNext = await getToken(service, next);
    expect(taken(ofNext).payload['key_id']).toBe(body.key.id);
    await allows(service, token);
    // In its grace the old key still gives tokens, none longer than that.
    expect((await request(service, made)).body.expires_in).toBeLessThanOrEqual(120);
    await service.call('POST', `/v1/api-keys/${body.key.id}/revoke`);
    await refuses(service, ofNext);
    await allows(service, token);
    service.skip(120_000);
    await refuses(service, token);
    expect((await request(service, made)).status).toBe(401);
  });

  test.for(['getting a token', 'using one'] as const)(
    '%s is a first use, which ends the key that its key supersedes',
    async (use) => {
      const own = new TestService();
      const made = await newClient(own, ADMIN);
      const old = await getToken(own, made);
      const rotation = { gracePeriod: '1h', untilFirstUse: true };
      const { body } = await onKey('POST', '/rotate', rotation)(own, made);
      expect(await own.verify(old)).toMatchObject({ valid: true });
      const next = { id: made.id, secret: body.secret };
      const ofNext =
        use === 'getting a token'
          ? await getToken(own, next)
          : await jws(
              taken(old).header,
              { ...taken(old).payload, key_id: body.key.id, jti: `${body.key.id}.0000000000000000` },
              genuinely,
            );
      await own.settle();
      if (use === 'using one') expect(await own.verify(ofNext)).toMatchObject({ valid: true });
      await own.settle();
      expect(await own.verify(old, { maxStaleness: 0 })).toMatchObject({ code: 'REVOKED' });
      expect(await own.verify(ofNext)).toMatchObject({ valid: true });
    },
  );
});

describe('a change takes effect only while its token does:', () => {
  const create = (credential: string) =>
    service.call('POST', '/v1/service-accounts', { credential, body: { name: crypto.randomUUID() } });

  type Meanwhile = [outcome: string, happen: (of: Client, token: string) => Promise<unknown>];
  const MEANWHILE: Record<string, Meanwhile> = {
    'the token is revoked': ['401 invalid_credential', (of, token) => revoke(service, of.secret, token)],
    ...mapped(ENDINGS, ([, end]): Meanwhile => ['401 invalid_credential', (of) => end(service, of)]),
    'its key loses the scope': [
      '403 insufficient_scope',
      (of) => onKey('PATCH', '', { scopes: ['mintmark:keys:*'] })(service, of),
    ],
    'its account loses the role': [
      '403 insufficient_scope',
      (of) => onAccount('PATCH', '', { role: 'reader' })(service, of),
    ],
    'its account loses the permission': [
      '403 insufficient_scope',
      (of) => onAccount('PATCH', '', { role: null, permissions: ['mintmark:keys:*'] })(service, of),
    ],
  };

  test.for(Object.entries(MEANWHILE))('not when %s on the way', async ([, [outcome, happen]]) => {
    const made = await newClient(service, ADMIN);
    const token = await getToken(service, made);
    let after: Record<string, string> = {};
    service.d1Hooks.beforeBatch = async () => {
      delete service.d1Hooks.beforeBatch;
      await happen(made, token);
      after = await tables(service);
    };
    const { status, body } = await create(token);
    expect(`${status} ${body.code}`).toBe(outcome);
    expect(await tables(service)).toEqual(after);
  });

  test('not when it expires while D1 is slow, by D1’s own clock', async () => {
    const behind = new TestService();
    const made = await newClient(behind, ADMIN);
    const token = await getToken(behind, made);
    // An isolate whose clock lags by ten minutes: to D1 the token has ended.
    behind.skip(-600_000);
    const old = await getToken(behind, made);
    const before = await tables(behind);
    const answer = await behind.call('POST', '/v1/service-accounts', {
      credential: old,
      body: { name: crypto.randomUUID() },
    });
    expect(answer.status).not.toBe(201);
    expect(await tables(behind)).toEqual(before);
    behind.skip(600_000);
    expect((await behind.call('GET', '/v1/api-keys', { credential: token })).status).toBe(200);
  });

  test('but it does when a sibling is revoked, or its key renamed', async () => {
    const made = await newClient(service, ADMIN);
    for (const happen of [
      async () => revoke(service, made.secret, await getToken(service, made)),
      () => onKey('PATCH', '', { name: 'renamed' })(service, made),
      () => onAccount('PATCH', '', { description: 'changed' })(service, made),
    ]) {
      const token = await getToken(service, made);
      service.d1Hooks.beforeBatch = async () => {
        delete service.d1Hooks.beforeBatch;
        await happen();
      };
      expect((await create(token)).status).toBe(201);
    }
  });
});
