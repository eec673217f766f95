import { beforeAll, describe, expect, test } from 'vitest';

import { align, count, cutOff, strayKey } from '../support/edge.ts';
import { ROOT_KEY, TestService, type Answer } from '../support/service.ts';
import { taken } from './jws.ts';
import {
  basic,
  FORM,
  getToken,
  introspect,
  ISSUER,
  newClient,
  oauthOutcome,
  post,
  revoke,
  type Client,
  type Parameters,
} from './tokens.ts';

const service = new TestService();
const INACTIVE = '{"active":false}';
const OTHER = 'https://api.example.com';

/** May ask. */
let asker: Client;
/** Is asked about. */
let client: Client;

beforeAll(async () => {
  asker = await newClient(service, { permissions: ['mintmark:keys:verify'] });
  client = await newClient(service, { permissions: ['files:*'], role: 'reader' });
});

const seconds = (ms: number): number => Math.floor(ms / 1_000);

async function tells(token: string, members: object, credential = asker.secret): Promise<void> {
  const { status, headers, body } = await introspect(service, credential, token);
  expect([status, body]).toEqual([200, members]);
  expect(headers.get('Content-Type')).toBe('application/json');
  expect(headers.get('Cache-Control')).toBe('no-store');
}

async function tellsNothing(token: string, credential = asker.secret): Promise<void> {
  const answer = await introspect(service, credential, token);
  expect([answer.status, answer.text]).toEqual([200, INACTIVE]);
}

describe('an active', () => {
  test('token, by every member of RFC 7662', async () => {
    const token = await getToken(service, client, { scope: 'files:read mintmark:keys:read' });
    const { iat, exp, jti } = taken(token).payload;
    await tells(token, {
      active: true,
      scope: 'files:read mintmark:keys:read',
      client_id: client.id,
      sub: client.id,
      token_type: 'Bearer',
      iss: ISSUER,
      aud: ISSUER,
      iat,
      nbf: iat,
      exp,
      jti,
    });
  });

  test.for([
    ['another', OTHER, OTHER],
    ['several', [ISSUER, OTHER], [ISSUER, OTHER]],
  ] as const)('token for %s', async ([, resource, aud]) => {
    const token = await getToken(service, client, { resource });
    expect((await introspect(service, asker.secret, token)).body).toMatchObject({ active: true, aud });
  });

  test('key of an account, without end and with one', async () => {
    const born = seconds(service.now());
    const made = await newClient(service, { permissions: ['files:read'] });
    const members = (id: string, sub: string) => ({
      active: true,
      scope: 'files:read',
      client_id: sub,
      sub,
      token_type: 'Bearer',
      iat: born,
      nbf: born,
      iss: ISSUER,
      aud: ISSUER,
      jti: id,
    });
    await tells(made.secret, members(made.keyId, made.id));
    const brief = await service.key({ serviceAccountId: made.id, expiresIn: '1h' });
    await tells(brief.secret, { ...members(brief.key.id, made.id), exp: seconds(service.now()) + 3_600 });
  });

  test('key of a person, whose name it tells', async () => {
    const { id } = await service.organization({ personalKeyPermissions: ['files:*'] });
    const headers = { 'Mintmark-Organization': id };
    const { body } = await service.call('POST', '/v1/api-keys', {
      headers,
      body: { name: 'laptop', userId: 'ada@acme.example', scopes: ['files:read'] },
    });
    const asked = await post(
      service,
      'introspect',
      { token: body.secret },
      { ...headers, Authorization: `Bearer ${ROOT_KEY}` },
    );
    expect(asked.body).toMatchObject({
      active: true,
      sub: 'ada@acme.example',
      client_id: 'ada@acme.example',
      username: 'ada@acme.example',
      scope: 'files:read',
    });
  });

  test('key tells no issuer where the deployment has no name', async () => {
    const ask = async (to: TestService) => {
      const response = await to.app.request('https://keys.example.com/oauth/introspect', {
        method: 'POST',
        body: new URLSearchParams({ token: client.secret }),
        headers: { Authorization: `Bearer ${asker.secret}` },
      });
      return response.json();
    };
    const nameless = await ask(service);
    expect(nameless).toMatchObject({ active: true });
    expect(nameless).not.toHaveProperty('iss');
    expect(nameless).not.toHaveProperty('aud');
    const named = { iss: 'https://name.example.com', aud: 'https://name.example.com' };
    expect(await ask(new TestService({ MINTMARK_ISSUER: named.iss }))).toMatchObject(named);
  });

  test('token ends with its key, and is worth what its key is by now', async () => {
    const made = await newClient(service, { permissions: ['files:read', 'files:write', 'mail:send'] });
    const token = await getToken(service, made);
    const patch = (path: string, body: object) => service.call('PATCH', path, { body });
    await patch(`/v1/service-accounts/${made.id}`, { permissions: ['files:*'] });
    const expiresAt = new Date(service.now() + 60_000).toISOString();
    await patch(`/v1/api-keys/${made.keyId}`, { scopes: ['files:read', 'files:erase'], expiresAt });
    const { body } = await introspect(service, asker.secret, token);
    expect(body).toMatchObject({ scope: 'files:read', exp: seconds(service.now() + 60_000) });
  });
});

