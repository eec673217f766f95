import { beforeAll, describe, expect, test } from 'vitest';

import { createMisconfiguredApp } from '../../src/app.ts';
import { outcomeOf } from '../http/endpoints.ts';
import { strayKey } from '../support/edge.ts';
import { flood } from '../support/flood.ts';
import { IDLE_PLATFORM } from '../support/platform.ts';
import { ROOT_KEY, TestService, type Answer } from '../support/service.ts';

const service = new TestService();
const NGINX = { 'Mintmark-Proxy': 'nginx' };

let key = { id: '', account: '', secret: '' };

beforeAll(async () => {
  const minted = await service.key({}, { permissions: ['files:read', 'files:write'] });
  key = { id: minted.key.id, account: minted.key.serviceAccountId, secret: minted.secret };
});

type Options = NonNullable<Parameters<TestService['call']>[2]>;

const ask = (path: string, options: Options = {}, method = 'GET'): Promise<Answer> =>
  service.call(method, `/v1/forward-auth/${path}`, { credential: key.secret, ...options });

const identityIn = ({ headers }: Answer) =>
  ['Key-Id', 'Organization', 'Subject', 'Scopes'].map((name) => headers.get(`Mintmark-${name}`));

async function passes(path: string, options: Options = {}, method = 'GET'): Promise<void> {
  const answer = await ask(path, options, method);
  expect(answer.status, `${method} ${path} ${answer.text}`).toBe(204);
  expect(identityIn(answer)).toEqual([
    key.id,
    'org_000000000000000000000000',
    key.account,
    'files:read files:write',
  ]);
}

async function refuses(path: string, outcome: string, options: Options = {}): Promise<Answer> {
  const answer = await ask(path, options);
  expect(outcomeOf(answer), path).toBe(outcome);
  return answer;
}

describe('lets pass', () => {
  test('a key of the organization, by id or slug, that has the scopes', async () => {
    await passes('default/-');
    await passes('default/files:read');
    await passes('default/files%3Aread');
    await passes('default/files:read,files:write');
    await passes('default/files:write,files:read/');
    await passes('org_000000000000000000000000/files:read');
  });

  test.for(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'PURGE'])(
    'whatever is done by %s',
    async (method) => {
      await passes('default/files:read', {}, method);
      expect((await ask('default/files:erase', {}, method)).status).toBe(403);
    },
  );

  test.for(['/', '/a', '/a/b/c?x=1', '//a//b', '/%2e%2e%2fother', '/%00', '/ü', '/a;b=c', '/%zz', '/-/-'])(
    'whatever path a proxy appends: %s',
    async (appended) => passes(`default/files:read${appended}`),
  );

  test('whatever the query says', async () => {
    await passes('default/files:read?organization=other&scopes=files:erase&scopes=&proxy=nginx');
    await refuses('default/files:erase?scopes=-', '403 insufficient_scope');
    await refuses(`default/-?key=${key.secret}`, '401 missing_credential', { credential: null });
  });

  test('a key in each place of the contract', async () => {
    for (const headers of [
      { 'X-API-Key': key.secret },
      { Authorization: `Basic ${btoa(`${key.secret}:`)}` },
      { Authorization: `bearer ${key.secret}` },
    ]) {
      await passes('default/files:read', { credential: null, headers });
    }
  });

  test('without reading a body', async () => {
    await passes('default/-', { body: 'x'.repeat(100_000) }, 'POST');
  });
});

describe('tells the upstream', () => {
  test('a person by the application’s own identifier, in which nothing ends a header', async () => {
    const { id, slug } = await service.organization({ personalKeyPermissions: ['*'] });
    for (const [userId, subject] of [
      ['ada@acme.example', 'ada@acme.example'],
      ['a b', 'a%20b'],
      ['50%,"x";y=<z>', '50%25%2C%22x%22%3By%3D%3Cz%3E'],
      ['auth0|5f7c', 'auth0%7C5f7c'],
    ] as const) {
      const { secret } = await service
        .call('POST', '/v1/api-keys', {
          body: { name: 'laptop', userId, scopes: [] },
          headers: { 'Mintmark-Organization': slug },
        })
        .then(({ body }) => body);
      const answer = await ask(`${slug}/-`, { credential: secret });
      expect(identityIn(answer)).toEqual([expect.stringMatching(/^key_/), id, subject, '']);
      expect(decodeURIComponent(subject)).toBe(userId);
    }
  });

  test('nothing that the request says of itself', async () => {
    await passes('default/files:read', {
      headers: {
        'Mintmark-Key-Id': 'key_0',
        'Mintmark-Organization': 'other',
        'Mintmark-Subject': 'root',
        'Mintmark-Scopes': '*',
      },
    });
  });
});

