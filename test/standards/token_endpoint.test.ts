import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, test } from 'vitest';

import { cutOff, strayKey } from '../support/edge.ts';
import { ROOT_KEY, TestService } from '../support/service.ts';
import { ENTRANCE_NAMES, takenBy, type EntranceName } from './entrances.ts';
import { taken } from './jws.ts';
import {
  basic,
  DEFAULT_ORGANIZATION,
  FORM,
  getToken,
  ISSUER,
  newClient,
  oauthOutcome,
  post,
  request,
  whoami,
  type Client,
  type Parameters,
} from './tokens.ts';

const service = new TestService();
const GRANT = { grant_type: 'client_credentials' };
const OTHER = 'https://api.example.com';

/** Holds files:*, mail:send and, by its role, mintmark:*. */
let client: Client;

beforeAll(async () => {
  client = await newClient(service, { permissions: ['files:*', 'mail:send'], role: 'admin' });
});

const byBasic = (): Record<string, string> => ({ Authorization: basic(client.id, client.secret) });

async function refuses(
  outcome: string,
  parameters: Parameters,
  headers: Record<string, string> = byBasic(),
): Promise<void> {
  const answer = await post(service, 'token', parameters, headers);
  expect(oauthOutcome(answer), answer.text).toBe(outcome);
  expect(answer.text).not.toContain(client.secret);
}