describe('of what is not active it says no more than that:', () => {
  const tokens: Record<string, () => string | Promise<string>> = {
    junk: () => 'junk',
    'a blank': () => ' ',
    NUL: () => '\0',
    emoji: () => '🔑',
    'an unknown key': strayKey,
    'a mistyped key': () => `${client.secret.slice(0, -1)}_`,
    'a key’s id': () => client.keyId,
    'the root key': () => ROOT_KEY,
    'a token that was altered': async () => `${await getToken(service, client)}A`,
    '50 KB': () => 'x'.repeat(50_000),
  };
  test.for(Object.entries(tokens))('%s', async ([, make]) => tellsNothing(await make()));

  type Ending = (of: Client, token: string) => Promise<unknown>;
  const byKey = (method: string, path: string, body?: object): Ending => {
    return ({ keyId }) => service.call(method, `/v1/api-keys/${keyId}${path}`, { body });
  };
  const byAccount = (method: string, path: string): Ending => {
    return ({ id }) => service.call(method, `/v1/service-accounts/${id}${path}`);
  };
  const endings: Record<string, Ending> = {
    'a revoked key': byKey('POST', '/revoke'),
    'a deleted key': byKey('DELETE', ''),
    'a disabled key': byKey('PATCH', '', { enabled: false }),
    'a rotated key': byKey('POST', '/rotate', { gracePeriod: '0s' }),
    'a disabled account': byAccount('POST', '/disable'),
    'a deleted account': byAccount('DELETE', ''),
  };
  test.for(Object.entries(endings))('%s, and a token of it', async ([, end]) => {
    const made = await newClient(service);
    const token = await getToken(service, made);
    for (const each of [made.secret, token]) {
      expect((await introspect(service, asker.secret, each)).body.active).toBe(true);
    }
    await end(made, token);
    for (const each of [made.secret, token]) await tellsNothing(each);
  });

  test('a token that was revoked or has expired, while its key has not', async () => {
    const made = await newClient(service);
    const [revoked, kept] = [await getToken(service, made), await getToken(service, made)];
    await revoke(service, made.secret, revoked);
    await tellsNothing(revoked);
    expect((await introspect(service, asker.secret, kept)).body.active).toBe(true);
    service.skip(300_000);
    await tellsNothing(kept);
    expect((await introspect(service, asker.secret, made.secret)).body.active).toBe(true);
  });

  test('a key or a token of another organization, byte for byte as junk', async () => {
    const { slug } = await service.organization();
    const headers = { 'Mintmark-Organization': slug };
    const account = await service.call('POST', '/v1/service-accounts', {
      headers,
      body: { name: 'theirs', role: 'admin' },
    });
    const { body } = await service.call('POST', '/v1/api-keys', {
      headers,
      body: { name: 'theirs', serviceAccountId: account.body.id },
    });
    const theirs = { id: account.body.id, secret: body.secret };
    const token = await getToken(service, theirs);
    const whole = ({ status, text, headers: told }: Answer) => {
      const { 'x-request-id': _, ...rest } = Object.fromEntries(told);
      return { status, text, rest };
    };
    const junk = whole(await introspect(service, asker.secret, 'junk'));
    for (const each of [theirs.secret, token]) {
      expect(whole(await introspect(service, asker.secret, each))).toEqual(junk);
      expect((await introspect(service, theirs.secret, each)).body.active).toBe(true);
    }
    for (const each of [client.secret, await getToken(service, client)])
      await tellsNothing(each, theirs.secret);
    // Root names whose it asks about.
    await tellsNothing(token, ROOT_KEY);
    const named = await post(
      service,
      'introspect',
      { token },
      { ...headers, Authorization: `Bearer ${ROOT_KEY}` },
    );
    expect(named.body.active).toBe(true);
  });
});