describe('refuses', () => {
  test('a request without a key, with two, and with what is none', async () => {
    const missing = await refuses('default/-', '401 missing_credential', { credential: null });
    expect(missing.headers.get('WWW-Authenticate')).toBe('Bearer realm="mintmark"');
    await refuses('default/-', '400 multiple_credentials', { headers: { 'X-API-Key': key.secret } });
    await refuses('default/-', '401 invalid_credential', { credential: 'no-key' });
  });

  test('the root key, which is for no application', async () => {
    await refuses('default/-', '401 invalid_credential', { credential: ROOT_KEY });
  });

  test('a key of another organization as one that never was', async () => {
    const { slug } = await service.organization();
    const foreign = await refuses(`${slug}/-`, '401 invalid_credential');
    const unknown = await refuses('no-such-organization/-', '401 invalid_credential');
    const never = await refuses('default/-', '401 invalid_credential', { credential: `${key.secret}x` });
    for (const { body } of [unknown, never]) {
      expect({ ...body, requestId: '' }).toEqual({ ...foreign.body, requestId: '' });
    }
    await refuses('*/-', '401 invalid_credential');
    await refuses('DEFAULT/-', '401 invalid_credential');
  });

  test('a key that lacks a scope, and says which were needed', async () => {
    const answer = await refuses('default/files:read,files:erase', '403 insufficient_scope');
    expect(answer.headers.get('WWW-Authenticate')).toBe(
      'Bearer realm="mintmark", error="insufficient_scope", scope="files:read files:erase"',
    );
  });

  test.for([
    'files%20read',
    '%0d%0aSet-Cookie:%20x=1',
    'a"b',
    ',',
    'files:read,',
    'ü',
    '%zz',
    'x'.repeat(129),
  ])('everybody where it is asked for what is no scope: %s', async (scopes) => {
    const answer = await refuses(`default/${scopes}`, '403 insufficient_scope');
    expect(answer.headers.get('WWW-Authenticate')).toMatch(
      /^Bearer realm="mintmark", error="insufficient_scope"(?:, scope="[\w:]+")?$/,
    );
    expect([...answer.headers.keys()]).not.toContain('set-cookie');
  });

  test('a key that has ended, by when it was told', async () => {
    const { key: doomed, secret } = await service.key();
    expect((await ask('default/-', { credential: secret })).status).toBe(204);
    await service.call('POST', `/v1/api-keys/${doomed.id}/revoke`);
    await refuses('default/-', '401 invalid_credential', { credential: secret });
  });

  test('a path that is not whole', async () => {
    for (const path of ['', 'default', 'default/']) await refuses(path, '404 not_found');
  });

  test('where a header says otherwise than the path', async () => {
    const pinned = { 'Mintmark-Forward-Auth': 'default/files:read' };
    await passes('default/files:read/anything', { headers: pinned });
    // What the platform makes of /default/files:read/../../default/-/x.
    await refuses('default/-/x', '401 invalid_credential', { headers: pinned });
    await refuses('org_000000000000000000000000/files:read', '401 invalid_credential', { headers: pinned });
  });
});

describe('costs', () => {
  test('what any verification does: nothing in memory, one KV read in KV', async () => {
    const warm = await service.ioOf(() => passes('default/files:read'));
    expect([warm.d1.length, warm.kv.length]).toEqual([0, 0]);
    const other = new TestService();
    await other.verify(key.secret);
    const io = await other.ioOf(() =>
      other.call('GET', '/v1/forward-auth/no-such-organization/-', { credential: key.secret }),
    );
    expect([io.d1.length, io.kv.length]).toEqual([0, 0]);
    const malformed = await service.ioOf(() => ask('default/-', { credential: 'malformed' }));
    expect([malformed.d1.length, malformed.kv.length]).toEqual([0, 0]);
  });
});

describe('for nginx', () => {
  test('passes and says 401 as for others', async () => {
    await passes('default/files:read', { headers: NGINX });
    await refuses('default/-', '401 missing_credential', { credential: null, headers: NGINX });
    await refuses('default/-', '401 invalid_credential', { credential: 'no-key', headers: NGINX });
  });

  test('says 403 for all else', async () => {
    await refuses('default/files:erase', '403 insufficient_scope', { headers: NGINX });
    await refuses('default/-', '403 multiple_credentials', {
      headers: { ...NGINX, 'X-API-Key': key.secret },
    });
    await refuses('default', '403 not_found', { headers: NGINX });
    const cutOff = new TestService();
    cutOff.d1Hooks.before = () => {
      throw new Error('D1_ERROR: Network connection lost.');
    };
    const { secret } = await service.key();
    const lost = await cutOff.call('GET', '/v1/forward-auth/default/-', {
      credential: secret.replace('mk_', 'zz_'),
      headers: NGINX,
    });
    expect(outcomeOf(lost)).toBe('403 unavailable');
    expect(lost.headers.get('Retry-After')).toBe('5');
    const misconfigured = createMisconfiguredApp([{ path: 'DB', message: 'is missing' }], IDLE_PLATFORM);
    const asked = (headers = {}) => misconfigured.request('/v1/forward-auth/default/-', { headers });
    expect((await asked(NGINX)).status).toBe(403);
    expect((await asked()).status).toBe(503);
  });

  test('and no other name', async () => {
    const headers = { 'Mintmark-Proxy': 'caddy', 'X-API-Key': key.secret };
    await refuses('default/-', '400 multiple_credentials', { headers });
  });
});

test('for Envoy 200 is what passes, and nothing else differs', async () => {
  const headers = { 'Mintmark-Proxy': 'envoy' };
  const answer = await ask('default/files:read', { headers });
  expect([answer.status, answer.text, identityIn(answer)[0]]).toEqual([200, '', key.id]);
  await refuses('default/files:erase', '403 insufficient_scope', { headers });
  await refuses('default/-', '400 multiple_credentials', {
    headers: { ...headers, 'X-API-Key': key.secret },
  });
});

test('a flood of unknown keys is 429, and 403 for nginx', async () => {
  const flooded = new TestService();
  const askWith = (headers: Readonly<Record<string, string>> = {}) =>
    flooded.call('GET', '/v1/forward-auth/default/-', {
      credential: strayKey(),
      headers: { 'CF-Connecting-IP': '192.0.2.7', ...headers },
    });
  expect(await flood(flooded, askWith)).toEqual(new Set([401, 429]));
  expect(outcomeOf(await askWith())).toBe('429 rate_limited');
  expect(outcomeOf(await askWith(NGINX))).toBe('403 rate_limited');
});