describe('a token', () => {
  test('is told as RFC 6749 has it, and kept by nobody on the way', async () => {
    const { status, headers, body } = await request(service, client);
    expect(status).toBe(200);
    expect(body).toEqual({
      access_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      token_type: 'Bearer',
      expires_in: 300,
      scope: 'files:* mail:send mintmark:*',
    });
    expect(headers.get('Cache-Control')).toBe('no-store');
    expect(headers.get('Pragma')).toBe('no-cache');
    expect(headers.get('Content-Type')).toBe('application/json');
  });

  test('says what RFC 9068 wants, and whose key it was got with', async () => {
    const clientOfTests = await newClient(service, { permissions: ['a'] }, { environment: 'test' });
    const { header, payload } = taken(await getToken(service, clientOfTests));
    const iat = Math.floor(service.now() / 1_000);
    expect(header).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: expect.stringMatching(/^[\w-]{43}$/) });
    expect(payload).toEqual({
      iss: ISSUER,
      aud: ISSUER,
      sub: clientOfTests.id,
      client_id: clientOfTests.id,
      scope: 'a',
      key_id: clientOfTests.keyId,
      org_id: DEFAULT_ORGANIZATION,
      environment: 'test',
      iat,
      exp: iat + 300,
      jti: expect.stringMatching(new RegExp(`^${clientOfTests.keyId}\\.[0-9A-Za-z]{16}$`)),
    });
  });

  test('has an id of its own', async () => {
    const tokens = await Promise.all(Array.from({ length: 20 }, () => getToken(service, client)));
    expect(new Set(tokens.map((token) => taken(token).payload['jti'])).size).toBe(20);
  });

  test.for([
    ['30', 30],
    ['3600', 3_600],
  ] as const)(
    'lives as long as the deployment says: %s seconds',
    async ([TOKEN_LIFETIME_SECONDS, seconds]) => {
      const other = new TestService({ TOKEN_LIFETIME_SECONDS });
      const { body } = await request(other, client);
      const { iat, exp } = taken(body.access_token).payload;
      expect([body.expires_in, Number(exp) - Number(iat)]).toEqual([seconds, seconds]);
      other.skip(Number(exp) * 1_000 - 1 - other.now());
      expect((await whoami(other, body.access_token)).status).toBe(200);
      other.skip(1);
      expect((await whoami(other, body.access_token)).status).toBe(401);
    },
  );

  test.for([
    [500, null],
    [899, null],
    [900, 1],
    [1_899, 1],
    [100_000, 100],
    [301_000, 300],
  ] as const)('never outlives its key: one that ends in %s ms gives %s s', async ([endsInMs, seconds]) => {
    const punctual = new TestService();
    // A tenth of a second past the full one.
    punctual.skip(1_100 - (punctual.now() % 1_000));
    const expiresAt = punctual.now() + endsInMs;
    const brief = await newClient(
      punctual,
      { permissions: ['a'] },
      { expiresAt: new Date(expiresAt).toISOString() },
    );
    const answer = await request(punctual, brief);
    if (seconds === null) return expect(oauthOutcome(answer)).toBe('401 invalid_client');
    expect(answer.body.expires_in).toBe(seconds);
    const { exp } = taken(answer.body.access_token).payload;
    expect(Number(exp) * 1_000).toBeLessThanOrEqual(expiresAt);
    expect(Number(exp) * 1_000).toBeGreaterThan(punctual.now());
  });

  test.for([
    ['files:read', 'files:read'],
    ['mail:send files:read', 'mail:send files:read'],
    ['files:read files:read', 'files:read'],
    ['  files:read   mail:send ', 'files:read mail:send'],
    ['mintmark:keys:verify', 'mintmark:keys:verify'],
    ['', 'files:* mail:send mintmark:*'],
  ] as const)('holds what is asked for: %s', async ([scope, granted]) => {
    const { body } = await request(service, client, { scope });
    expect(body.scope).toBe(granted);
    expect(taken(body.access_token).payload['scope']).toBe(granted);
    expect((await whoami(service, body.access_token)).body.scopes).toEqual(granted.split(' '));
  });

  test('of a key that holds nothing says nothing of scopes', async () => {
    const idle = await newClient(service, {});
    const { body } = await request(service, idle);
    expect(Object.keys(body)).toEqual(['access_token', 'token_type', 'expires_in']);
    expect(taken(body.access_token).payload).not.toHaveProperty('scope');
    expect((await whoami(service, body.access_token)).body.scopes).toEqual([]);
  });

  test('is bounded by its key’s own list, and not by its account’s alone', async () => {
    const narrow = await newClient(
      service,
      { permissions: ['files:*'], role: 'admin' },
      { scopes: ['files:read', 'mintmark:keys:read'] },
    );
    expect((await request(service, narrow)).body.scope).toBe('files:read mintmark:keys:read');
    expect(oauthOutcome(await request(service, narrow, { scope: 'files:write' }))).toBe('400 invalid_scope');
  });

  test.for([
    'files',
    '*',
    'mintmark:keys:nonsense',
    'FILES:read',
    'files:read mail:receive',
    'files:read,mail:send',
    'files:read\tmail:send',
    'files:read\r\nSet-Cookie: a=b',
    'a"b',
    'ü',
    `files:${'x'.repeat(123)}`,
    Array.from({ length: 101 }, (_, index) => `files:${index}`).join(' '),
  ])('is refused where more is asked for than there is: %s', async (scope) => {
    await refuses('400 invalid_scope', { ...GRANT, scope });
  });

  test('of a key that holds more than a hundred holds them all, unless some are asked for', async () => {
    const permissions = Array.from({ length: 100 }, (_, index) => `files:${index}`);
    const rich = await newClient(service, { permissions, role: 'reader' });
    expect((await request(service, rich)).body.scope.split(' ')).toHaveLength(102);
    const scope = [...permissions, 'mintmark:keys:read'].join(' ');
    expect(oauthOutcome(await request(service, rich, { scope }))).toBe('400 invalid_scope');
  });

  test('takes up to a hundred scopes, but no more than a header line holds', async () => {
    const hundred = Array.from({ length: 100 }, (_, index) => `files:${index}`).join(' ');
    expect((await request(service, client, { scope: hundred })).body.scope).toBe(hundred);
    const long = Array.from({ length: 100 }, (_, index) => `files:${String(index).padStart(100, '0')}`);
    const answer = await request(service, client, { scope: long.join(' ') });
    expect(oauthOutcome(answer)).toBe('400 invalid_scope');
    expect(answer.body.error_description).toContain('ask for fewer');
  });
});