describe('who may ask:', () => {
  const form = () => ({ client_id: asker.id, client_secret: asker.secret });
  const WAYS: Record<
    string,
    [string, () => Promise<[Parameters, Record<string, string>]> | [Parameters, Record<string, string>]]
  > = {
    'a key by Bearer': ['200', () => [{}, { Authorization: `Bearer ${asker.secret}` }]],
    'a key by X-API-Key': ['200', () => [{}, { 'X-API-Key': asker.secret }]],
    'a client by Basic': ['200', () => [{}, { Authorization: basic(asker.id, asker.secret) }]],
    'a client by the form': ['200', () => [form(), {}]],
    'a key by Basic, as at other calls': ['200', () => [{}, { Authorization: basic(asker.secret, '') }]],
    'a token': ['200', async () => [{}, { Authorization: `Bearer ${await getToken(service, asker)}` }]],
    'a client with a token for its secret': [
      '200',
      async () => [{}, { Authorization: basic(asker.id, await getToken(service, asker)) }],
    ],
    root: ['200', () => [{}, { Authorization: `Bearer ${ROOT_KEY}` }]],
    nobody: ['401 invalid_client', () => [{}, {}]],
    'a client without a secret': ['401 invalid_client', () => [{ client_id: asker.id }, {}]],
    'an unknown key': ['401 invalid_client', () => [{}, { Authorization: `Bearer ${strayKey()}` }]],
    junk: ['401 invalid_client', () => [{}, { Authorization: 'Bearer junk' }]],
    'a client by another’s id': ['401 invalid_client', () => [{ ...form(), client_id: client.id }, {}]],
    'a client by Basic with another’s id': [
      '401 invalid_client',
      () => [{}, { Authorization: basic(client.id, asker.secret) }],
    ],
    'a key without the scope': [
      '403 insufficient_scope',
      () => [{}, { Authorization: `Bearer ${client.secret}` }],
    ],
    'a token that left the scope out': [
      '403 insufficient_scope',
      async () => {
        const admin = await newClient(service);
        const token = await getToken(service, admin, { scope: 'mintmark:keys:read' });
        return [{}, { Authorization: `Bearer ${token}` }];
      },
    ],
    'a token that is for somebody else': [
      '401 invalid_client',
      async () => {
        const token = await getToken(service, asker, { resource: OTHER });
        return [{}, { Authorization: `Bearer ${token}` }];
      },
    ],
    'a key twice': [
      '400 invalid_request',
      () => [{}, { Authorization: `Bearer ${asker.secret}`, 'X-API-Key': asker.secret }],
    ],
    'a client beside a key': ['400 invalid_request', () => [form(), { 'X-API-Key': asker.secret }]],
    'a client twice': [
      '400 invalid_request',
      () => [form(), { Authorization: basic(asker.id, asker.secret) }],
    ],
  };
  test.for(Object.entries(WAYS))('%s', async ([, [outcome, way]]) => {
    const [parameters, headers] = await way();
    const answer = await post(service, 'introspect', { token: client.secret, ...parameters }, headers);
    expect(oauthOutcome(answer), answer.text).toBe(outcome);
    if (outcome === '200') expect(answer.body).toMatchObject({ active: true, sub: client.id });
    const isBearer = headers['Authorization']?.startsWith('Bearer') ?? false;
    if (answer.status === 401) {
      expect(answer.headers.get('WWW-Authenticate')).toBe(
        isBearer ? 'Bearer realm="mintmark", error="invalid_token"' : 'Basic realm="mintmark"',
      );
    }
  });

  test('whoever is of the organization that it names', async () => {
    const { slug } = await service.organization();
    const ask = (organization: string) =>
      post(
        service,
        'introspect',
        { token: client.secret },
        { Authorization: `Bearer ${asker.secret}`, 'Mintmark-Organization': organization },
      );
    expect((await ask('default')).body.active).toBe(true);
    expect((await ask(slug)).status).toBe(404);
  });
});