describe('a token by its resource (RFC 8707)', () => {
  const EVERYTHING = 'files:* mail:send mintmark:*';
  const APPLICATIONS = 'files:* mail:send';
  test.for<[string, readonly string[], unknown, string]>([
    ['none', [], ISSUER, EVERYTHING],
    ['an empty one', [''], ISSUER, EVERYTHING],
    ['this deployment', [ISSUER], ISSUER, EVERYTHING],
    ['this deployment with a slash, twice', [`${ISSUER}/`, ISSUER], ISSUER, EVERYTHING],
    ['another', [OTHER], OTHER, APPLICATIONS],
    ['another, twice', [OTHER, `${OTHER}/`], OTHER, APPLICATIONS],
    ['a URN', ['urn:example:api'], 'urn:example:api', APPLICATIONS],
    ['one with path and query', [`${OTHER}/v1/?x=1`], `${OTHER}/v1/?x=1`, APPLICATIONS],
    ['a path here', [`${ISSUER}/v1`], `${ISSUER}/v1`, APPLICATIONS],
    ['this deployment and another', [ISSUER, OTHER], [ISSUER, OTHER], APPLICATIONS],
    ['another and this deployment', [OTHER, ISSUER], [OTHER, ISSUER], APPLICATIONS],
  ])('%s', async ([, resource, aud, scope]) => {
    const { body } = await request(service, client, { resource });
    expect(taken(body.access_token).payload).toMatchObject({ aud, scope });
    expect(body.scope).toBe(scope);
  });

  test('holds no mintmark: scope where another is among them, though it is asked for', async () => {
    for (const resource of [OTHER, [ISSUER, OTHER]]) {
      await refuses('400 invalid_scope', { ...GRANT, resource, scope: 'files:read mintmark:keys:read' });
    }
    const answer = await request(service, client, { resource: OTHER, scope: 'files:read' });
    expect(answer.body.scope).toBe('files:read');
    const everything = await newClient(service, { permissions: ['*'], role: 'admin' });
    expect((await request(service, everything, { resource: OTHER })).body.scope).toBe('*');
  });

  test('for another is good for nothing here; for both it is, but manages nothing', async () => {
    const elsewhere = await getToken(service, client, { resource: OTHER });
    expect(await takenBy(service, elsewhere)).toEqual(['the token of introspection']);
    const both = await getToken(service, client, { resource: [ISSUER, OTHER] });
    expect((await whoami(service, both)).body.scopes).toEqual(APPLICATIONS.split(' '));
    const managing = new Set<EntranceName>([
      'a list',
      'a mutation',
      'Blaxel’s dialect',
      'the caller of verify',
      'the caller of introspection',
    ]);
    expect(await takenBy(service, both)).toEqual(ENTRANCE_NAMES.filter((name) => !managing.has(name)));
  });

  test.for([
    ['a path', '/v1'],
    ['a word', 'api'],
    ['no scheme', '//api.example.com'],
    ['a fragment', `${OTHER}/#x`],
    ['an empty fragment', `${OTHER}#`],
    ['more than 512 characters', `${OTHER}/${'x'.repeat(512)}`],
    ['a line end', `${OTHER}/\r\nSet-Cookie: a=b`],
    ['a blank', ` ${OTHER}/a b`],
  ] as const)('that is no absolute URI is refused: %s', async ([, resource]) => {
    await refuses('400 invalid_target', { ...GRANT, resource });
    await refuses('400 invalid_target', { ...GRANT, resource: [OTHER, resource] });
  });

  test('takes ten of them', async () => {
    const many = (count: number) => Array.from({ length: count }, (_, index) => `${OTHER}/${index}`);
    expect((await request(service, client, { resource: many(10) })).status).toBe(200);
    await refuses('400 invalid_target', { ...GRANT, resource: many(11) });
  });
});

describe('a client says who it is', () => {
  const encoded = (text: string) =>
    text.replaceAll(/./g, (character) => `%${character.charCodeAt(0).toString(16)}`);
  const form = () => ({ client_id: client.id, client_secret: client.secret });
  type Way = () => [Parameters, Record<string, string>];

  const WAYS: Record<string, [string, Way]> = {
    'by Basic': ['200', () => [{}, byBasic()]],
    'by basic': ['200', () => [{}, { Authorization: byBasic()['Authorization']?.replace('B', 'b') ?? '' }]],
    'by Basic, form-encoded throughout': [
      '200',
      () => [{}, { Authorization: basic(encoded(client.id), encoded(client.secret)) }],
    ],
    'in the form': ['200', () => [form(), {}]],
    'by Basic, and by the same client_id': ['200', () => [{ client_id: client.id }, byBasic()]],
    'in the form, beside what is nobody’s business': [
      '200',
      () => [{ ...form(), audience: 'x', code: ['a', ''] }, {}],
    ],
    'by Basic and another client_id': ['401 invalid_client', () => [{ client_id: 'sa_0' }, byBasic()]],
    'by Basic and a secret': ['400 invalid_request', () => [{ client_secret: client.secret }, byBasic()]],
    'by Basic and the form': ['400 invalid_request', () => [form(), byBasic()]],
    'by Basic and an empty secret': ['200', () => [{ client_secret: '' }, byBasic()]],
    'by Bearer and the form': [
      '400 invalid_request',
      () => [form(), { Authorization: `Bearer ${client.secret}` }],
    ],
    'not at all': ['401 invalid_client', () => [{}, {}]],
    'by its id alone': ['401 invalid_client', () => [{ client_id: client.id }, {}]],
    'by its secret alone': ['401 invalid_client', () => [{ client_secret: client.secret }, {}]],
    'by Bearer': ['401 invalid_client', () => [{}, { Authorization: `Bearer ${client.secret}` }]],
    'by X-API-Key': ['401 invalid_client', () => [{}, { 'X-API-Key': client.secret }]],
    'by its key for a user name': [
      '401 invalid_client',
      () => [{}, { Authorization: basic(client.secret, '') }],
    ],
    'by Basic without a colon': [
      '401 invalid_client',
      () => [{}, { Authorization: `Basic ${btoa(client.secret)}` }],
    ],
    'by Basic with an empty user name': [
      '401 invalid_client',
      () => [{}, { Authorization: basic('', client.secret) }],
    ],
    'by Basic that is not base64': ['401 invalid_client', () => [{}, { Authorization: 'Basic ~~~' }]],
    'by Basic that is not form-encoded': [
      '401 invalid_client',
      () => [{}, { Authorization: basic(client.id, '%zz') }],
    ],
    'by Basic with a plus, which is a blank': [
      '401 invalid_client',
      () => [{}, { Authorization: basic(client.id, `${client.secret}+`) }],
    ],
    'by Basic with what would end a header': [
      '401 invalid_client',
      () => [{}, { Authorization: basic(client.id, `${client.secret}%0D%0AX:%20y`) }],
    ],
    'by two': [
      '401 invalid_client',
      () => [{}, { Authorization: `${byBasic()['Authorization']}, Basic eA==` }],
    ],
    'in the form with a secret of another alphabet': [
      '401 invalid_client',
      () => [{ client_id: client.id, client_secret: 'ключ' }, {}],
    ],
  };
  test.for(Object.entries(WAYS))('%s', async ([, [outcome, way]]) => {
    const [parameters, headers] = way();
    const answer = await post(service, 'token', { ...GRANT, ...parameters }, headers);
    expect(oauthOutcome(answer), answer.text).toBe(outcome);
    if (answer.status === 401) expect(answer.headers.get('WWW-Authenticate')).toBe('Basic realm="mintmark"');
    expect(answer.headers.get('Pragma')).toBe('no-cache');
  });
});