describe('a question', () => {
  const ask = (parameters: Parameters) =>
    post(service, 'introspect', parameters, { Authorization: `Bearer ${asker.secret}` });

  test('names one token', async () => {
    expect(oauthOutcome(await ask({}))).toBe('400 invalid_request');
    expect(oauthOutcome(await ask({ token: '' }))).toBe('400 invalid_request');
    expect(oauthOutcome(await ask({ token: ['x', 'y'] }))).toBe('400 invalid_request');
  });

  test('may say what it thinks that it is, and more, which matters nothing', async () => {
    for (const token_type_hint of ['access_token', 'refresh_token', 'junk', '']) {
      const answer = await ask({ token: client.secret, token_type_hint, resource: ['a', 'b'], x: '1' });
      expect(answer.body.active).toBe(true);
    }
  });

  test('is a form', async () => {
    const sent = (body: string, type: string) =>
      service.call('POST', '/oauth/introspect', {
        credential: asker.secret,
        body,
        headers: { 'Content-Type': type },
      });
    expect(oauthOutcome(await sent('{"token":"x"}', 'application/json'))).toBe('415 invalid_request');
    expect(oauthOutcome(await sent(`token=${'x'.repeat(65_536)}`, FORM))).toBe('413 invalid_request');
    expect(oauthOutcome(await service.call('GET', '/oauth/introspect?token=x'))).toBe('405 invalid_request');
    const inQuery = await service.call('POST', `/oauth/introspect?token=${client.secret}`, {
      credential: asker.secret,
    });
    expect(oauthOutcome(inQuery)).toBe('400 invalid_request');
  });
});

describe('costs', () => {
  test('nothing where both are in memory, or there is nothing to ask about', async () => {
    const token = await getToken(service, client);
    await service.upkeep();
    for (const each of [client.secret, token]) {
      await introspect(service, asker.secret, each);
      const io = await service.ioOf(() => introspect(service, asker.secret, each));
      expect(count(io)).toEqual({ d1: 0, reads: 0, puts: 0 });
    }
    const io = await service.ioOf(() => introspect(service, asker.secret, 'junk'));
    expect(count(io)).toEqual({ d1: 0, reads: 0, puts: 0 });
  });

  test('no use of what is asked about by where the question came from', async () => {
    const quiet = await newClient(service, { permissions: ['a'] });
    await post(
      service,
      'introspect',
      { token: quiet.secret },
      { Authorization: `Bearer ${asker.secret}`, 'CF-Connecting-IP': '192.0.2.77', 'User-Agent': 'gateway' },
    );
    await service.advance(120_000);
    const used = async (id: string) => (await service.call('GET', `/v1/api-keys/${id}`)).body;
    expect(await used(quiet.keyId)).toMatchObject({ lastUsedIp: null, lastUsedUserAgent: null });
    expect(await used(asker.keyId)).toMatchObject({ lastUsedIp: '192.0.2.77', lastUsedUserAgent: 'gateway' });
  });

  test('503 where D1 would have to be asked and is out of reach: never that something is not active', async () => {
    const broken = new TestService();
    align(broken, service);
    await broken.upkeep();
    await introspect(broken, asker.secret, asker.secret);
    const unseen = await newClient(service);
    await service.settle();
    cutOff(broken);
    broken.kvHooks.before = () => {
      throw new Error('KV is down');
    };
    for (const token of [unseen.secret, await getToken(service, unseen)]) {
      const answer = await introspect(broken, asker.secret, token);
      expect(oauthOutcome(answer)).toBe('503 temporarily_unavailable');
      expect(answer.headers.get('Retry-After')).toBe('5');
    }
  });

  test('a flood of unknown keys is 429, and not an answer', async () => {
    const flooded = new TestService();
    const admin = await newClient(flooded);
    const outcomes = new Set<string>();
    // A hundred within a minute, and a minute may end in between.
    for (let time = 0; time < 250 && outcomes.size < 2; time++) {
      outcomes.add(oauthOutcome(await introspect(flooded, admin.secret, strayKey())));
      await flooded.settle();
    }
    expect(outcomes).toEqual(new Set(['200', '429 temporarily_unavailable']));
    expect((await introspect(flooded, admin.secret, admin.secret)).body.active).toBe(true);
  });
});