describe('a request', () => {
  test('is for client credentials alone', async () => {
    await refuses('400 invalid_request', {});
    await refuses('400 invalid_request', { grant_type: '' });
    for (const grant_type of [
      'password',
      'authorization_code',
      'CLIENT_CREDENTIALS',
      'client_credentials ',
    ]) {
      await refuses('400 unsupported_grant_type', { grant_type });
    }
  });

  test('that does not say who asks learns nothing of the rest', async () => {
    for (const parameters of [
      { grant_type: 'password' },
      { ...GRANT, scope: '"' },
      { ...GRANT, resource: 'x' },
    ]) {
      await refuses('401 invalid_client', parameters, {});
    }
  });

  test.for(['grant_type', 'scope', 'client_id', 'client_secret', 'token', 'token_type_hint'])(
    'has %s once, and says so',
    async (name) => {
      const answer = await post(service, 'token', { ...GRANT, [name]: ['x', 'x'] }, byBasic());
      expect(oauthOutcome(answer)).toBe('400 invalid_request');
      expect(answer.body.error_description).toContain(name);
    },
  );

  test('repeats nothing, even what it has no name for, and is not told what that was', async () => {
    const answer = await post(service, 'token', { ...GRANT, [client.secret]: ['x', 'y'] }, byBasic());
    expect(oauthOutcome(answer)).toBe('400 invalid_request');
    expect(answer.text).not.toContain(client.secret);
    // Left empty it counts as left out.
    expect(oauthOutcome(await request(service, client, { scope: ['', 'files:read', ''] }))).toBe('200');
  });

  const body = () => `grant_type=client_credentials&client_id=${client.id}&client_secret=${client.secret}`;
  const BODIES: Record<string, [string, () => { body?: unknown; headers?: Record<string, string> }]> = {
    'a form': ['200', () => ({ body: body(), headers: { 'Content-Type': FORM } })],
    'a form that says its charset': [
      '200',
      () => ({ body: body(), headers: { 'Content-Type': `${FORM.toUpperCase()}; charset=UTF-8` } }),
    ],
    JSON: [
      '415 invalid_request',
      () => ({ body: { ...GRANT, client_id: client.id, client_secret: client.secret } }),
    ],
    'a form that says it is JSON': ['415 invalid_request', () => ({ body: body() })],
    'several parts': [
      '415 invalid_request',
      () => ({ body: body(), headers: { 'Content-Type': 'multipart/form-data; boundary=x' } }),
    ],
    'a form that is packed': [
      '415 invalid_request',
      () => ({ body: body(), headers: { 'Content-Type': FORM, 'Content-Encoding': 'gzip' } }),
    ],
    nothing: ['400 invalid_request', () => ({ headers: byBasic() })],
    'what is not UTF-8': [
      '400 invalid_request',
      () => ({
        body: new Uint8Array([...new TextEncoder().encode(`${body()}&x=`), 0xff]),
        headers: { 'Content-Type': FORM },
      }),
    ],
    '65 KB': [
      '413 invalid_request',
      () => ({ body: `${body()}&x=${'x'.repeat(65_536)}`, headers: { 'Content-Type': FORM } }),
    ],
  };
  test.for(Object.entries(BODIES))('is a form: %s', async ([, [outcome, sent]]) => {
    const answer = await service.call('POST', '/oauth/token', { credential: null, ...sent() });
    expect(oauthOutcome(answer), answer.text).toBe(outcome);
    expect(answer.text).not.toContain(client.secret);
  });

  test('is read from its body alone, and is a POST', async () => {
    const query = new URLSearchParams({ ...GRANT, client_id: client.id, client_secret: client.secret });
    const inQuery = await service.call('POST', `/oauth/token?${query.toString()}`, { credential: null });
    expect(oauthOutcome(inQuery)).toBe('400 invalid_request');
    const got = await service.call('GET', `/oauth/token?${query.toString()}`, { credential: null });
    expect(oauthOutcome(got)).toBe('405 invalid_request');
    expect(got.headers.get('Allow')).toBe('POST');
  });
});

describe('is no client, and is told so in the same words:', () => {
  type Stranger = (to: TestService) => Promise<Pick<Client, 'id' | 'secret'>>;
  const admin = (to: TestService) => newClient(to);
  const ended =
    (end: (to: TestService, made: Client) => Promise<unknown>): Stranger =>
    async (to) => {
      const made = await admin(to);
      await getToken(to, made);
      await end(to, made);
      return made;
    };
  const STRANGERS: Record<string, Stranger> = {
    'an unknown account': async () => ({ id: 'sa_0VbbzP0B0002MydyEfG2fnoo', secret: client.secret }),
    'another account of the organization': async (to) => ({
      id: (await to.account()).id,
      secret: client.secret,
    }),
    'an account by its name': async () => ({ id: 'default', secret: client.secret }),
    'an unknown key': async () => ({ id: client.id, secret: strayKey() }),
    'a mistyped key': async () => ({ id: client.id, secret: `${client.secret.slice(0, -1)}_` }),
    'a key’s id': async () => ({ id: client.id, secret: client.keyId }),
    'a key by its own id': async () => ({ id: client.keyId, secret: client.secret }),
    'the root key': async () => ({ id: 'root', secret: ROOT_KEY }),
    'the root key for an account': async () => ({ id: client.id, secret: ROOT_KEY }),
    'a person': async (to) => {
      const { id } = await to.organization({ personalKeyPermissions: ['a'] });
      const { body } = await to.call('POST', '/v1/api-keys', {
        headers: { 'Mintmark-Organization': id },
        body: { name: 'key', userId: 'ada', scopes: ['a'] },
      });
      return { id: 'ada', secret: body.secret };
    },
    // A token that begot tokens would outlive its time.
    'a token': async (to) => ({ id: client.id, secret: await getToken(to, client) }),
    'a token for others': async (to) => ({
      id: client.id,
      secret: await getToken(to, client, { resource: OTHER }),
    }),
    'a revoked key': ended((to, { keyId }) => to.call('POST', `/v1/api-keys/${keyId}/revoke`)),
    'a deleted key': ended((to, { keyId }) => to.call('DELETE', `/v1/api-keys/${keyId}`)),
    'a disabled key': ended((to, { keyId }) =>
      to.call('PATCH', `/v1/api-keys/${keyId}`, { body: { enabled: false } }),
    ),
    'a rotated key': ended((to, { keyId }) =>
      to.call('POST', `/v1/api-keys/${keyId}/rotate`, { body: { gracePeriod: '0s' } }),
    ),
    'a disabled account': ended((to, { id }) => to.call('POST', `/v1/service-accounts/${id}/disable`)),
    'a deleted account': ended((to, { id }) => to.call('DELETE', `/v1/service-accounts/${id}`)),
    'a deleted organization': async (to) => {
      const { id } = await to.organization();
      const headers = { 'Mintmark-Organization': id };
      const account = await to.call('POST', '/v1/service-accounts', { headers, body: { name: 'theirs' } });
      const key = await to.call('POST', `/v1/service-accounts/${account.body.id}/api-keys`, {
        headers,
        body: { name: 'key' },
      });
      await to.call('DELETE', `/v1/organizations/${id}`);
      return { id: account.body.id, secret: key.body.secret };
    },
    'an expired key': async (to) => {
      const made = await newClient(to, {}, { expiresIn: '1s' });
      to.skip(1_000);
      return made;
    },
  };
  test.for(Object.keys(STRANGERS))('%s', async (name) => {
    const to = new TestService();
    const { id, secret } = (await STRANGERS[name]?.(to)) ?? client;
    for (const [parameters, headers] of [
      [{}, { Authorization: basic(id, secret) }],
      [{ client_id: id, client_secret: secret }, {}],
    ] as const) {
      const answer = await post(to, 'token', { ...GRANT, ...parameters }, headers);
      expect(oauthOutcome(answer)).toBe('401 invalid_client');
      expect(answer.body.error_description).toBe(
        'client_id and client_secret must be a service account and a live key of it',
      );
      expect(answer.headers.get('WWW-Authenticate')).toBe('Basic realm="mintmark"');
    }
  });

  test('but who is enabled again is one', async () => {
    const made = await newClient(service);
    for (const [verb, status] of [
      ['disable', 401],
      ['enable', 200],
    ] as const) {
      await service.call('POST', `/v1/service-accounts/${made.id}/${verb}`);
      expect((await request(service, made)).status).toBe(status);
    }
  });

  test('and a token begets none by Blaxel’s path either', async () => {
    const asked = (client_secret: string) =>
      service.call('POST', '/compat/blaxel/v0/oauth/token', {
        credential: null,
        body: { ...GRANT, client_id: client.id, client_secret },
      });
    const { status, body } = await asked(client.secret);
    expect([status, body.expires_in]).toEqual([200, 7_200]);
    expect((await asked(body.access_token)).status).toBe(400);
  });
});

describe('costs', () => {
  const own = (io: Awaited<ReturnType<TestService['ioOf']>>) =>
    io.d1.filter(({ sql }) => !sql.some((text) => text.includes('key_usage')));

  test('one query of D1’s primary, with few rows, however many keys and revoked tokens there are', async () => {
    const statement = (sql: string) => env.DB.prepare(sql).bind(client.keyId).run();
    await statement(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
       INSERT INTO revoked_tokens (id, key_id, expires_at) SELECT 'key_other.' || i, 'key_other', 9e15 FROM n WHERE ?1 <> ''`,
    );
    await statement(
      `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
       INSERT INTO api_keys (id, organization_id, service_account_id, name, folded_name, environment, digest, start, fingerprint,
         metadata, enabled, created_at, created_by, updated_at, updated_by, revision)
       SELECT 'key_copy' || i, organization_id, service_account_id, name, folded_name, environment,
         substr(printf('%064d', i), -64), start, fingerprint, '{}', 1, 1, 'x', 1, 'x', 1
       FROM api_keys, n WHERE id = ?1`,
    );
    const io = await service.ioOf(() => getToken(service, client));
    expect(own(io)).toHaveLength(1);
    expect(own(io)[0]?.rowsRead).toBeLessThanOrEqual(7);
    expect(own(io)[0]?.rowsWritten).toBe(0);
    expect(io.kv).toEqual([]);
  });

  test('nothing where the client is malformed, or what it asks for is', async () => {
    for (const [parameters, headers] of [
      [GRANT, {}],
      [{ grant_type: 'password' }, byBasic()],
      [{ ...GRANT, scope: '"' }, byBasic()],
      [GRANT, { Authorization: basic(client.id, 'mk_live_nonsense') }],
    ] as const) {
      const io = await service.ioOf(() => post(service, 'token', parameters, headers));
      expect([io.d1, io.kv]).toEqual([[], []]);
    }
  });

  test('a use of the key, by which it is known when it was last used', async () => {
    const quiet = await newClient(service);
    const lastUsed = async () => {
      await service.advance(120_000);
      return (await service.call('GET', `/v1/api-keys/${quiet.keyId}`)).body.lastUsedAt;
    };
    expect(await lastUsed()).toBeNull();
    const asked = new Date(service.now()).toISOString();
    const token = await getToken(service, quiet);
    expect(await lastUsed()).toBe(asked);
    await service.advance(60_000);
    const used = new Date(service.now()).toISOString();
    expect(await service.verify(token)).toMatchObject({ valid: true });
    expect(await lastUsed()).toBe(used);
    await request(service, { ...quiet, id: client.id });
    expect(await lastUsed(), 'what was refused is no use').toBe(used);
  });
});

describe('where something is out of order', () => {
  test('without D1 it is 503, and without KV it is as ever', async () => {
    const broken = new TestService();
    cutOff(broken);
    const answer = await request(broken, client);
    expect(oauthOutcome(answer)).toBe('503 temporarily_unavailable');
    expect(answer.headers.get('Retry-After')).toBe('5');
    const keyless = new TestService();
    keyless.kvHooks.before = () => {
      throw new Error('KV is down');
    };
    expect((await request(keyless, client)).status).toBe(200);
  });

  test('a flood of unknown clients is refused before D1 is asked, and those that are known pass', async () => {
    const flooded = new TestService();
    await flooded.verify(client.secret);
    const headers = { 'CF-Connecting-IP': '192.0.2.9' };
    const ask = (secret: string) =>
      post(flooded, 'token', { ...GRANT, client_id: client.id, client_secret: secret }, headers);
    // A hundred within a minute, and a minute may end in between.
    for (let time = 0; time < 250 && (await ask(strayKey())).status !== 429; time++) await flooded.settle();
    const io = await flooded.ioOf(async () => {
      const answer = await ask(strayKey());
      expect(oauthOutcome(answer)).toBe('429 temporarily_unavailable');
      expect(answer.headers.get('Retry-After')).toBe('10');
    });
    expect(io.d1).toEqual([]);
    expect((await ask(client.secret)).status).toBe(200);
  });
});
